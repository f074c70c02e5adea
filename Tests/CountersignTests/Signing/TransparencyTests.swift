import OCI
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// A private Fulcio that no certificate transparency log watches.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct TransparencyTests {
    private static var without: SigningLine.Setup {
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        setup.demands.acceptsUntransparentCertificates = true
        return setup
    }

    @Test func `where none is asked for it is signed with, in either format, and adopted`() async throws {
        try await SigningLine.withAnotherLab { lab in
            lab.faults.set(Fault(.distort(.noSCT)), for: .fulcio)
            let line = try await SigningLine(lab: lab)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            try await line.daemon(.formats([.bundle, .legacy])).workOff(atMost: 3)
            #expect(try await line.failure(digest)?.code == "verify.sct")
            try await line.expectNothingPublic(digest)

            try await line.daemon(Self.without).workOff()
            #expect(try await line.state(digest) == "signed")
            let evidence = try await line.evidenceRows(of: digest)
            #expect(evidence == (2, 0))
            let signed = try await line.signature(of: digest)

            // after the loss of the database it is ours all the same
            let fresh = try await line.withFreshDatabase()
            try await fresh.push(digest)
            try await fresh.daemon(Self.without).workOff()
            #expect(try await fresh.signature(of: digest)?.logIndex == signed?.logIndex)
        }
    }

    @Test func `what looks at signatures and entries goes by the same demand`() async throws {
        try await SigningLine.withAnotherLab { lab in
            lab.faults.set(Fault(.distort(.noSCT)), for: .fulcio)
            let line = try await SigningLine(lab: lab)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            try await line.daemon(Self.without).workOff()
            let root = try TrustedRoot(json: try await lab.trustedRootJSON)
            let (strict, lenient) = (Verifier(root: root), Verifier(root: root, demanding: Self.without.demands))
            let reference = try Reference("\(line.repository)@\(digest)")

            let bundle = try UnverifiedBundle(json: try #require(try await line.referrers(of: digest).first).bytes)
            let entry = try #require(bundle.tlogEntries.first)
            let refused = #expect(throws: VerificationError.self) { try strict.verify(entry) }
            #expect(refused?.code == "verify.sct")
            #expect(try lenient.verify(entry).map(\.check).contains(.certificateTimestamp))

            func described(_ verifier: Verifier) async throws -> [Bool?] {
                try await DescribeReference(registry: line.pusher, judge: SignatureJudge(verifier)).describe(reference)
                    .signatures.map(\.verified)
            }
            #expect(try await described(strict) == [false, false])
            #expect(try await described(lenient) == [true, true])

            // a verification that says nothing of it goes by the verifier, whose demands are the configuration's
            func report(_ verifier: Verifier) async throws -> VerifyReference.Report {
                try await VerifyReference(
                    registry: line.pusher, verifier: verifier,
                    identity: CertificateIdentity(
                        subjectAlternativeName: .exact(SigningLine.Setup().subject),
                        issuer: .exact(try await lab.endpoints.issuer(.kubernetes)))
                ).verify(reference)
            }
            #expect(try await report(strict).rejected.map(\.code) == ["verify.sct", "verify.sct"])
            #expect(try await report(lenient).isVerified)

            func logged(_ verifier: Verifier) async throws -> [VerifyLogEntries.Outcome] {
                let folder = try TemporaryDirectory()
                defer { withExtendedLifetime(folder) {} }
                return try await VerifyLogEntries(
                    registry: line.pusher,
                    in: LogSites(
                        verifier, in: TrustedLogs(verifier.root, others: .loopback("")), http: SigningLine.http),
                    remembering: FileCheckpoints(folder: folder.path)
                ).verify(reference).findings.map(\.outcome)
            }
            #expect(try await logged(lenient) == [.verified, .verified])
            // also of the older one, whose entry comes without a proof: the log does not deny what nobody trusts
            #expect(try await logged(strict) == [.unproven, .unproven])
        }
    }

    @Test func `a promise that is there must be a known log's, whatever is demanded`() async throws {
        let foreign = try await SigningLine.withAnotherLab { try await $0.trustedRootJSON }
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        var setup = Self.without
        setup.trustedRoot = try TrustTests.replacing("ctlogs", of: try await line.lab.trustedRootJSON, by: foreign)
        try await line.daemon(setup).workOff(atMost: 3)
        #expect(try await line.failure(digest)?.code == "verify.sct")
        try await line.expectNothingPublic(digest)
    }
}
