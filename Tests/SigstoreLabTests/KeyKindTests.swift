import Curl
import OpenSSL
import SigstoreLab
import Testing

@testable import Sigstore

/// The whole verifier over signatures by every kind of key and every scheme that verifiers take: under certificates of the
/// lab's Fulcio and by keys alone. Each holds, and does not with one bit of the signature changed.
@Suite struct KeyKindTests {
    typealias Kind = (key: KeyAlgorithm, scheme: SignatureScheme)

    /// What a key signs with where nobody says anything else.
    private static let defaults: [Kind] = [
        (.ecdsaP256, .ecdsa(.sha256)), (.ecdsaP384, .ecdsa(.sha384)), (.ecdsaP521, .ecdsa(.sha512)),
        (.rsa(bits: 2048), .rsaPKCS1(.sha256)), (.ed25519, .ed25519),
    ]
    /// What is also seen: the deprecated digests of the wide curves, and PSS.
    private static let others: [Kind] = [
        (.ecdsaP384, .ecdsa(.sha256)), (.ecdsaP521, .ecdsa(.sha256)), (.rsa(bits: 3072), .rsaPSS(.sha256)),
    ]
    /// Sound, and in no list of Sigstore's for envelopes.
    private static let foreign: [Kind] = [
        (.ecdsaP256, .ecdsa(.sha512)), (.rsa(bits: 2048), .rsaPKCS1(.sha512)), (.rsa(bits: 2048), .rsaPSS(.sha512)),
    ]

    private static let contents = Array("the artifact\n".utf8)

    @Test func `an envelope by each kind of key holds through Fulcio, Rekor and the authority`() async throws {
        try await Signers.withLab { signers in
            for kind in Self.defaults {
                for signer in try await signers.both(kind.key) {
                    let envelope = try Self.envelope(signer, kind.scheme)
                    let entry = try await signers.rekor.submit(
                        signers.rekor.request(for: LogSubmission(.envelope(envelope), by: signer.submitter)))
                    let bundle = try await signers.bundle(.envelope(envelope), by: signer, entry)
                    let verified = try signers.verifier.verify(bundle, artifact: Self.artifact(), by: signer.expected)
                    #expect(verified.steps.first?.seen == "\(kind.scheme.name) over the DSSE envelope")
                    #expect(verified.times.map(\.isTimestamp) == [true, false], "\(kind)")
                    Self.expectFlipRefused(bundle, signer, signers.verifier)
                }
            }
        }
    }

