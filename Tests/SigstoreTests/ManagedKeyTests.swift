import FoundationEssentials
import OpenSSL
import Support
import Testing

@testable import Sigstore

@Suite struct ManagedKeyTests {
    static func text(_ name: String) throws -> String {
        String(decoding: try Fixture.file("\(packageRoot)/Tests/SigstoreTests/Fixtures/keys/\(name)"), as: UTF8.self)
    }

    @Test(arguments: [
        ("cosign.key", "cosign.pub", "correct horse"), ("imported-ec.key", "sec1.pub", ""),
        ("imported-rsa.key", "pkcs1.pub", "rsa"), ("sec1.pem", "sec1.pub", nil), ("pkcs1.pem", "pkcs1.pub", nil),
        ("ed25519.pem", "ed25519.pub", nil), ("p384.pem", "p384.pub", nil),
        ("with-parameters.pem", "with-parameters.pub", nil),
    ])
    func `a key of cosign or OpenSSL is read and signs`(file: String, publicFile: String, password: String?) throws {
        let key = try ManagedKey(pem: Self.text(file), password: password.map { Array($0.utf8) })
        let expected = try PublicKey(pem: Self.text(publicFile))
        #expect(key.publicKey == expected)
        let message = Array("what is signed".utf8)
        #expect(throws: Never.self) { try expected.verify(try key.key.sign(message), of: message) }
    }

    @Test func `cosign's older label is read too`() throws {
        let old = try Self.text("cosign.key").replacing("SIGSTORE", with: "COSIGN")
        let key = try ManagedKey(pem: old, password: Array("correct horse".utf8))
        #expect(try key.publicKey == PublicKey(pem: Self.text("cosign.pub")))
    }

    @Test func `the hint is the one cosign writes`() throws {
        let key = try ManagedKey(pem: Self.text("cosign.key"), password: Array("correct horse".utf8))
        // of `cosign sign-blob --key cosign.key --new-bundle-format`, 3.1.1
        #expect(key.hint == "TguiNVR41IfLxQTCNGewq75J7WTEZIU/LV7clZw1I1g=")
    }

    @Test(arguments: [
        ("cosign.key", "wrong", "does not open"), ("cosign.key", nil, "needs a password"),
        ("sec1.pem", "needless", "not encrypted"), ("openssl-encrypted.pem", "x", "import-key-pair"),
        ("cosign.pub", nil, "0 private keys"), ("README.md", nil, "0 private keys"),
    ])
    func `what cannot be used is refused by its reason`(file: String, password: String?, reason: String) throws {
        let error = #expect(throws: SigstoreError.self) {
            try ManagedKey(pem: Self.text(file), password: password.map { Array($0.utf8) })
        }
        #expect(error?.code == "identity.key")
        #expect(error?.observed.contains(reason) == true)
        if let password { #expect(error?.observed.contains(password) != true || password == "x") }
    }

    @Test func `two keys in one file are refused`() throws {
        let both = try Self.text("sec1.pem") + Self.text("p384.pem")
        #expect(throws: SigstoreError.self) { try ManagedKey(pem: both) }
    }

    /// Each replaces one thing in a box that would open.
    @Test(arguments: [
        (#""N":65536"#, #""N":1073741824"#), (#""N":65536"#, #""N":65537"#), (#""N":65536"#, #""N":-1"#),
        (#""N":65536"#, #""N":"65536""#), (#""r":8"#, #""r":1048576"#), (#""p":1"#, #""p":100000"#),
        ("scrypt", "argon2"), ("nacl/secretbox", "aes"), (#""nonce":""#, #""nonce":"AAAA"#),
        (#""ciphertext":""#, #""ciphertext":"*"#), (#""salt""#, #""sand""#), ("{\"kdf\"", "[{\"kdf\""),
        (#""ciphertext":"p"#, #""ciphertext":"q"#),
    ])
    func `a damaged or absurd box is refused`(part: String, replacement: String) throws {
        let block = try #require(try PEM.blocks(in: Self.text("cosign.key")).first)
        let json = String(decoding: block.der, as: UTF8.self)
        #expect(json.contains(part))
        let damaged = PEM(label: block.label, der: Array(json.replacing(part, with: replacement).utf8)).text
        let error = #expect(throws: SigstoreError.self) {
            try ManagedKey(pem: damaged, password: Array("correct horse".utf8))
        }
        #expect(error?.code == "identity.key")
    }

    @Test func `only P-256 needs no word of warning, and Ed25519 is refused for digests`() throws {
        #expect(try ManagedKey(pem: Self.text("sec1.pem")).caveat == nil)
        for file in ["p384.pem", "pkcs1.pem", "ed25519.pem"] {
            #expect(try ManagedKey(pem: Self.text(file)).caveat != nil)
        }
        let places: [(RekorAPI, Bool)] = [(.v1, false), (.v1, true), (.v2, false)]
        for (api, byDigest) in places {
            try ManagedKey(pem: Self.text("p384.pem")).checkLoggable(in: api, byDigest: byDigest)
            try ManagedKey(pem: Self.text("pkcs1.pem")).checkLoggable(in: api, byDigest: byDigest)
        }
        let edwards = try ManagedKey(pem: Self.text("ed25519.pem"))
        try edwards.checkLoggable(in: .v1, byDigest: false)
        for (api, byDigest) in places.dropFirst() {
            let error = #expect(throws: SigstoreError.self) {
                try edwards.checkLoggable(in: api, byDigest: byDigest)
            }
            #expect(error?.code == "identity.key" && error?.observed.contains("use a P-256 key") == true)
        }
        let odd = ManagedKey(try PrivateKey.generate(.rsa(bits: 2560)))
        try odd.checkLoggable(in: .v1, byDigest: true)
        let error = #expect(throws: SigstoreError.self) { try odd.checkLoggable(in: .v2, byDigest: false) }
        #expect(error?.code == "identity.key" && error?.observed.contains("2560") == true)
        #expect(error?.observed.hasSuffix("; use a P-256 key, or a Rekor v1") == true)
    }

    @Test func `no description shows a key`() throws {
        let pem = try Self.text("sec1.pem")
        let key = try ManagedKey(pem: pem)
        var dumped = ""
        dump(key, to: &dumped)
        let secret = String(try #require(pem.split(separator: "\n").dropFirst().first).prefix(20))
        for text in ["\(key)", String(reflecting: key), dumped] { #expect(!text.contains(secret)) }
    }
}
