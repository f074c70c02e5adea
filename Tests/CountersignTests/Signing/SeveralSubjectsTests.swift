import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// Whoever holds our token and has no access to our records: he signs what he likes, and attaches it where he may push.
extension SigningLine {
    fileprivate func stolen(_ statement: Statement) async throws -> UnverifiedBundle {
        let endpoints = try await lab.endpoints
        let services = KeylessSigner.Services(
            fulcio: FulcioClient(url: endpoints.fulcio, http: Self.http, route: Self.route, audience: "sigstore"),
            timestampAuthorities: [
                TimestampClient(url: endpoints.tsa, http: Self.http, route: Self.route)
            ], logs: [RekorV1(url: endpoints.rekor, http: Self.http, route: Self.route)])
        let root = try TrustedRoot(json: try await lab.trustedRootJSON)
        return try await KeylessSigner(
            services, tokens: FileTokenSource(path: tokenFile), verifier: Verifier(root: root)
        )
        .sign(statement)
    }

    fileprivate func attach(_ bundle: UnverifiedBundle, to image: Manifest) async throws {
        let json = try bundle.json()
        let referrer = BundleReferrer.render(
            bundle: json, subject: image.descriptor, predicateType: Statement.cosignSignPredicateType, created: .now)
        _ = try await pusher.attach(referrer, bundle: json, to: repository.name)
    }

    /// A subject as we write it.
    fileprivate func approved(_ digest: OCI.Digest, in repository: String? = nil) -> Statement.Subject {
        let repository = repository ?? self.repository.description
        return Statement.Subject(
            name: "\(repository)@\(digest.hex.prefix(12))", digest: ["sha256": digest.hex],
            annotations: [Statement.repositoryAnnotation: repository])
    }

    /// Reads the lab's log to its end.
    fileprivate func look(_ monitor: IdentityMonitor) async throws {
        let log = RekorV1(url: try await lab.endpoints.rekor, http: Self.http, route: Self.route)
        while try await monitor.step(log) {}
    }

    fileprivate var adoptions: [AuditLog.Entry] {
        get async throws {
            try await AuditLog(pool: database.pool).latest(50).filter { $0.action == "artifact.adopt" }
        }
    }
}

/// What is adopted, and what the identity monitor says of it, where one signature is about several artifacts.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SeveralSubjectsTests {
    @Test func `a statement that is also about what policy does not sign is not adopted`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        let evil = sampleDigest("evil")
        let ours = line.approved(digest)
        var twoDigests = ours
        twoDigests.digest["sha512"] = String(repeating: "0", count: 128)
        for subjects in [
            [ours, Statement.Subject(digest: ["sha256": evil.hex])],
            [ours, line.approved(evil, in: "unlisted.example/app")],
            [ours, line.approved(evil, in: "no repository")],
            [twoDigests],
        ] {
            try await line.attach(try await line.stolen(Statement(subjects: subjects)), to: image)
        }
        try await line.push(digest)
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.referrers(of: digest).count == 5)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 1)
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE log_request <> ''") == 1,
            "it was made, not adopted")
        #expect(try await line.adoptions.isEmpty)
    }

    @Test func `a statement about several that policy never has in one, by identity, log or tenant, is not adopted`()
        async throws
    {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        let (identity, log, tenant) = (
            "registry.example/keys/app", "registry.example/logs/app", "registry.example/b/app"
        )
        for other in [identity, log, tenant] {
            let evil = line.approved(sampleDigest("evil"), in: other)
            try await line.attach(
                try await line.stolen(Statement(subjects: [line.approved(digest), evil])), to: image)
        }
        var setup = SigningLine.Setup()
        setup.rules =
            [SigningLine.Setup.rule("keys", glob: identity), SigningLine.Setup.rule("logs", glob: log)] + setup.rules
        setup.rules[0].identity = "former"
        setup.rules[1].log = "other"
        setup.tenants = [TenantConfiguration(name: "b", repositories: [try Glob(tenant)])]
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.referrers(of: digest).count == 4)
        #expect(try await line.adoptions.isEmpty)
    }

    @Test func `an image of ours in a thief's statement does not silence the identity monitor`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let image = try await line.image()
            let digest = image.descriptor.digest
            let statement = Statement(subjects: [line.approved(digest), line.approved(sampleDigest("evil"))])
            let bundle = try await line.stolen(statement)
            try await line.attach(bundle, to: image)
            try await line.push(digest)
            let daemon = try await line.daemon()
            try await daemon.workOff()
            #expect(try await line.adoptions.count == 1)

            let monitor = IdentityMonitorTests.monitor(line, daemon)
            try await line.look(monitor)
            #expect(try await line.database.number("SELECT count(*) FROM countersign.suspected_entry") == 1)
            try await IdentityMonitorTests.letGraceEnd(line)
            try await line.look(monitor)
            try await line.look(monitor)
            let alert = try #require(try await line.alerts.alerts(state: .open).items.first)
            #expect(alert.code == "identity.unknown_entry" && alert.observed.contains("also covers 1 subjects"))
            #expect(alert.facts["log_index"] == bundle.tlogEntries.first.map { "\($0.logIndex)" })
        }
    }

    @Test func `a group that is restored member by member is explained with its last`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let before = try await SigningLine(lab: lab)
            let digests = try await before.group(of: 3)
            try await before.daemon().workOffGroups()
            for digest in digests { #expect(try await before.state(digest) == "signed") }

            let line = try await before.withFreshDatabase()
            let daemon = try await line.daemon()
            let monitor = IdentityMonitorTests.monitor(line, daemon)
            try await line.look(monitor)
            try await IdentityMonitorTests.letGraceEnd(line)
            try await line.look(monitor)
            #expect(try await line.alerts.open() == ["identity.unknown_entry": 1])
            for (number, digest) in digests.enumerated() {
                try await line.push(digest)
                try await daemon.workOff()
                try await line.look(monitor)
                let open = try await line.alerts.alerts(state: .open).items
                let left = digests.count - number - 1
                #expect(open.count == (left > 0 ? 1 : 0))
                #expect(open.allSatisfy { $0.observed.contains("also covers \(left) subjects") })
            }
            #expect(try await line.alerts.alerts(state: .ended).items.count == 1)
            #expect(try await line.adoptions.count == 3)
            #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 1)
        }
    }

    @Test func `a bundle of stock cosign is adopted, explained, and a row of the audit log`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let image = try await line.image()
            let digest = image.descriptor.digest
            // it writes no name, and no annotations
            let bundle = try await line.stolen(Statement(subjects: [.init(digest: ["sha256": digest.hex])]))
            try await line.attach(bundle, to: image)
            try await line.push(digest)
            let daemon = try await line.daemon()
            try await daemon.workOff()
            try await line.expectSignedOnce(digest)

            let monitor = IdentityMonitorTests.monitor(line, daemon)
            try await line.look(monitor)
            #expect(try await line.database.number("SELECT count(*) FROM countersign.suspected_entry") == 0)

            let act = try #require(try await line.adoptions.first)
            let index = try #require(bundle.tlogEntries.first).logIndex
            #expect(act.actor == "daemon" && act.outcome == .accepted && act.type == nil)
            #expect(act.repository == line.repository.description && act.subject == digest.description)
            let log = try await lab.endpoints.rekor
            #expect(act.detail == "bundle, entry \(index) of \(log)")
            let walk = try await AuditChain(pool: line.database.pool).walk()
            #expect(walk.entries == 1 && walk.fault == nil)
        }
    }
}
