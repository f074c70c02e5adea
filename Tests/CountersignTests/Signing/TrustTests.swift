import Foundation
import OCI
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// Nothing becomes public that we would not accept ourselves, and a log is not filled by repeating what cannot work.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct TrustTests {
    @Test func `with the trusted root of another Sigstore nothing is logged or published`() async throws {
        let foreign = try await SigningLine.withAnotherLab { try await $0.trustedRootJSON }
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        var setup = SigningLine.Setup()
        setup.trustedRoot = foreign
        try await line.daemon(setup).workOff(atMost: 3)
        #expect(try await line.state(digest) == "waiting")
        let failure = try #require(try await line.failure(digest))
        #expect(failure.code.hasPrefix("verify."))
        #expect(failure.fix.contains("trusted root"))
        try await line.expectNothingPublic(digest)
        #expect(line.rekor.requests.isEmpty)

        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `under another log's key the entry waits for the right root, and stays the only one`() async throws {
        let foreign = try await SigningLine.withAnotherLab { try await $0.trustedRootJSON }
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        var setup = SigningLine.Setup()
        setup.trustedRoot = try Self.replacing("tlogs", of: try await line.lab.trustedRootJSON, by: foreign)
        try await line.daemon(setup).workOff(atMost: 4)
        #expect(try await line.failure(digest)?.code == "verify.log")
        #expect(try await line.logEntries(about: digest).count == 1)
        #expect(try await line.referrers(of: digest).isEmpty)

        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    /// A clock that is an hour wrong, and what is shown meanwhile.
    @Test(arguments: [
        (LabService.tsa, 3600, "tsa.clock_skew"), (.tsa, -3600, "tsa.clock_skew"),
        (.fulcio, -3600, "fulcio.refused"), (.fulcio, 3600, "fulcio.refused"), (.fulcio, 300, "tsa.clock_skew"),
        (.rekor, 3600, "verify.certificate_validity"), (.rekor, -3600, "verify.certificate_validity"),
        (.oidc, 3600, "identity.token_not_yet_valid"),
    ])
    func `an hour's clock skew is named and passes`(
        _ service: LabService, _ seconds: Int, _ code: String
    ) async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            lab.faults.set(Fault(.clockOffset(.seconds(seconds))), for: service)
            try await line.useToken()
            let daemon = try await line.daemon()
            try await daemon.workOff(atMost: 3)
            #expect(try await line.state(digest) == "waiting")
            let failure = try await line.failure(digest)
            #expect(failure?.code == code, "\(String(describing: failure))")
            #expect(try await line.referrers(of: digest).isEmpty)
            // only the log's own clock can be seen no sooner than in its entry; each of those is put aside with a reason
            let logged = try await line.logEntries(about: digest).count
            #expect(logged == (service == .rekor ? 3 : 0))

            lab.faults.clear()
            try await line.useToken()
            try await daemon.workOff()
            try await line.expectSignedOnce(digest, abandoned: logged, logged: logged)
        }
    }

    static func replacing(_ member: String, of root: [UInt8], by other: [UInt8]) throws -> [UInt8] {
        func object(_ json: [UInt8]) throws -> [String: Any] {
            try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any] ?? [:]
        }
        var root = try object(root)
        root[member] = try object(other)[member]
        return Array(try JSONSerialization.data(withJSONObject: root))
    }
}
