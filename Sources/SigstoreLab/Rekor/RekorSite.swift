import FoundationEssentials
import HTTPTypes
import OpenSSL

/// Rekor v1 as version 1.5 answers.
struct RekorSite: LabSite {
    let service = LabService.rekor
    let log: RekorShards

    func isSigningCall(_ path: String) -> Bool { path == "/api/v1/log/entries" }

    static func location(_ uuid: String) -> String { "/api/v1/log/entries/\(uuid)" }

    func answer(_ request: LabRequest) async throws -> Answer {
        do {
            var answer = try await route(request)
            if request.method == .get, request.path.hasPrefix("/api/v1/log") {
                answer.headers[.cacheControl] = Self.uncached
            }
            return answer
        } catch let refusal as RekorRefusal {
            return refusal.answer
        }
    }

    private static let uncached = "no-cache, no-store, no-transform, must-revalidate, private, max-age=0"

    private func route(_ request: LabRequest) async throws -> Answer {
        switch (request.method, request.path) {
        case (.post, "/api/v1/log/entries"): return try await create(request)
        case (.get, "/api/v1/log/entries"): return try await byIndex(request)
        case (.post, "/api/v1/log/entries/retrieve"): return try await EntryQuery(request).answer(from: log)
        case (.post, "/api/v1/index/retrieve"): return try IndexQuery(request).answer(from: log)
        case (.get, "/api/v1/log"): return try head()
        case (.get, "/api/v1/log/proof"): return try consistency(request)
        case (.get, "/api/v1/log/publicKey"): return try publicKey(request)
        case (.get, "/ping"): return .text(".", type: "text/plain")
        case (.get, let path) where path.hasPrefix("/api/v1/log/entries/"):
            return try await byUUID(String(path.dropFirst("/api/v1/log/entries/".count)), request)
        default:
            return .json(Missing(message: "path \(request.path) was not found"), status: .notFound)
        }
    }

    private func create(_ request: LabRequest) async throws -> Answer {
        try Self.requireJSON(request)
        let entry = try await log.append(try ProposedEntry(json: request.body), now: request.now)
            .distorted(request.distortions)
        var answer = Answer.json(entry.keyed, status: .created, newline: true)
        answer.headers[.eTag] = entry.uuid
        answer.headers[.location] = Self.location(entry.uuid)
        return answer
    }

    private func byIndex(_ request: LabRequest) async throws -> Answer {
        guard let text = request.query["logIndex"] else {
            throw RekorRefusal.invalid(code: 602, "logIndex in query is required")
        }
        guard let index = Int(text) else {
            throw RekorRefusal.invalid(code: 601, "logIndex in query must be of type int64: \"\(text)\"")
        }
        guard index >= 0 else {
            throw RekorRefusal.invalid(code: 608, "logIndex in query should be greater than or equal to 0")
        }
        guard let entry = try await log.entry(at: index) else { throw RekorRefusal.notFound }
        return .json(entry.keyed, newline: true)
    }

    private func byUUID(_ uuid: String, _ request: LabRequest) async throws -> Answer {
        guard uuid.utf8.count == 64 || uuid.utf8.count == 80, [UInt8](hex: uuid) != nil else {
            throw RekorRefusal.invalid(
                code: 605, "entryUUID in path should match '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$'")
        }
        guard let entry = try await log.entry(uuid: uuid) else { throw RekorRefusal.notFound }
        return .json(entry.distorted(request.distortions).keyed, newline: true)
    }

    private func head() throws -> Answer {
        .json(
            LogInfo(shard: try ShardInfo(log.current), inactive: try log.inactive.map(ShardInfo.init)), newline: true)
    }

    private func consistency(_ request: LabRequest) throws -> Answer {
        guard let last = request.query["lastSize"].flatMap(Int.init) else {
            throw RekorRefusal.invalid(code: 602, "lastSize in query is required")
        }
        let first = request.query["firstSize"].flatMap(Int.init) ?? 1
        guard first >= 1, first <= last else {
            throw RekorRefusal.badRequest("firstSize(\(first)) must be less than lastSize(\(last))")
        }
        guard let shard = log.shard(treeID: request.query["treeID"]) else { throw RekorRefusal.notFound }
        let head = try shard.head()
        guard last <= head.size else {
            throw RekorRefusal.badRequest("lastSize(\(last)) is larger than the tree (\(head.size))")
        }
        // As recorded: the root is that of the whole tree, not that of lastSize.
        return .json(
            Consistency(
                hashes: shard.consistencyProof(first: first, second: last).map(\.hex), rootHash: head.root.hex),
            newline: true)
    }

    private func publicKey(_ request: LabRequest) throws -> Answer {
        let tree = request.query["treeID"]
        guard let shard = log.shard(treeID: tree) else {
            throw RekorRefusal.badRequest("unable to get public key for tree \(tree ?? "")")
        }
        return .text(shard.publicKey.pem, type: "application/x-pem-file")
    }

    static func requireJSON(_ request: LabRequest) throws(RekorRefusal) {
        guard request.contentType == "application/json" else { throw .mediaType(request.contentType) }
    }

    private struct Missing: Encodable {
        let code = 404
        let message: String
    }

    private struct Consistency: Encodable {
        let hashes: [String]
        let rootHash: String
    }

    private struct ShardInfo: Encodable {
        let rootHash: String
        let signedTreeHead: String
        let treeID: String
        let treeSize: Int

        init(_ log: RekorLog) throws {
            let head = try log.head()
            (rootHash, signedTreeHead) = (head.root.hex, head.checkpoint)
            (treeID, treeSize) = (String(log.treeID), head.size)
        }
    }

    /// The current shard's fields, and those of the closed ones under a name of their own (`null` if there are none).
    private struct LogInfo: Encodable {
        let shard: ShardInfo
        let inactive: [ShardInfo]
        enum CodingKeys: CodingKey { case inactiveShards }

        func encode(to encoder: any Encoder) throws {
            try shard.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            if inactive.isEmpty {
                try container.encodeNil(forKey: .inactiveShards)
            } else {
                try container.encode(inactive, forKey: .inactiveShards)
            }
        }
    }
}
