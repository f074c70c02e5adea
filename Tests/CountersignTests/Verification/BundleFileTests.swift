import OpenSSL
import Sigstore
import Support
import Testing

@testable import Countersign

/// Signatures over a file itself, by a key and without a log.
@Suite struct BundleFileTests {
    let folder: TemporaryDirectory
    let contents = Array("what was signed\n".utf8)

    init() throws {
        folder = try TemporaryDirectory()
        try folder.write(String(decoding: contents, as: UTF8.self), to: "artifact")
    }

    private func bundle(_ key: PrivateKey, _ algorithm: DigestAlgorithm = .sha256) throws {
        let name = ["SHA2_256", "SHA2_384", "SHA2_512"][[.sha256, .sha384, .sha512].firstIndex(of: algorithm) ?? 0]
        let bundle = UnverifiedBundle(
            .messageSignature(
                digestAlgorithm: name, digest: Hash.digest(algorithm, contents), signature: try key.sign(contents)),
            .publicKey(hint: "x"), [], timestamps: [])
        try folder.write(String(decoding: try bundle.json(), as: UTF8.self), to: "bundle")
    }

    private func answer(_ key: PrivateKey, _ subject: VerifyBundleFile.Subject) async throws -> BundleAnswer {
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        return try await VerifyBundleFile(
            verifier: Verifier(root: try RecordedReference.trustedRoot()), by: .publicKey(key.publicKey),
            demanding: demands
        ).answer("\(folder.path)/bundle", of: subject)
    }

    private var file: VerifyBundleFile.Subject { .file("\(folder.path)/artifact") }
    private func digest() throws -> VerifyBundleFile.Subject {
        .digest(try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(Hash.sha256(contents))))
    }

    @Test func `Ed25519 is over the bytes: with the file it verifies, with its digest alone the file is asked for`()
        async throws
    {
        let key = try PrivateKey.generate(.ed25519)
        try bundle(key)
        let verified = try await answer(key, file)
        #expect(verified.verified, "\(verified.text)")
        #expect(verified.signature?.checks.first?.seen.hasPrefix("Ed25519 over the artifact sha256:") == true)

        let refused = try await answer(key, try digest())
        #expect(!refused.verified && refused.code == "verify.signature")
        #expect(refused.observed?.contains("only its digest sha256:") == true)
        #expect(refused.fix?.contains("--artifact FILE") == true)

        let other = try await answer(try PrivateKey.generate(.ed25519), file)
        #expect(!other.verified && other.code == "verify.signature")
        try folder.write("what was not signed\n", to: "artifact")
        #expect(try await answer(key, file).code == "verify.signature")
    }

    @Test(arguments: [(KeyAlgorithm.ecdsaP256, DigestAlgorithm.sha256), (.ecdsaP384, .sha384), (.ecdsaP521, .sha512)])
    func `other keys need the digest alone, whichever it is`(algorithm: KeyAlgorithm, hash: DigestAlgorithm)
        async throws
    {
        let key = try PrivateKey.generate(algorithm)
        try bundle(key, hash)
        #expect(try await answer(key, file).verified)
        if hash == .sha256 { #expect(try await answer(key, try digest()).verified) }
    }

    @Test(arguments: [DigestAlgorithm.sha256, .sha384, .sha512])
    func `a file is looked for in a statement under the digest that it has subjects by`(hash: DigestAlgorithm)
        async throws
    {
        let key = try PrivateKey.generate(.ecdsaP256)
        let statement = Statement(subjects: [
            .init(name: "package", digest: [hash.rawValue: Hex.encode(Hash.digest(hash, contents))])
        ])
        let unsigned = Envelope(payload: statement.encoded(), payloadType: Statement.payloadType, signatures: [])
        let envelope = Envelope(
            payload: unsigned.payload, payloadType: unsigned.payloadType,
            signatures: [.init(sig: try key.sign(unsigned.preAuthenticationEncoding))])
        let bundle = UnverifiedBundle(.envelope(envelope), .publicKey(hint: "x"), [], timestamps: [])
        try folder.write(String(decoding: try bundle.json(), as: UTF8.self), to: "bundle")
        let verified = try await answer(key, file)
        #expect(verified.verified, "\(verified.text)")
        try folder.write("another package\n", to: "artifact")
        #expect(try await answer(key, file).code == "verify.subject")
    }

    @Test func `bytes of another digest than the artifact's are refused`() throws {
        let key = try PrivateKey.generate(.ed25519)
        let bundle = UnverifiedBundle(
            .messageSignature(digestAlgorithm: nil, digest: nil, signature: try key.sign(contents)),
            .publicKey(hint: "x"), [], timestamps: [])
        let error = #expect(throws: VerificationError.self) {
            try Verifier(root: try RecordedReference.trustedRoot()).verify(
                bundle, over: contents,
                artifact: ArtifactDigest(algorithm: "sha256", hex: Hex.encode(Hash.sha256([1]))),
                by: .publicKey(key.publicKey))
        }
        #expect(error?.code == "verify.subject")
    }

    @Test func `a file is hashed in pieces, and no more of it is held than was allowed`() throws {
        let bytes = [UInt8](repeating: 7, count: (3 << 20) + 1)
        try folder.write(String(decoding: bytes, as: UTF8.self), to: "large")
        let large = NamedFile(path: "\(folder.path)/large")
        #expect(try large.sha256() == Hash.sha256(bytes))
        #expect(try large.contents(atMost: bytes.count) == bytes)
        for path in ["large", "missing", "."] {
            let error = #expect(throws: BundleFileError.self) {
                try NamedFile(path: "\(folder.path)/\(path)").contents(atMost: bytes.count - 1)
            }
            #expect(error?.code == (path == "large" ? "file.too_large" : "file.unreadable"))
        }
    }
}