    @Test func `an envelope in each scheme that signers use holds, and others are refused as no signature`()
        async throws
    {
        try await Signers.withLab { signers in
            let log = try OwnLog()
            let verifier = Verifier(root: signers.root(with: log))
            for (isTaken, kinds) in [(true, Self.defaults + Self.others), (false, Self.foreign)] {
                for kind in kinds {
                    for signer in try await signers.both(kind.key) {
                        let envelope = try Self.envelope(signer, kind.scheme)
                        let entry = try log.entry(
                            .sha256, Hash.sha256(envelope.preAuthenticationEncoding), Self.signature(envelope), signer)
                        let bundle = try await signers.bundle(.envelope(envelope), by: signer, entry)
                        guard isTaken else {
                            let error = #expect(throws: VerificationError.self, "\(kind)") {
                                try verifier.verify(bundle, artifact: Self.artifact(), by: signer.expected)
                            }
                            #expect(error?.code == "verify.signature")
                            continue
                        }
                        let verified = try verifier.verify(bundle, artifact: Self.artifact(), by: signer.expected)
                        #expect(verified.steps.first?.seen == "\(kind.scheme.name) over the DSSE envelope")
                        Self.expectFlipRefused(bundle, signer, verifier)
                    }
                }
            }
        }
    }

    @Test func `a signature over the artifact holds by its digest, of Ed25519 by its bytes alone`() async throws {
        var kinds: [(kind: Kind, digest: DigestAlgorithm)] = (Self.defaults + Self.others).map { ($0, .sha256) }
        kinds[1].digest = .sha384
        kinds[2].digest = .sha512
        kinds.append(((.rsa(bits: 2048), .rsaPSS(.sha512)), .sha512))
        kinds.append(((.rsa(bits: 2048), .rsaPKCS1(.sha384)), .sha384))
        try await Signers.withLab { [kinds] signers in
            let log = try OwnLog()
            let verifier = Verifier(root: signers.root(with: log))
            for (kind, algorithm) in kinds {
                for signer in try await signers.both(kind.key) {
                    let signature = try signer.key.sign(Self.contents, kind.scheme)
                    let digest = Hash.digest(algorithm, Self.contents)
                    let artifact = try ArtifactDigest(algorithm: algorithm.rawValue, hex: Hex.encode(digest))
                    let bundle = try await signers.bundle(
                        .messageSignature(digestAlgorithm: nil, digest: nil, signature: signature), by: signer,
                        log.entry(algorithm, digest, signature, signer))
                    let verified = try verifier.verify(
                        bundle, over: Self.contents, artifact: artifact, by: signer.expected)
                    #expect(verified.steps.first?.seen == "\(kind.scheme.name) over the artifact \(artifact)")
                    Self.expectFlipRefused(bundle, signer, verifier, artifact, over: Self.contents)

                    #expect(bundle.isOverBytes(by: signer.expected) == (kind.key == .ed25519))
                    let alone = Result { () throws(VerificationError) in
                        try verifier.verify(bundle, artifact: artifact, by: signer.expected)
                    }
                    if kind.key == .ed25519 {
                        let error = #expect(throws: VerificationError.self) { try alone.get() }
                        #expect(error?.code == "verify.signature" && error?.fix.contains("--artifact") == true)
                    } else {
                        #expect(throws: Never.self) { try alone.get() }
                    }
                }
            }
        }
    }

    // MARK: Parts

    private static func artifact() throws -> ArtifactDigest {
        try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(Hash.sha256(contents)))
    }

    private static func envelope(_ signer: Signers.Signer, _ scheme: SignatureScheme) throws -> Envelope {
        let subject = #"{"digest":{"sha256":"\#(try artifact().hex)"}}"#
        let payload = Array(
            #"{"_type":"https://in-toto.io/Statement/v1","subject":[\#(subject)],"predicateType":"https://example.com/p"}"#
                .utf8)
        let message = Envelope.preAuthenticationEncoding(type: Statement.payloadType, payload: payload)
        return Envelope(
            payload: payload, payloadType: Statement.payloadType,
            signatures: [.init(sig: try signer.key.sign(message, scheme))])
    }

    private static func signature(_ envelope: Envelope) -> [UInt8] { envelope.signatures.first?.sig ?? [] }

    /// One bit of the last byte: still DER, still as long.
    private static func expectFlipRefused(
        _ bundle: UnverifiedBundle, _ signer: Signers.Signer, _ verifier: Verifier, _ artifact: ArtifactDigest? = nil,
        over contents: [UInt8]? = nil
    ) {
        var signature = bundle.content.signature
        signature[signature.count - 1] ^= 1
        let content: UnverifiedBundle.Content =
            switch bundle.content {
            case .envelope(let envelope):
                .envelope(
                    Envelope(
                        payload: envelope.payload, payloadType: envelope.payloadType,
                        signatures: [.init(sig: signature)]))
            case .messageSignature(let algorithm, let digest, _):
                .messageSignature(digestAlgorithm: algorithm, digest: digest, signature: signature)
            }
        let error = #expect(throws: VerificationError.self) {
            try verifier.verify(
                UnverifiedBundle(content, bundle.material, bundle.tlogEntries, timestamps: bundle.timestamps),
                over: contents, artifact: artifact ?? Self.artifact(), by: signer.expected)
        }
        #expect(error?.code == "verify.signature")
    }
}
