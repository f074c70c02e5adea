import FoundationEssentials
import StrictJSON
import Testing

@testable import Sigstore

@Suite struct TrustedRootTests {
    @Test func `a root is read, and is no lab's`() throws {
        let root = try Fixture.root()
        #expect(root.tlogs.map(\.baseURL) == ["http://127.0.0.1:47120", "http://localhost:47140"])
        #expect(root.certificateAuthorities[0].intermediates.count == 1)
        #expect(root.ctLogs.count == 1 && root.timestampAuthorities.count == 1)
        #expect(!root.isLab)
        let lab = try Fixture.text("trusted_root.json").replacing("\"realstack.test\"", with: "\"Countersign Lab\"")
        #expect(try TrustedRoot(json: Array(lab.utf8)).isLab)
    }

    @Test func `checkpoints may carry another id than entries`() throws {
        let compact = try JSONValue(parsing: Fixture.bytes("trusted_root.json")).encoded()
        let named = String(decoding: compact, as: UTF8.self).replacing(
            "\"logId\":{", with: "\"checkpointKeyId\":{\"keyId\":\"AQIDBAU=\"},\"logId\":{")
        let (root, before) = (try TrustedRoot(json: Array(named.utf8)), try Fixture.root())
        #expect(root.tlogs.map(\.logID) == before.tlogs.map(\.logID))
        #expect(root.tlogs.map(\.checkpointKeyID) == root.tlogs.map { _ in [1, 2, 3, 4, 5] })
        #expect(before.tlogs.allSatisfy { $0.checkpointKeyID == nil })
    }

    /// Each row replaces one text in a good root.
    @Test(arguments: [
        ("version=0.1", "version=0.3"), ("\"mediaType\"", "\"type\""),
        ("\"start\":\"2026-11-01T00:00:00Z\"", "\"start\":\"soon\""),
        ("{\"start\":\"2026-11-01T00:00:00Z\"}", "{}"),
        (
            "{\"start\":\"2026-11-01T00:00:00Z\"}",
            "{\"start\":\"2026-11-01T00:00:00Z\",\"end\":\"2026-10-01T00:00:00Z\"}"
        ),
        ("\"logId\":{", "\"id\":{"), ("SHA2_256\",\"publicKey", "SHA2_512\",\"publicKey"),
        ("\"certChain\":{\"certificates\":[", "\"certChain\":{\"certificates\":[{\"rawBytes\":\"AAAA\"},"),
        ("\"certChain\":{\"certificates\":[", "\"certChain\":{\"certificates\":[],\"x\":["),
        ("\"keyId\":\"", "\"keyId\":\"!"),
    ])
    func `a malformed root is refused`(good: String, bad: String) throws {
        let compact = try JSONValue(parsing: Fixture.bytes("trusted_root.json")).encoded()
        let text = String(decoding: compact, as: UTF8.self)
        try #require(text.contains(good))
        let error = #expect(throws: SigstoreError.self) {
            try TrustedRoot(json: Array(text.replacing(good, with: bad).utf8))
        }
        #expect(error?.observed.hasPrefix("trusted root") == true)
    }

    @Test func `a validity interval includes both its ends`() throws {
        let start = try #require(Date(rfc3339: "2026-01-01T00:00:00Z"))
        let window = ValidityWindow(start: start, end: start.addingTimeInterval(10))
        #expect(window.contains(start) && window.contains(start.addingTimeInterval(10)))
        #expect(!window.contains(start.addingTimeInterval(-0.5)) && !window.contains(start.addingTimeInterval(10.5)))
    }
}
