import Testing

@testable import Sigstore

@Suite struct BundleTests {
    /// But for the zeros of a log's first entry: sigstore-python does not read one without its index and path.
    @Test(arguments: ["rekor1", "rekor1-tsa"])
    func `writing what was read gives cosign's very bytes`(scenario: String) throws {
        let text = try Fixture.text("\(scenario)/bundle.sigstore.json")
        let whole = text.replacing(
            "\"tlogEntries\":[{\"logId\"", with: "\"tlogEntries\":[{\"logIndex\":\"0\",\"logId\""
        )
        .replacing("\"inclusionProof\":{\"rootHash\"", with: "\"inclusionProof\":{\"logIndex\":\"0\",\"rootHash\"")
        .replacing("\"treeSize\":\"1\",\"checkpoint\"", with: "\"treeSize\":\"1\",\"hashes\":[],\"checkpoint\"")
        #expect(String(decoding: try UnverifiedBundle(json: Array(text.utf8)).json(), as: UTF8.self) == whole)
    }

    @Test func `snake case is read, as ProtoJSON demands`() throws {
        let text = try Fixture.text("rekor1/bundle.sigstore.json")
            .replacing("verificationMaterial", with: "verification_material").replacing(
                "integratedTime", with: "integrated_time")
        #expect(try UnverifiedBundle(json: Array(text.utf8)) == Fixture.bundle("rekor1"))
    }

    @Test func `a bundle of many values is refused before it is a tree`() throws {
        let zeros = String(repeating: "0,", count: UnverifiedBundle.maxValues) + "0"
        let text = try Fixture.text("rekor1/bundle.sigstore.json")
            .replacing("{\"mediaType\"", with: "{\"extra\":[\(zeros)],\"mediaType\"")
        let error = try #require(throws: SigstoreError.self) { try UnverifiedBundle(json: Array(text.utf8)) }
        #expect(error.observed.contains("more than \(UnverifiedBundle.maxValues) values"))
    }

    /// Each row replaces one text in a good bundle.
    @Test(arguments: [
        ("bundle.v0.3+json", "bundle.v0.4+json"), ("bundle.v0.3+json", "bundle+json;version=99.9"),
        ("\"mediaType\"", "\"type\""), ("{\"mediaType\"", "{\"extra\":1,\"mediaType\""),
        ("\"certificate\":{", "\"certificate\":null,\"c\":{"),
        ("\"certificate\":{", "\"publicKey\":{},\"certificate\":{"),
        ("\"certificate\":{\"rawBytes\"", "\"certificate\":{\"raw\""),
        ("\"integratedTime\":\"1", "\"integratedTime\":\"-1"), ("\"integratedTime\":\"1", "\"integratedTime\":\"01"),
        ("\"integratedTime\":\"1", "\"integratedTime\":\"99999999999999999999"),
        ("\"treeSize\":\"", "\"treeSize\":\"0x"),
        ("\"rootHash\":\"", "\"rootHash\":\"-"), ("\"checkpoint\":{", "\"x\":{"),
        ("\"inclusionProof\":{", "\"inclusionProof\":null,\"y\":{"),
        ("\"tlogEntries\":[", "\"tlogEntries\":[{},"), ("\"tlogEntries\":[", "\"tlogEntries\":{},\"t\":["),
        ("\"dsseEnvelope\":{", "\"messageSignature\":{\"signature\":\"AA==\"},\"dsseEnvelope\":{"),
        ("\"signatures\":[", "\"signatures\":[{\"sig\":\"AA==\"},"),
        ("\"signatures\":[{\"sig\"", "\"signatures\":[],\"s\":[{\"sig\""),
        ("\"payload\":\"", "\"payload\":\"="), ("\"payloadType\"", "\"payload\""),
        ("\"kindVersion\":{\"kind\":\"dsse\",", "\"kindVersion\":{"),
        ("\"canonicalizedBody\"", "\"canonicalisedBody\""),
        ("\"certificate\":{", "\"certificate\":{\"x\":1,"), ("\"logId\":{", "\"logId\":{\"x\":1,"),
        ("\"kindVersion\":{", "\"kindVersion\":{\"x\":1,"), ("\"checkpoint\":{", "\"checkpoint\":{\"x\":1,"),
        ("\"inclusionPromise\":{", "\"inclusionPromise\":{\"x\":1,"),
    ])
    func `a malformed bundle is refused with the place`(good: String, bad: String) throws {
        let text = try Fixture.text("rekor1/bundle.sigstore.json")
        try #require(text.contains(good))
        let error = #expect(throws: SigstoreError.self) {
            try UnverifiedBundle(json: Array(text.replacing(good, with: bad).utf8))
        }
        #expect(error?.code == "sigstore.malformed")
        #expect(error?.observed.hasPrefix("bundle") == true)
    }

    @Test func `32 entries are read, and more are refused`() throws {
        let bundle = try Fixture.bundle("rekor1")
        func json(_ count: Int) throws -> [UInt8] {
            try UnverifiedBundle(
                version: .v03, material: bundle.material, content: bundle.content,
                tlogEntries: Array(repeating: bundle.tlogEntries[0], count: count), timestamps: []
            ).json()
        }
        #expect(try UnverifiedBundle(json: json(32)).tlogEntries.count == 32)
        let many = try json(33)
        let error = #expect(throws: SigstoreError.self) { try UnverifiedBundle(json: many) }
        #expect(error?.code == "sigstore.malformed")
        #expect(error?.observed.contains("33 elements, at most 32 are read") == true)
    }

    @Test func `no prefix of a bundle is read, and none crashes`() throws {
        let bytes = try Fixture.bytes("rekor1-tsa/bundle.sigstore.json")
        for length in bytes.indices {
            #expect(throws: SigstoreError.self) { try UnverifiedBundle(json: Array(bytes[..<length])) }
        }
    }

    @Test func `a stored entry comes back whole`() throws {
        var entry = try Fixture.bundle().tlogEntries[0]
        entry.uuid = String(repeating: "ab", count: 40)
        entry.inclusionProof?.hashes = [[UInt8](repeating: 3, count: 32)]
        #expect(try TlogEntry(json: entry.encoded()) == entry)
        #expect(throws: SigstoreError.self) { try TlogEntry(json: Array("{}".utf8)) }
    }
}
