import OpenSSL
import Support
import Testing

@testable import Sigstore

/// Every signature and attestation that cosign 3.1.1 pushed in the recordings, in both formats, as cosign judged it.
@Suite(.enabled(if: sharedMaterial("vectors") != nil)) struct RecordedSignaturesTests {
    /// Recordings that cosign itself refuses for every signature in them: its Ed25519ph signatures, and P-384 without a flag.
    static let refusedByCosign: Set<String> = [
        "key-new-rekor2-ed", "key-old-rekor1-ed", "key-new-rekor2-p384", "key-old-rekor1-p384",
    ]

    @Test(arguments: RecordedImage.all.filter { $0.hasTrustedRoot }.map(\.name))
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
                #expect(verified.predicateType != nil && !verified.steps.isEmpty)
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
            #expect(refusal?.check == .time)
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
