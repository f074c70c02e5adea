import Testing

@testable import Countersign
@testable import OCI

@Suite struct AttemptFailureTests {
    @Test func `a store that refuses the registry's address is waited for, at every stage`() {
        let answer = RegistryAnswer(
            operation: "GET /v2/app/blobs/sha256:00", status: 403, codes: [], message: "expired", retryAfter: nil,
            redirectedTo: "https://store.example:443")
        for stage in [SigningStage.resolve, .fetch, .publish] {
            let failed = AttemptFailure(StageFailure(stage: stage, underlying: answer.error))
            #expect(failed.failure.code == "registry.redirect_target_refused")
            #expect(failed.failure.observed.contains("redirected to https://store.example:443, answered 403: expired"))
            guard case .retry(.dependency, after: nil) = failed.verdict else {
                Issue.record("\(failed.verdict)")
                continue
            }
        }
    }

    @Test func `what is outside the protocol is waited for, where the artifact itself was asked for too`() {
        let answer = RegistryAnswer(
            operation: "GET /v2/app/manifests/latest", status: 200, codes: [], message: "<html>", retryAfter: nil)
        let expected: [(SigningStage, RetryPolicy.Class)] = [
            (.resolve, .dependency), (.fetch, .dependency), (.publish, .identity),
        ]
        for (stage, kind) in expected {
            let error = OCIError.unexpectedAnswer(answer, "no manifest, and no JSON")
            guard case .retry(kind, after: nil) = AttemptFailure(StageFailure(stage: stage, underlying: error)).verdict
            else {
                Issue.record("at \(stage)")
                continue
            }
        }
    }

    @Test func `each fact of signing says what becomes of the job by itself`() {
        let facts: [(error: SigningError, code: String, retryClass: String?)] = [
            (.evidenceUnusable("no certificate"), "signing.evidence_unusable", "dependency"),
            (.documentLost(sampleDigest("document")), "attestation.document_lost", "dependency"),
            (.overtaken, "signing.overtaken", "contended"), (.noFormat(rule: "all"), "policy.format", nil),
        ]
        for (error, code, retryClass) in facts {
            let failed = AttemptFailure(StageFailure(stage: .verify, underlying: error))
            #expect(failed.failure.code == code && failed.retryClass == retryClass)
        }
        #expect(SigningError.overtaken.fix.hasPrefix("nothing"))
    }
}
