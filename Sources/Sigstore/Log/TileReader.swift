import Curl

/// Where tiles come from. What it returns is believed only once it was checked against a root.
protocol TileSource: Sendable {
    /// The tile's bytes: exactly `width` hashes of 32 bytes, or an entry bundle of at least `width` entries.
    func tile(_ path: TilePath) async throws(SigstoreError) -> [UInt8]
}

/// A log's static files over HTTP (C2SP tlog-tiles).
struct TileReader: TileSource {
    /// A hash tile of 256 hashes.
    private static let maxHashBytes = TilePath.fullWidth * 32
    /// An entry bundle of 256 entries of the longest kind.
    private static let maxEntryBytes = TilePath.fullWidth * (2 + 0xFFFF)

    private let checkpoints: Upstream
    private let hashes: Upstream
    private let entries: Upstream

    init(url: String, http: HTTPClient, route: HTTPRoute) {
        func upstream(_ limit: Int) -> Upstream {
            var bounded = route
            bounded.maxResponseBytes = limit
            return Upstream(.rekor, url: url, http: http, route: bounded)
        }
        checkpoints = upstream(Checkpoint.maxBytes)
        hashes = upstream(Self.maxHashBytes)
        entries = upstream(Self.maxEntryBytes)
    }

    /// The newest checkpoint; its signature is not checked here.
    func checkpoint() async throws(SigstoreError) -> Checkpoint {
        let response = try await checkpoints.get("/checkpoint", accept: "text/plain")
        guard response.status == 200 else { throw checkpoints.failure(response, posted: false) }
        guard let note = String(validating: response.body, as: UTF8.self) else {
            throw .malformed("checkpoint", "not UTF-8")
        }
        return try Checkpoint(note: note)
    }

    func tile(_ path: TilePath) async throws(SigstoreError) -> [UInt8] {
        if let bytes = try await fetch(path) { return bytes }
        if !path.isFull, let bytes = try await fetch(path.full) {
            if case .hashes = path.kind { return Array(bytes.prefix(path.width * 32)) }
            return bytes
        }
        throw .unavailable(
            .rekor, detail: "the log has no \(path.text), which its checkpoint covers", retryAfter: nil,
            answerMayBeLost: false)
    }

    private func fetch(_ path: TilePath) async throws(SigstoreError) -> [UInt8]? {
        let upstream = path.kind == .entries ? entries : hashes
        let response = try await upstream.get("/" + path.text, accept: "application/octet-stream")
        switch response.status {
        case 200:
            if case .hashes = path.kind, response.body.count != path.width * 32 {
                throw .badAnswer(
                    .rekor, detail: "\(path.text) has \(response.body.count) bytes", answerMayBeLost: false)
            }
            return response.body
        // object stores answer 403 for what is not there when listing is not allowed
        case 403, 404, 410: return nil
        default: throw upstream.failure(response, posted: false)
        }
    }
}
