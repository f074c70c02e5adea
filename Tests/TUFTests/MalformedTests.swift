import FoundationEssentials
import OpenSSL
import StrictJSON
import Testing

@testable import TUF

/// Metadata that is not quite metadata, well signed all the same.
@Suite struct MalformedTests {
    /// Each row replaces one member of a role's signed part; null stands for leaving it out.
    @Test(arguments: [
        ("timestamp", "_type", #""Timestamp""#), ("timestamp", "spec_version", #""2.0.0""#),
        ("timestamp", "spec_version", "1"), ("timestamp", "version", "0"), ("timestamp", "version", "-1"),
        ("timestamp", "version", #""1""#), ("timestamp", "version", "9223372036854775808"),
        ("root", "version", "9223372036854775807"), ("timestamp", "version", "9223372036854775807"),
        ("timestamp", "expires", #""2030-01-01""#), ("timestamp", "expires", #""2030-01-01T00:00:00+00:00""#),
        ("timestamp", "expires", #""2030-02-30T00:00:00Z""#), ("timestamp", "expires", #""2030-01-01T00:00:00.5Z""#),
        ("timestamp", "expires", "1893456000"), ("timestamp", "meta", "{}"), ("timestamp", "meta", "[]"),
        ("timestamp", "meta", #"{"snapshot.json":{}}"#), ("timestamp", "meta", #"{"snapshot.json":{"version":0}}"#),
        ("timestamp", "meta", #"{"snapshot.json":{"version":1,"length":-1}}"#),
        ("timestamp", "meta", #"{"snapshot.json":{"version":1,"hashes":{}}}"#),
        ("timestamp", "meta", #"{"snapshot.json":{"version":1,"hashes":{"sha256":"00"}}}"#),
        ("snapshot", "meta", #"{"targets.json":1}"#), ("snapshot", "meta", "null"),
        ("targets", "targets", "[]"), ("targets", "targets", #"{"a":{"length":1}}"#),
        ("targets", "targets", #"{"a":{"length":-1,"hashes":{"sha256":"00"}}}"#),
        ("targets", "targets", #"{"a":{"length":1,"hashes":{"sha256":"zz"}}}"#),
        ("root", "keys", "[]"), ("root", "roles", "{}"), ("root", "consistent_snapshot", #""yes""#),
        ("root", "keys", #"{"k":{"keytype":"ed25519","keyval":{"public":"00"}}}"#),
        ("root", "keys", #"{"k":{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":7}}}"#),
    ])
    func `a malformed member is refused by name`(_ role: String, _ member: String, _ value: String) async throws {
        let repository = try SimulatedRepository()
        repository[role].overrides = [member: try JSONValue(parsing: Array(value.utf8))]
        try repository.publish("root", "targets", "snapshot", "timestamp")
        let error = await #expect(throws: TUFError.self) { try await TUFClient(repository).update() }
        #expect(error?.code == "tuf.malformed", "\(String(describing: error))")
    }

    @Test(arguments: [
        "", "{", "[]", "{}", "null", #"{"signed":{}}"#, #"{"signatures":[],"signed":[]}"#,
        #"{"signatures":{},"signed":{"_type":"timestamp"}}"#, #"{"a":1,"a":2}"#, "{} {}", "\u{FEFF}{}",
    ])
    func `what is not a metadata file is refused`(_ text: String) async throws {
        let repository = try SimulatedRepository()
        repository.change { $0.metadata["timestamp.json"] = Array(text.utf8) }
        let error = await #expect(throws: TUFError.self) { try await TUFClient(repository).update() }
        #expect(error?.code == "tuf.malformed" && error?.observed.hasPrefix("timestamp.json") == true)
    }

    @Test func `keys that we cannot use sign nothing, and say so`() async throws {
        let repository = try SimulatedRepository()
        let good = repository["timestamp"].keys[0]
        for (type, scheme, text) in [
            ("ed25519", "ed25519", "00"), ("ed25519", "ecdsa-sha2-nistp256", "00"), ("rsa", "rsassa-pss-sha256", "x"),
            ("sphincs", "sphincs-shake-128s", "00"), ("ecdsa", "ecdsa-sha2-nistp256", good.key.publicKey.pem),
        ] {
            let key = try MetadataField(
                value: .object([
                    "keytype": .string(type), "scheme": .string(scheme),
                    "keyval": .object(["public": .string(text)]),
                ]), file: "root.json", path: "keys.k"
            ).key
            #expect(key.publicKey == nil && !key.hasSigned([1], [2]), "\(type)/\(scheme)")
        }
    }

    @Test(arguments: [
        (#"{"b":1,"a":"x"}"#, #"{"a":"x","b":1}"#), (#"{"é":1,"z":2,"😀":3,"\uffee":4}"#, #"{"z":2,"é":1,"￮":4,"😀":3}"#),
        (#"["a\n\t\"\\\u0007é"]"#, "[\"a\n\t\\\"\\\\\u{7}é\"]"), ("[true,false,null,-5,0]", "[true,false,null,-5,0]"),
    ])
    func `canonical JSON is OLPC's`(_ json: String, _ canonical: String) throws {
        let bytes = try JSONValue(parsing: Array(json.utf8)).olpcCanonical()
        #expect(String(decoding: bytes, as: UTF8.self) == canonical)
    }

    @Test(arguments: ["1.0", "1e3", "-0", "0.5"])
    func `canonical JSON has no fractions`(_ number: String) throws {
        let value = try JSONValue(parsing: Array("[\(number)]".utf8))
        #expect(throws: CanonicalJSONError.self) { try value.olpcCanonical() }
    }
}

extension MetadataField {
    fileprivate var key: TUFKey { get throws { try TUFKey(id: "k", self) } }
}
