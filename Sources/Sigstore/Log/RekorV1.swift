public import Curl
import OpenSSL

extension RekorAPI {
    /// Rekor v1: a server with a database. It dates and promises its entries, and finds them by what is in them.
    public static let v1 = RekorAPI(
        version: 1, datesEntries: true, isTiled: false, takesEnvelopes: true, shortestTimeout: .zero,
        entryKinds: [
            LogEntryKind(kind: DSSEEntry.kind, version: DSSEEntry.version) { (body) throws(SigstoreError) in
                .dsse(try DSSEEntry(body: body))
            },
            LogEntryKind(kind: "intoto", version: "0.0.1") { (body) throws(SigstoreError) in
                try TlogBody.intotoEnvelope(body)
            },
            LogEntryKind(kind: "intoto", version: "0.0.2") { (body) throws(SigstoreError) in
                try TlogBody.intoto(body)
            },
            LogEntryKind(kind: HashedRekordEntry.kind, version: HashedRekordEntry.version) {
                (body) throws(SigstoreError) in try TlogBody.hashedRekord1(body)
            },
        ],
        reads: { (try? RekorV1Entry(request: $0)) != nil },
        checkKey: { _ in },
        isSigner: { log, line, origin in log.isSignerOfTree(line, origin: origin) },
        connect: { place, _, http in RekorV1(url: place.url, http: http, route: place.route) })
}

/// Rekor v1 (`/api/v1`, rekor/openapi.yaml) for entries of kind `dsse` 0.0.1 and `hashedrekord` 0.0.1.
public final class RekorV1: RekorClient, LogIndex {
    let upstream: Upstream
    public let id: String
    public let api = RekorAPI.v1

    /// A client of the log at `url`.
    public init(url: String, http: HTTPClient, route: HTTPRoute = .init()) {
        upstream = Upstream(.rekor, url: url, http: http, route: route)
        id = upstream.base
    }

    public func request(for submission: LogSubmission) throws(SigstoreError) -> [UInt8] {
        try RekorV1Entry.request(for: submission)
    }

    /// `POST /api/v1/log/entries`; 201 is a new entry, 409 names the one that exists, which is fetched.
    public func submit(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry {
        let expected = try RekorV1Entry(request: request)
        let response = try await upstream.post("/api/v1/log/entries", request, type: "application/json")
        switch response.status {
        case 201:
            return try belonging(to: expected) { () throws(SigstoreError) in try RekorAnswer.entry(in: response.body) }
        case 409:
            return try await existing(response, expected)
        default:
            throw upstream.failure(response)
        }
    }

    /// Finds the entry by the leaf hash it must have, else by asking the log which entry equals the request.
    public func lookup(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry? {
        let expected = try RekorV1Entry(request: request)
        let leaf = Hex.encode(Merkle.leafHash(expected.canonicalizedBody))
        if let entry = try await entry(uuid: leaf) { return try belonging(to: expected) { entry } }
        // a log that spells its bodies differently has another leaf hash; it still knows its own entry
        let question = Array("{\"entries\":[".utf8) + request + Array("]}".utf8)
        let response = try await upstream.post("/api/v1/log/entries/retrieve", question, type: "application/json")
        guard response.status == 200 else { throw upstream.failure(response, posted: false) }
        let found = try answer { () throws(SigstoreError) in try RekorAnswer.entries(in: response.body) }
        guard let entry = found.first else { return nil }
        return try belonging(to: expected) { entry }
    }

    /// `GET /api/v1/log/entries/{uuid}`: 80 hex digits, or the 64 of the leaf hash; nil for 404.
    public func entry(uuid: String) async throws(SigstoreError) -> TlogEntry? {
        guard [64, 80].contains(uuid.utf8.count), Hex.decode(uuid) != nil else {
            throw .malformed("entry uuid", "neither 64 nor 80 hex digits")
        }
        return try await fetch("/api/v1/log/entries/\(uuid)")
    }

    /// `GET /api/v1/log/entries?logIndex=`: by global index; nil for 404.
    public func entry(index: Int64) async throws(SigstoreError) -> TlogEntry? {
        try await fetch("/api/v1/log/entries?logIndex=\(index)")
    }

    private func fetch(_ path: String) async throws(SigstoreError) -> TlogEntry? {
        let response = try await upstream.get(path)
        switch response.status {
        case 200: return try answer { () throws(SigstoreError) in try RekorAnswer.entry(in: response.body) }
        case 404: return nil
        default: throw upstream.failure(response, posted: false)
        }
    }

    /// A duplicate: only the uuid of `Location` is used, so that no answer can send us to another host.
    private func existing(_ response: HTTPResponse, _ expected: RekorV1Entry) async throws(SigstoreError) -> TlogEntry {
        let uuid = response.headers["Location"].flatMap { $0.split(separator: "/").last }.map(String.init) ?? ""
        let found: TlogEntry?
        if [64, 80].contains(uuid.utf8.count), Hex.decode(uuid) != nil {
            found = try await entry(uuid: uuid)
        } else {
            found = try await entry(uuid: Hex.encode(Merkle.leafHash(expected.canonicalizedBody)))
        }
        guard let found else {
            // the log knows the entry and cannot show it yet: its signer has not merged it
            throw .unavailable(
                .rekor, detail: "409 for an entry that is not readable yet", retryAfter: nil, answerMayBeLost: true)
        }
        return try belonging(to: expected) { found }
    }

    /// The log may answer with any entry; only ours will do.
    private func belonging(
        to expected: RekorV1Entry, _ read: () throws(SigstoreError) -> TlogEntry
    ) throws(SigstoreError) -> TlogEntry {
        try answer { () throws(SigstoreError) in
            let entry = try read()
            guard try RekorV1Entry(entry).isSameSignature(as: expected) else {
                throw .malformed("tlog entry", "it is of another signature than the request's")
            }
            return entry
        }
    }

    /// Whatever cannot be read in an answer is the log's fault, not a malformed document of ours.
    func answer<Value>(_ read: () throws(SigstoreError) -> Value) throws(SigstoreError) -> Value {
        do throws(SigstoreError) {
            return try read()
        } catch {
            throw .badAnswer(.rekor, detail: error.observed, answerMayBeLost: true)
        }
    }
}
