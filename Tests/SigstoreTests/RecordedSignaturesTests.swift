import OpenSSL
import Support
import Testing

@testable import Sigstore

/// Every signature and attestation that cosign 3.1.1 pushed, or wrote to a file, in the recordings, in both formats, as
/// cosign judged it.
@Suite(.enabled(if: sharedMaterial("vectors") != nil, "the recorded material is not here (../shared)"))
struct RecordedSignaturesTests {
    /// Recordings that cosign itself refuses for every signature in them: its Ed25519ph signatures, and P-384 without a flag.
    static let refusedByCosign: Set<String> = [
        "key-new-rekor2-ed", "key-old-rekor1-ed", "key-new-rekor2-p384", "key-old-rekor1-p384",
    ]

    /// Scenarios in which nothing is signed that could be judged, and why.
    static let nothingToJudge = [
        "attach-sbom": "an SBOM that nobody signed",
        "attach-sbom-referrers": "an SBOM that nobody signed",
        "default-verify-on-old-format": "cosign's words about images of other scenarios; no contents were kept",
        "key-new-rekor2-ed-fresh": "cosign failed to sign: the image alone is there",
        "keyless-new-es256-token": "Fulcio refused the token: the image alone is there",
        "keyless-old-with-signing-config": "cosign refused to sign: the image alone is there",
        "rekor-cli": "questions to the log",
        "rekor-index-after-attest": "questions to the log",
        "verify-accepts-attestation-as-signature": "cosign's words about images of other scenarios",
        "webhook-cosign-pushes": "a registry's notifications",
        "webhook-distribution": "a registry's notifications",
    ]

    @Test func `every scenario is judged, or it is written down why not`() throws {
        let empty = try RecordedImage.all.filter { try $0.signatures().isEmpty }.map(\.name)
        #expect(Set(empty) == Set(Self.nothingToJudge.keys))
    }

    @Test func `all scenarios are of one instance: a sibling's trusted root is theirs`() throws {
        #expect(Set(try RecordedImage.all.compactMap { try $0.ownTrustedRoot() }).count == 1)
    }

    @Test(arguments: RecordedImage.all.map(\.name).filter { nothingToJudge[$0] == nil })
    func `each recorded signature is judged as cosign judged it, but for the list`(name: String) throws {
        let scenario = try #require(RecordedImage.named(name))
        let verifier = Verifier(root: try scenario.trustedRoot())
        let signer = try scenario.expectedSigner()
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = ["key-new-notlog", "key-old-notlog", "key-new-tsaonly"].contains(name)
        let differs = try VerificationPage().rows(under: "Where we judge otherwise than cosign").contains {
            $0[0] == name
        }
        for found in try scenario.signatures() {
            let verdict = Result { try scenario.verify(found, by: signer, with: verifier, demanding: demands) }
            if Self.refusedByCosign.contains(name) != differs {
                let refusal = #expect(throws: VerificationError.self) { try verdict.get() }
                #expect(refusal?.check == .signature)
            } else {
                let verified = try verdict.get()
                // only over a blob there is no statement
                #expect((verified.predicateType != nil) != (found.tag == "blob.sigstore.json"))
                #expect(!verified.steps.isEmpty)
            }
        }
    }

    @Test func `a key's signature that is in no log is accepted only where that is said, and the result says so`()
        throws
    {
        for name in ["key-new-notlog", "key-old-notlog"] {
            let scenario = try #require(RecordedImage.named(name))
            let verifier = Verifier(root: try scenario.trustedRoot())
            let found = try #require(try scenario.signatures().first)
            let refusal = #expect(throws: VerificationError.self) {
                try scenario.verify(found, by: scenario.expectedSigner(), with: verifier)
            }
            #expect(refusal?.check == .tlogEntry)
            var demands = Verifier.Demands.standard
            demands.acceptsUnloggedKeySignatures = true
            let verified = try scenario.verify(
                found, by: scenario.expectedSigner(), with: verifier, demanding: demands)
            #expect(verified.warnings.contains { $0.hasPrefix("no log was asked for") })
            #expect(verified.tlogEntry == nil && verified.time == nil)
        }
    }
}

extension RecordedImage {
    /// The recorded key, or anyone whom the recorded issuers vouched for.
    func expectedSigner() throws -> Verifier.ExpectedSigner {
        if let key = try key() { return .publicKey(key) }
        return .certificate(
            try CertificateIdentity(
                subjectAlternativeName: .regex("^.+$"), issuer: .regex("^http://127\\.0\\.0\\.1:47050/(k8s|uri|email)$")
            ))
    }
}
