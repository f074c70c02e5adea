import FoundationEssentials
import OpenSSL
import Support
import Testing

@testable import Sigstore

@Suite struct VerifierTests {
    let verifier: Verifier

    init() throws { verifier = Verifier(root: try Fixture.root()) }

    @Test(arguments: ["rekor1", "rekor1-tsa"])
    func `a bundle that cosign made verifies, and the result says what was checked`(scenario: String) throws {
        let verified = try verifier.verify(
            Fixture.bundle(scenario), artifact: Fixture.artifact(), identity: Fixture.identity(),
            expecting: Statement.cosignSignPredicateType)
        #expect(verified.identity == "https://kubernetes.io/namespaces/ci/serviceaccounts/signer")
        #expect(verified.issuer == "http://127.0.0.1:47050/k8s")
        #expect(verified.tlogEntry?.kind == "dsse")
        #expect(verified.times.map(\.isTimestamp) == (scenario == "rekor1" ? [false] : [true, false]))
        for what in [
            "signature", "artifact", "predicate type", "time", "certificate", "certificate transparency", "identity",
            "issuer", "log entry", "inclusion",
        ] {
            #expect(verified.checks.contains { $0.hasPrefix("\(what): ") }, "\(what)")
        }
    }

    @Test func `a second signature under the same certificate is judged from the cache, and still by its own time`()
        throws
    {
        let bundle = try Fixture.bundle()
        _ = try verifier.verify(bundle, artifact: Fixture.artifact(), identity: Fixture.identity())
        guard case .certificate(let der) = bundle.material else { throw Unexpected() }
        let leaf = try #require(verifier.leaves.value(for: der))
        #expect(leaf.isValid(at: leaf.chain[0].notBefore))
        #expect(!leaf.isValid(at: leaf.chain[0].notAfter.addingTimeInterval(1)))
        #expect(throws: VerificationError.self) {
            try verifier.verify(bundle, artifact: Fixture.artifact(), identity: Fixture.identity("someone else"))
        }
    }

    @Test func `before the log a signature that nobody will date is refused, by a key as well`() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let digest = Hash.sha256(Array("artifact".utf8))
        let bundle = UnverifiedBundle(
            .messageSignature(
                digestAlgorithm: "SHA2_256", digest: digest,
                signature: try key.sign(prehashed: digest, .ecdsa(.sha256))),
            .publicKey(hint: key.publicKey.hint), [], timestamps: [])
        let artifact = try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest))
        try verifier.verifyBeforeLogging(bundle, artifact: artifact, by: .publicKey(key.publicKey), datedByLog: true)
        let undated = #expect(throws: VerificationError.self) {
            try verifier.verifyBeforeLogging(
                bundle, artifact: artifact, by: .publicKey(key.publicKey), datedByLog: false)
        }
        #expect(undated?.code == "verify.time")
        var demands = Verifier.Demands.standard
        demands.needsTimestamp = true
        let demanded = #expect(throws: VerificationError.self) {
            try verifier.verifyBeforeLogging(
                bundle, artifact: artifact, by: .publicKey(key.publicKey), datedByLog: true, demanding: demands)
        }
        #expect(demanded?.code == "verify.timestamp")
    }

    @Test func `a bundle's digest that is not the artifact's, or of a kind that nobody compares, is refused`() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let digest = Hash.sha256(Array("artifact".utf8))
        let artifact = try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest))
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        func refusal(_ algorithm: String, _ hint: [UInt8]) throws -> VerificationError.Check? {
            let bundle = UnverifiedBundle(
                .messageSignature(
                    digestAlgorithm: algorithm, digest: hint,
                    signature: try key.sign(prehashed: digest, .ecdsa(.sha256))),
                .publicKey(hint: key.publicKey.hint), [], timestamps: [])
            do throws(VerificationError) {
                _ = try verifier.verify(
                    bundle, artifact: artifact, by: .publicKey(key.publicKey), demanding: demands)
                return nil
            } catch { return error.check }
        }
        #expect(try refusal("SHA2_256", digest) == nil)
        for (algorithm, hint) in [("SHA2_256", [0]), ("FOO", digest), ("SHA3_256", digest)] {
            #expect(try refusal(algorithm, hint) == .subject)
        }
    }

    struct Unexpected: Error {}

    /// Every recorded keyless bundle with its own trusted root, as cosign judged them.
    @Test(.enabled(if: sharedMaterial("vectors") != nil, "the recorded material is not here (../shared)"))
    func `every recorded keyless bundle verifies`() throws {
        let vectors = try #require(sharedMaterial("vectors"))
        let anyone = try CertificateIdentity(
            subjectAlternativeName: .regex("."), issuer: .regex("^http://127\\.0\\.0\\.1:47050/(k8s|uri|email)$"))
        var judged = 0
        for scenario in try FileManager.default.contentsOfDirectory(atPath: vectors).sorted()
        where scenario.hasPrefix("keyless-new-") && !scenario.hasSuffix(".jsonl") {
            let folder = "\(vectors)/\(scenario)"
            guard FileManager.default.fileExists(atPath: folder + "/trust/trusted_root.json") else { continue }
            let verifier = Verifier(root: try TrustedRoot(json: Fixture.file(folder + "/trust/trusted_root.json")))
            for bundle in try bundles(in: folder + "/oci") {
                let verified = try verifier.verify(bundle, artifact: Fixture.artifact(), identity: anyone)
                #expect(Self.signers.contains(verified.identity), "\(scenario): \(verified.identity)")
                judged += 1
            }
        }
        #expect(judged >= 10)
    }

    static let signers = [
        "https://kubernetes.io/namespaces/ci/serviceaccounts/signer", "http://127.0.0.1:47050/uri/ci/signer",
        "signer@example.com",
    ]

    private func bundles(in layouts: String) throws -> [UnverifiedBundle] {
        let files = FileManager.default
        return try files.contentsOfDirectory(atPath: layouts).flatMap { layout in
            let blobs = "\(layouts)/\(layout)/blobs/sha256"
            return try files.contentsOfDirectory(atPath: blobs).sorted().compactMap { name in
                try? UnverifiedBundle(json: Fixture.file("\(blobs)/\(name)"))
            }
        }
    }
}
