import FoundationEssentials
import HTTPTypes
import OpenSSL

/// RFC 6962 §4 over HTTP, under `/ct/ct/v1/` as ct_server serves a log called `ct`.
struct CertificateLogSite: Sendable {
    /// ct_server's default ceiling for one `get-entries`.
    private static let maxEntries = 256
    let logs: Lineage<CertificateLog>
    let authorities: Lineage<CertificateAuthority>
    private var log: CertificateLog { logs.current }
    private var roots: [Certificate] { authorities.all.map(\.member.root) }

    func answer(_ request: LabRequest) async throws -> Answer {
        let call = request.path.split(separator: "/").last ?? ""
        switch (request.method, call) {
        case (.post, "add-pre-chain"): return await add(request, isPrecertificate: true)
        case (.post, "add-chain"): return await add(request, isPrecertificate: false)
        case (.get, "get-sth"): return try treeHead(request)
        case (.get, "get-roots"): return .json(["certificates": roots.map(\.der.base64)])
        case (.get, "get-entries"): return try await entries(request)
        case (.get, "get-proof-by-hash"): return inclusionProof(request)
        case (.get, "get-sth-consistency"): return consistencyProof(request)
        default: return Answer(.notFound)
        }
    }

    private func add(_ request: LabRequest, isPrecertificate: Bool) async -> Answer {
        do {
            let body = try JSONDecoder().decode([String: [String]].self, from: Data(request.body))
            let chain = (body["chain"] ?? []).compactMap { [UInt8](base64: $0) }
            try check(chain)
            let promise = try await log.add(chain, isPrecertificate: isPrecertificate, now: request.now)
            return .json(
                Promised(
                    version: 0, id: log.logID.base64, timestamp: promise.milliseconds, extensions: "",
                    signature: promise.signature.base64))
        } catch {
            return refusal("failed to parse add-chain body: \(error)")
        }
    }

    /// A log takes only what its roots vouch for; each certificate names the next as its issuer.
    private func check(_ chain: [[UInt8]]) throws {
        let certificates = try chain.map { try Certificate(der: $0) }
        let isLinked = zip(certificates, certificates.dropFirst()).allSatisfy { $0.issuer == $1.subject }
        guard chain.count > 1, isLinked, let last = certificates.last,
            roots.contains(where: { $0 == last || $0.subject == last.issuer })
        else { throw LabError.token("chain does not end in an accepted root") }
    }

    private func treeHead(_ request: LabRequest) throws -> Answer {
        let head = try log.signedTreeHead(now: request.now)
        return .json(
            TreeHead(
                size: head.size, timestamp: head.milliseconds, root: head.root.base64, signature: head.signature.base64)
        )
    }

    private func entries(_ request: LabRequest) async throws -> Answer {
        guard let start = number(request, "start"), let end = number(request, "end"), start <= end, start < log.size
        else {
            return refusal("bad start or end")
        }
        var entries: [[String: String]] = []
        for index in start...min(end, log.size - 1, start + Self.maxEntries - 1) {
            guard let entry = try await log.entry(at: index) else { break }
            entries.append(["leaf_input": entry.leaf.base64, "extra_data": entry.extra.base64])
        }
        return .json(["entries": entries])
    }

    private func inclusionProof(_ request: LabRequest) -> Answer {
        guard let hash = request.query["hash"].flatMap({ [UInt8](base64: $0) }), let size = number(request, "tree_size")
        else {
            return refusal("bad hash or tree_size")
        }
        guard let proof = log.inclusionProof(leafHash: hash, size: size) else { return Answer(.notFound) }
        return .json(Proof(index: proof.index, path: proof.hashes.map(\.base64)))
    }

    private func consistencyProof(_ request: LabRequest) -> Answer {
        guard let first = number(request, "first"), let second = number(request, "second"),
            let proof = log.consistencyProof(first: first, second: second)
        else { return refusal("bad first or second") }
        return .json(["consistency": proof.map(\.base64)])
    }

    private func number(_ request: LabRequest, _ name: String) -> Int? {
        request.query[name].flatMap(Int.init).flatMap { $0 >= 0 ? $0 : nil }
    }

    private func refusal(_ text: String) -> Answer {
        .text("Bad Request\n\(text)\n", type: "text/plain; charset=utf-8", status: .badRequest)
    }

    private struct Promised: Encodable {
        let version: Int
        let id: String
        let timestamp: UInt64
        let extensions: String
        let signature: String
        enum CodingKeys: String, CodingKey { case version = "sct_version", id, timestamp, extensions, signature }
    }

    private struct TreeHead: Encodable {
        let size: Int
        let timestamp: UInt64
        let root: String
        let signature: String
        enum CodingKeys: String, CodingKey {
            case size = "tree_size"
            case timestamp
            case root = "sha256_root_hash"
            case signature = "tree_head_signature"
        }
    }

    private struct Proof: Encodable {
        let index: Int
        let path: [String]
        enum CodingKeys: String, CodingKey { case index = "leaf_index", path = "audit_path" }
    }
}
