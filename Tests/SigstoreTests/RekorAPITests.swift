import Curl
import OpenSSL
import Testing

@testable import Sigstore

/// What tells the versions of Rekor's API apart.
@Suite struct RekorAPITests {
    @Test func `every version is listed once, and no kind of entry is of two`() throws {
        let versions = RekorAPI.all.map(\.version)
        #expect(versions == versions.sorted() && Set(versions).count == versions.count)
        let kinds = RekorAPI.all.flatMap(\.entryKinds).map { "\($0.kind) \($0.version)" }
        #expect(Set(kinds).count == kinds.count)
        #expect(
            Set(kinds).isSuperset(of: [
                "dsse 0.0.1", "hashedrekord 0.0.1", "hashedrekord 0.0.2", "intoto 0.0.1", "intoto 0.0.2",
            ]))
        #expect(SigningConfig.Supported.logs == Set(versions))
        for api in RekorAPI.all { #expect(try RekorAPI(version: api.version) == api) }
    }

    @Test(arguments: [0, -1, 1_000])
    func `a version that we do not speak is refused, and those that we do are named`(version: Int) throws {
        let error = #expect(throws: SigstoreError.self) { try RekorAPI(version: version) }
        #expect(error?.code == "sigstore.unsupported")
        #expect(error?.observed.contains(RekorAPI.versions) == true, "\(String(describing: error))")
        #expect(RekorAPI.versions.hasPrefix("1 or 2"))
        #expect(RekorAPI.names { [.v1, .v2].contains($0) } == "Rekor v1 or v2")
    }

    @Test(arguments: RekorAPI.all)
    func `a client speaks its version, and its requests and entries are known by it`(api: RekorAPI) throws {
        let http = HTTPClient()
        defer { http.shutdown() }
        let log = api.client(
            at: .init(url: "https://log.example"), verifier: CheckpointVerifier(logs: { [] }), http: http)
        #expect(log.api == api && log.id == "https://log.example" && log.datesEntries == api.datesEntries)
        let (key, message) = (try PrivateKey.generate(.ecdsaP256), Array("message".utf8))
        let request = try log.request(
            for: LogSubmission(
                .message(digest: Hash.sha256(message), signature: try key.sign(message)), by: .publicKey(key.publicKey))
        )
        #expect(try RekorAPI(reading: request) == api)
        for kind in api.entryKinds {
            let entry = Self.entry(kind.kind, kind.version)
            #expect(entry.api == api && entry.provesIndex == api.isTiled)
        }
        // an entry is found by content, or by reading: one of both
        #expect((log is any LogIndex) != (log is any LogScan))
    }

    @Test func `what is of no version is told so`() throws {
        #expect(throws: SigstoreError.self) {
            try RekorAPI(reading: Array(#"{"kind":"rekord","apiVersion":"0.0.1"}"#.utf8))
        }
        #expect(Self.entry("rekord", "0.0.1").api == nil && Self.entry("hashedrekord", "0.0.0").api == nil)
        #expect(!Self.entry("hashedrekord", "0.0.0").provesIndex)
    }

    private static func entry(_ kind: String, _ version: String) -> TlogEntry {
        TlogEntry(
            logIndex: 0, logID: [], kind: kind, version: version, integratedTime: 0, inclusionPromise: nil,
            inclusionProof: nil, canonicalizedBody: [])
    }
}
