import FoundationEssentials
import OpenSSL
import Testing

@testable import Sigstore

/// The three failures that everybody who uses Sigstore meets: each says what was seen and what to do.
@Suite struct ClassicFailureTests {
    static let now = Date(unixSeconds: 1_800_000_000)

    @Test(arguments: [
        (IdentityFault.missing(source: "file /t", detail: "no such file"), "identity.token_missing"),
        (.malformed("two parts"), "identity.token_malformed"),
        (.expired(at: now, now: now), "identity.token_expired"),
        (.notYetValid(from: now, now: now), "identity.token_not_yet_valid"),
        (.audience(expected: "sigstore", seen: ["other"]), "identity.audience"),
        (.issuer(expected: "https://a", seen: "https://b"), "identity.issuer"),
        (.program("/bin/token", detail: "exit 3"), "identity.program"),
    ])
    func `an OIDC token error names the fault and the fix`(_ fault: IdentityFault, _ code: String) {
        let error = SigstoreError.identity(fault)
        #expect(error.code == code)
        #expect(error.observed.hasPrefix("OIDC token error: "))
        #expect(error.fix.count > 20)
    }

    @Test func `an entry that is not in the log is told with index, log and checkpoint`() {
        let error = SigstoreError.entryNotFound(log: "https://rekor.example", entry: "index 12", treeSize: 10)
        #expect(error.code == "rekor.entry_not_found" && error.stage == "log" && !error.isTransient)
        #expect(
            error.observed
                == "Rekor entry not found: index 12 in https://rekor.example, whose newest checkpoint has 10 entries")
        #expect(error.fix.contains("sign the artifact again"))
        let other = SigstoreError.entryDiffers(log: "https://rekor.example", index: 12, detail: "its body")
        #expect(other.code == "rekor.entry_differs" && other.observed.contains("index 12"))
    }

    @Test func `a signature that brings no entry is told in the same words`() throws {
        let error = VerificationError(.tlogEntry, "Rekor entry not found: the signature brings none")
        #expect(error.code == "verify.tlog_entry" && error.fix.contains("log"))
    }

    @Test func `a certificate that did not hold when it signed is told with both times, and that expiry alone is fine`()
        throws
    {
        let root = try Fixture.root()
        let certificate = try #require(root.certificateAuthorities.first).root
        let error = VerificationError.noValidCertificate(certificate, "the signature was made at \(Self.now.rfc3339)")
        #expect(error.code == "verify.certificate_validity" && error.clause == "4.3")
        #expect(error.observed.hasPrefix("no valid certificate: the signature was made at "))
        #expect(error.observed.contains(certificate.notBefore.rfc3339))
        #expect(error.fix.contains("expired since would be fine"))
    }
}
