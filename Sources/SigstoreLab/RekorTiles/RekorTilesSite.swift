import FoundationEssentials
import HTTPTypes
import OpenSSL

/// Rekor v2 as rekor-tiles 2.3 answers, with the static files of its shards under the same URL.
///
/// The first shard is at the root, the following at `/2`, `/3`, …; each has a URL, a key and a tree of its own. The real
/// server answers reads with 501 and leaves them to a file server; public instances put both behind one host, with the
/// files under `/api/v2`: both addresses work here.
struct RekorTilesSite: LabSite {
    let service = LabService.rekor2
    let shards: Lineage<TiledLog>

    func isSigningCall(_ path: String) -> Bool { path.hasSuffix("/api/v2/log/entries") }

    /// Path of a shard's URL on this port: empty for the first.
    static func path(ofShard number: Int) -> String { number == 1 ? "" : "/\(number)" }

    func answer(_ request: LabRequest) async throws -> Answer {
        do {
            let (log, path) = shard(of: request.path)
            return try await answer(request, log, path)
        } catch let refusal as TiledRefusal {
            return refusal.answer
        }
    }

    /// The shard that a path begins with, and the rest of the path.
    private func shard(of path: String) -> (log: TiledLog, path: Substring) {
        let all = shards.all
        for generation in all.dropFirst().reversed() where path.hasPrefix("/\(generation.number)/") {
            return (generation.member, path.dropFirst("/\(generation.number)".utf8.count))
        }
        return (all.first?.member ?? shards.current, path[...])
    }

    private func answer(_ request: LabRequest, _ log: TiledLog, _ path: Substring) async throws -> Answer {
        let file = path.hasPrefix("/api/v2/") ? path.dropFirst("/api/v2/".utf8.count) : path.dropFirst()
        switch (request.method, path) {
        case (.post, "/api/v2/log/entries"):
            let entry = try Self.entry(in: request, isFrozen: log.head.isFrozen)
            let logged = try await log.append(entry.canonicalBody, now: request.now)
            return .text(
                TiledEntryText(logged.distorted(request.distortions), logID: log.logID).json, type: "application/json",
                status: .created)
        case (_, "/api/v2/log/entries"): return .gateway(12, "Method Not Allowed", status: .notImplemented)
        case (.get, "/healthz"): return .text("{\"status\":\"SERVING\"}\n", type: "application/json")
        case (.get, _) where file == "checkpoint":
            let note = log.head.checkpoint
            let isWrong = request.distortions.contains(.badCheckpoint)
            var answer = Answer.text(isWrong ? note.withOtherSignatures : note, type: "text/plain; charset=utf-8")
            answer.headers[.cacheControl] = "no-cache"
            return answer
        case (.get, _):
            guard let tile = TilePath(file),
                !(tile.isPartial && tile.leavesOfFullTile <= log.size
                    && request.distortions.contains(.noPartialTiles)),
                let bytes = try await log.tile(tile)
            else { return Self.notFound }
            return Answer(
                .ok,
                headers: [
                    .contentType: "application/octet-stream", .cacheControl: "max-age=31536000, immutable, public",
                ], body: bytes)
        default: return Self.notFound
        }
    }

    /// The order of the real server: the message is parsed, then the log is frozen, then the entry is looked at.
    private static func entry(in request: LabRequest, isFrozen: Bool) throws -> HashedRekordRequest {
        do {
            let entry = try HashedRekordRequest(json: request.body)
            guard !isFrozen else { throw TiledRefusal.frozen }
            return entry
        } catch TiledRefusal.type where isFrozen {
            throw TiledRefusal.frozen
        } catch TiledRefusal.entry where isFrozen {
            throw TiledRefusal.frozen
        }
    }

    private static var notFound: Answer { .gateway(5, "Not Found", status: .notFound) }
}

/// The answer to an append: a protobuf `TransparencyLogEntry`, unset fields written out, as rekor-tiles sends it.
struct TiledEntryText {
    let json: String

    init(_ logged: TiledLog.Logged, logID: [UInt8]) {
        let head = logged.head
        let hashes = logged.proof.map { "\"\($0.base64)\"" }.joined(separator: ", ")
        let proof = """
            {"logIndex":"\(logged.index)", "rootHash":"\(head.root.base64)", "treeSize":"\(head.size)", \
            "hashes":[\(hashes)], "checkpoint":{"envelope":\(Answer.quoted(head.checkpoint))}}
            """
        json = """
            {"logIndex":"\(logged.index)", "logId":{"keyId":"\(logID.base64)"}, \
            "kindVersion":{"kind":"hashedrekord", "version":"0.0.2"}, "integratedTime":"0", "inclusionPromise":null, \
            "inclusionProof":\(proof), "canonicalizedBody":"\(logged.body.base64)"}
            """
    }
}
