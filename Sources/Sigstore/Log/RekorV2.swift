public import Curl
import OpenSSL
import Synchronization

extension RekorAPI {
    /// Rekor v2 (rekor-tiles): files of tiles. It neither dates nor promises its entries, and answers with its next checkpoint:
    /// the client guide wants at least 20 s for that.
    public static let v2 = RekorAPI(
        version: 2, datesEntries: false, isTiled: true, takesEnvelopes: false, shortestTimeout: .seconds(20),
        entryKinds: [
            LogEntryKind(kind: HashedRekordV2Entry.kind, version: HashedRekordV2Entry.version) {
                (body) throws(SigstoreError) in try TlogBody.hashedRekord2(body)
            }
        ],
        reads: { (try? HashedRekordV2Entry(request: $0)) != nil },
        checkKey: { (key) throws(SigstoreError) in try HashedRekordV2Entry.check(key) },
        isSigner: { log, line, origin in log.isSignerOfNote(line, origin: origin) },
        connect: { place, verifier, http in
            RekorV2(url: place.url, tilesURL: place.tilesURL, verifier: verifier, http: http, route: place.route)
        })
}

/// Rekor v2 (rekor-tiles): entries are posted one by one and answered when they are in a published checkpoint; everything
/// else is read from tiles.
///
/// It neither dates entries nor promises them, and has no look-up by content: a request that it knows is answered 409 with
/// the index, and the entry is then taken from the tiles with a proof of our own making.
public final class RekorV2: RekorClient {
    public let id: String
    public let api = RekorAPI.v2

    let tiles: TileReader
    let cache = TileCache()
    let verifier: CheckpointVerifier
    /// The longest wait for an entry to be under a published checkpoint: the route's for an answer.
    let timeout: Duration
    /// The newest tree that was read; entries below its size need no newer one.
    let newest = Mutex<LogView?>(nil)
    private let upstream: Upstream

    /// A client of the log at `url`.
    /// - Parameters:
    ///   - tilesURL: where `checkpoint` and `tile/` are; nil for `url/api/v2`, where the public instance has them.
    ///   - verifier: the trusted logs, of which this must be one, and its witnesses.
    ///   - route: its total timeout is how long one submission may block, since the log answers with its next checkpoint: at
    ///     least ``RekorAPI/shortestTimeout``. Also the longest wait for a duplicate to become readable.
    public init(
        url: String, tilesURL: String? = nil, verifier: CheckpointVerifier, http: HTTPClient, route: HTTPRoute = .init()
    ) {
        upstream = Upstream(.rekor, url: url, http: http, route: route)
        id = upstream.base
        tiles = TileReader(url: tilesURL ?? "\(upstream.base)/api/v2", http: http, route: route)
        self.verifier = verifier
        timeout = route.totalTimeout
    }

    public func request(for submission: LogSubmission) throws(SigstoreError) -> [UInt8] {
        try HashedRekordV2Entry(submission).request
    }

    /// `POST /api/v2/log/entries`; 201 is a new entry, 409 names the index of the one that exists.
    public func submit(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry {
        let expected = try HashedRekordV2Entry(request: request)
        let response = try await upstream.post("/api/v2/log/entries", request, type: "application/json")
        switch response.status {
        case 200, 201:
            return try checked(expected) { () throws(SigstoreError) in
                let entry = try TlogEntry(JSONField(document: "Rekor's answer", parsing: response.body))
                try accept(entry)
                return entry
            }
        case 409:
            guard let index = Self.index(of: response) else {
                throw .badAnswer(.rekor, detail: "409 that names no index", answerMayBeLost: true)
            }
            let entry = try await published(index)
            return try checked(expected) { entry }
        case 405:
            throw .logFrozen(log: id, message: upstream.message(response))
        case 499:
            // the log's own context ended before the checkpoint came
            throw .unavailable(.rekor, detail: "status 499", retryAfter: response.retryAfter, answerMayBeLost: true)
        default:
            throw upstream.failure(response)
        }
    }

    public func lookup(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry? {
        throw .unsupported("asking Rekor v2 for an entry by its content")
    }

    /// The index of a duplicate: `X-Log-Index`, else the end of `… with index 52`.
    private static func index(of response: HTTPResponse) -> Int64? {
        let header = response.headers["X-Log-Index"].flatMap { Int64($0) }
        let text = String(decoding: response.body.prefix(512), as: UTF8.self)
        let digits = text.firstRange(of: "with index ").map { text[$0.upperBound...].prefix(while: \.isNumber) }
        guard let index = header ?? digits.flatMap({ Int64($0) }), index >= 0 else { return nil }
        return index
    }

    /// The answer itself must be proven: the leaf under the root, the root under the log's signature and its witnesses'.
    private func accept(_ entry: TlogEntry) throws(SigstoreError) {
        guard let proof = entry.inclusionProof else { throw .malformed("tlog entry", "no inclusion proof") }
        let view = try verifier.verify(Checkpoint(note: proof.checkpoint))
        guard entry.logID == view.log.logID else { throw .malformed("tlog entry", "its log id is not the signer's") }
        guard proof.logIndex == entry.logIndex, proof.rootHash == view.checkpoint.rootHash,
            UInt64(exactly: proof.treeSize) == view.checkpoint.size, let index = UInt64(exactly: proof.logIndex)
        else { throw .malformed("tlog entry", "its proof is of another index or checkpoint") }
        do throws(Merkle.ProofError) {
            try Merkle.verifyInclusion(
                leafHash: Merkle.leafHash(entry.canonicalizedBody), index: index, size: view.checkpoint.size,
                path: proof.hashes, root: view.checkpoint.rootHash)
        } catch {
            throw .malformed("tlog entry", "its inclusion proof does not hold: \(error)")
        }
    }

    /// The log may answer with any entry; only ours will do. Whatever cannot be read in an answer is the log's fault, not
    /// a malformed document of ours; the entry may well exist, and submitting again will find it in the tiles.
    private func checked(
        _ expected: HashedRekordV2Entry, _ read: () throws(SigstoreError) -> TlogEntry
    ) throws(SigstoreError) -> TlogEntry {
        do throws(SigstoreError) {
            let entry = try read()
            guard entry.kind == HashedRekordV2Entry.kind, entry.version == HashedRekordV2Entry.version,
                try HashedRekordV2Entry(body: entry.canonicalizedBody) == expected
            else { throw .malformed("tlog entry", "it is of another signature than the request's") }
            return entry
        } catch {
            if case .unwitnessed = error { throw error }
            throw .badAnswer(.rekor, detail: error.observed, answerMayBeLost: true)
        }
    }
}
