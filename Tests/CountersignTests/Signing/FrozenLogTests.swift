import Curl
import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// A log of tiles that its operator replaces by a new shard while a daemon signs.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct FrozenLogTests {
    /// What the lab publishes, asked for only when somebody hints at a change: the interval is a day.
    struct Published: TrustSource {
        let lab: Lab
        let origin = "lab"
        let interval: Duration = .seconds(86_400)

        func documents() async throws(TrustError) -> TrustDocuments {
            do {
                return TrustDocuments(
                    trustedRoot: try await lab.trustedRootJSON, signingConfig: try await lab.signingConfigJSON)
            } catch {
                throw .unreadable(origin: origin, "\(error)")
            }
        }
    }

    static func sigstore(_ line: SigningLine) async throws -> SigstoreConfiguration {
        var sigstore = SigstoreConfiguration.leftToTheInstance
        sigstore.upstreams.proxy = .none
        (sigstore.upstreams.privateNetwork, sigstore.upstreams.plainHTTP) = (true, true)
        sigstore.identity = IdentityConfiguration(
            token: .file(line.tokenFile),
            subjectAlternativeName: "https://kubernetes.io/namespaces/ci/serviceaccounts/signer",
            issuer: try await line.lab.endpoints.issuer(.kubernetes))
        return sigstore
    }

    @Test func `a frozen log has the trust looked at, and what was prepared for it is signed in the new shard`()
        async throws
    {
        try await SigningLine.withAnotherLab(logs: .v2) { lab in
            let line = try await SigningLine(lab: lab)
            let sigstore = try await Self.sigstore(line)
            let trust = try await TrustKeeper(
                Published(lab: lab), allowsLab: true,
                services: { config, now throws(TrustError) in try sigstore.services(config, at: now) }, logger: .silent)
            let daemon = try line.daemon(following: trust, sigstore)
            let old = try #require(try trust.services().logs.first).upstream.url
            let before = try await line.image().descriptor.digest
            try await line.push(before)
            try await daemon.workOff()
            #expect(try await line.state(before) == "signed")

            try await lab.rotate(.rekor2)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            try await daemon.attemptAll()
            #expect(try await line.state(digest) == "waiting")
            #expect(try await line.failure(digest)?.code == "rekor.frozen")
            #expect(try trust.services().logs.first?.upstream.url == old)

            // the failure was a hint: the keeper looks long before its interval is over
            let following = Task { try await trust.run() }
            try await eventually("the new shard") { try trust.services().logs.first?.upstream.url != old }
            following.cancel()
            try await following.value
            try await line.database.makeDue()
            try await daemon.attemptAll()
            #expect(try await line.failure(digest)?.code == "rekor.replaced")
            #expect(try await line.evidenceRows(of: digest) == (1, 0), "one look is not enough")
            try await line.letLogSettle()
            try await daemon.workOff()
            #expect(try await line.state(digest) == "signed")
            let evidence = try await line.evidenceRows(of: digest)
            #expect(evidence == (1, 1), "live and abandoned evidence")
            let log = try await line.database.text(
                "SELECT log FROM countersign.evidence WHERE abandoned_at IS NULL ORDER BY id DESC LIMIT 1")
            let current = try daemon.signer.services.logs.first?.client.id
            #expect(log != nil && log == current)
            // both are verified by what is trusted now
            for digest in [before, digest] {
                let bundles = try await line.referrers(of: digest)
                #expect(bundles.count == 1)
                for attached in bundles {
                    let verified = try daemon.signer.verify(
                        .bundle(try UnverifiedBundle(json: attached.bytes)), Statement.cosignSignPredicateType,
                        for: digest, in: line.repository)
                    #expect(verified.tlogEntries.count == 1)
                }
            }
        }
    }
    @Test func `an entry whose answer was lost is found in the shard that was replaced`() async throws {
        try await SigningLine.withAnotherLab(logs: .v2) { lab in
            let line = try await SigningLine(lab: lab)
            let sigstore = try await Self.sigstore(line)
            let trust = try await TrustKeeper(
                Published(lab: lab), allowsLab: true,
                services: { config, now throws(TrustError) in try sigstore.services(config, at: now) }, logger: .silent)
            let daemon = try line.daemon(following: trust, sigstore)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            lab.faults.set(Fault(.dropAnswer), for: .rekor2)
            try await daemon.attemptAll()
            #expect(try await line.state(digest) == "waiting")
            lab.faults.clear()

            try await lab.rotate(.rekor2)
            #expect(try await trust.refresh())
            try await daemon.workOff()
            #expect(try await line.state(digest) == "signed")
            #expect(try await line.evidenceRows(of: digest) == (1, 0), "nothing was put aside")
            #expect(try await line.referrers(of: digest).count == 1)
        }
    }

    /// As after a change from Rekor v1 to v2.
    @Test func `a Rekor v1 of former days is asked for the entry, and one it does not have is none`() async throws {
        let line = try await SigningLine()
        for isEntered in [true, false] {
            let other = try await line.withFreshDatabase()
            let digest = try await other.image().descriptor.digest
            try await other.push(digest)
            other.rekor.next(isEntered ? .answerLost : .lost)
            let daemon = try await other.daemon()
            try await daemon.attemptAll()
            let rows = try await other.database.pool.query("SELECT log_request FROM countersign.evidence")
            let request = try #require(rows.first).decode(0, as: [UInt8].self)
            var upstream = UpstreamConfiguration(url: "")
            (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
            let retired = RetiredLogs(daemon.signers.trust, upstream: upstream, http: SigningLine.http)
            let found = try await retired.lookup(request, in: other.rekor.url, from: 0)
            #expect((found != nil) == isEntered)
        }
    }
}
