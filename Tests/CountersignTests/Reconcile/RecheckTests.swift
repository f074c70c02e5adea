import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// The look back at what was published, over a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct RecheckTests {
    /// An image that is signed, in these formats.
    private func signed(
        _ line: SigningLine, _ formats: [SignatureFormat] = [.bundle]
    ) async throws -> (digest: OCI.Digest, daemon: SigningDaemon) {
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon(.formats(formats))
        try await line.push(digest)
        try await daemon.workOff()
        return (digest, daemon)
    }

    private func verifiedAt(_ line: SigningLine, _ digest: OCI.Digest) async throws -> Date {
        try #require(try await line.signature(of: digest)).verifiedAt
    }

    @Test func `what stands is verified anew, and nothing is written`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line, [.bundle, .legacy])
        let before = try await verifiedAt(line, digest)
        let (writes, entries) = (line.registry.writes, line.rekor.requests.count)
        try await line.recheckAll(with: daemon)
        #expect(try await verifiedAt(line, digest) > before)
        #expect(line.registry.writes == writes && line.rekor.requests.count == entries)
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
    }

    @Test func `a referrer that was deleted is put back under the same digest, without another signature`() async throws
    {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        let referrer = try #require(try await line.signature(of: digest)).referrer
        try await line.delete(referrer)
        let entries = line.rekor.requests.count
        try await line.recheckAll(with: daemon)
        try await line.expectSignedOnce(digest)
        #expect(try await line.signature(of: digest)?.referrer == referrer)
        #expect(line.rekor.requests.count == entries, "the log was not asked")
    }

    @Test func `a fallback tag and a legacy tag that were deleted are put back`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line, [.bundle, .legacy])
        let referrer = try #require(try await line.signature(of: digest)).referrer
        try await line.delete(tag: SignatureTag.fallback(for: digest))
        try await line.delete(tag: SignatureTag.legacy(.signature, for: digest))
        #expect(try await line.referrers(of: digest).isEmpty)
        let entries = line.rekor.requests.count
        try await line.recheckAll(with: daemon)
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        #expect(try await line.signature(of: digest)?.referrer == referrer)
        #expect(line.rekor.requests.count == entries)
    }

    @Test(arguments: FormatTests.combinations)
    func `an attestation that was deleted is put back, also when its document is not kept any more`(
        _ formats: [SignatureFormat]
    ) async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line, formats)
        let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        let before = try await line.listed(digest)
        #expect(before.count == 2 * formats.count)
        _ = try await line.database.pool.query(
            "UPDATE countersign.attestation SET document_id = NULL WHERE id = \(id)")
        for referrer in try await line.referrers(of: digest) { try await line.delete(referrer.manifest.digest) }
        if formats.contains(.legacy) { try await line.delete(tag: SignatureTag.legacy(.attestation, for: digest)) }
        #expect(try await line.pusher.bundles(line.repository.name, of: digest).bundles.isEmpty)
        #expect(try await line.pusher.legacyLayers(.attestation, of: digest, in: line.repository.name).isEmpty)
        let entries = line.rekor.requests.count
        try await line.recheckAll(with: daemon)
        #expect(try await line.listed(digest) == before)
        #expect(line.rekor.requests.count == entries, "the log was not asked")
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed && attestation.status.lastError == nil)
    }

    /// A registry that was restored from an older copy, or said for a while that it has nothing.
    @Test(arguments: FormatTests.combinations)
    func `an attestation that was away with its image is put back after the signature, however long it was away`(
        _ formats: [SignatureFormat]
    ) async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line, formats)
        let image = try await line.pusher.manifest(line.repository.name, digest)
        let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        let listed = try await line.listed(digest)
        for referrer in try await line.referrers(of: digest) { try await line.delete(referrer.manifest.digest) }
        if formats.contains(.legacy) {
            for kind in LegacyKind.allCases { try await line.delete(tag: SignatureTag.legacy(kind, for: digest)) }
        }
        try await line.delete(digest)
        let entries = line.rekor.requests.count
        try await line.recheckAll(with: daemon)
        try await daemon.workOff(atMost: 20)
        #expect(try await line.state(digest) == "gone")
        #expect(try await line.attestation(id).status.state == .gone)

        try await line.letDaysPass()
        #expect(try await line.attestation(id).document.id != nil)
        // as the clean-up of the version before left it
        try await line.database.pool.execute("UPDATE countersign.attestation SET document_id = NULL")
        #expect(try await line.put(image).descriptor.digest == digest)
        try await line.push(digest)
        try await daemon.workOff()
        #expect(try await line.listed(digest) == listed)
        #expect(line.rekor.requests.count == entries, "the log was not asked")
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed && attestation.status.lastError == nil)
        #expect(try await line.database.jobCount() == 0)
    }

    @Test func `an attestation stands while its image is signed anew, however long ago it was sent`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        let listed = try await line.listed(digest)
        try await line.database.pool.execute(
            "UPDATE countersign.attestation SET document_id = NULL, expires_at = now() - interval '1 hour'")
        // as while the image's own signature is being put back
        try await line.database.pool.execute(
            "UPDATE countersign.target SET state = 'signing' WHERE purpose = 'signature'")
        try await line.recheckAll(with: daemon)
        #expect(try await line.attestation(id).status.state == .signed)
        #expect(try await line.attestation(id).status.lastError?.code == "attestation.waiting_for_signature")
        try await line.database.pool.execute(
            "UPDATE countersign.target SET state = 'signed' WHERE purpose = 'signature'")
        // what is missing is put back at the second try, too
        for referrer in try await line.referrers(of: digest) { try await line.delete(referrer.manifest.digest) }
        line.registry.next(.answered(503), times: 2) { $0.method == "PUT" && $0.isReferrer }
        try await line.database.makeDue()
        try await daemon.attemptAll()
        try await line.push(digest)
        try await daemon.workOff()
        #expect(try await line.listed(digest) == listed)
        #expect(try await line.attestation(id).status.state == .signed)
        #expect(try await line.attestation(id).status.lastError == nil)
    }

    @Test func `an attestation that a newer one superseded is not put back`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        let old = try await line.attest(sampleVEX(1), "openvex", about: digest)
        try await daemon.workOff()
        let new = try await line.attest(sampleVEX(2), "openvex", about: digest)
        try await daemon.workOff()
        let listed = try await line.listed(digest)
        #expect(listed.count == 2)
        try await line.recheckAll(with: daemon)
        #expect(try await line.listed(digest) == listed)
        // somebody asks for it in the very moment
        try await line.database.pool.execute(
            """
            INSERT INTO countersign.job (kind, target_id, repository_id, lane)
            SELECT 'attest', t.id, t.repository_id, 1 FROM countersign.target t JOIN countersign.attestation a ON a.target_id = t.id
            WHERE a.superseded_by IS NOT NULL
            """)
        try await daemon.workOff()
        #expect(try await line.listed(digest) == listed)
        #expect(try await line.attestation(old).status.state == .signed)
        #expect(try await line.attestation(old).status.lastError?.code == "attestation.superseded")
        #expect(try await line.attestation(new).status.lastError == nil)
    }

    @Test func `an attestation in our records that is not the one we signed raises an alert`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        try await line.database.pool.execute(
            """
            UPDATE countersign.evidence e SET bundle = convert_to(replace(convert_from(bundle, 'UTF8'), '"payload":"e', '"payload":"f'), 'UTF8')
            FROM countersign.evidence_target l JOIN countersign.target t ON t.id = l.target_id
            WHERE l.evidence_id = e.id AND t.purpose LIKE 'attestation %'
            """)
        try await line.recheckAll(with: daemon)
        let alerts = try await line.alerts.alerts(state: .open).items
        #expect(alerts.map(\.code) == ["signature.rejected"] && alerts.map(\.digest) == [digest])
    }

    @Test func `a worker that dies before it has put a referrer back leaves that to the next`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        try await line.delete(try #require(try await line.signature(of: digest)).referrer)
        line.registry.next(.lost, times: 1) { $0.isReferrer }
        try await line.recheckAll(with: daemon)
        #expect(try await line.state(digest) == "waiting")
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `an image that was deleted is gone, with the facts of its signature, and nobody is alarmed`()
        async throws
    {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        try await line.delete(digest)
        try await line.recheckAll(with: daemon)
        try await daemon.workOff()
        #expect(try await line.state(digest) == "gone")
        #expect(try await line.signature(of: digest) != nil)
        #expect(try await line.alerts.alerts().items.isEmpty)
    }

    @Test func `a signature that does not verify any more stays signed and raises one alert, which ends when it does`()
        async throws
    {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        let doubter = try await line.daemon(try await doubting())
        for _ in 0..<2 {
            try await line.recheckAll(with: doubter)
            #expect(try await line.database.jobCount() == 0, "the look is over until the next round")
        }
        let alerts = try await line.alerts.alerts(state: .open).items
        #expect(alerts.map(\.code) == ["signature.rejected"] && alerts.map(\.digest) == [digest])
        #expect(alerts.first?.times == 2 && alerts.first?.repository == line.repository)
        #expect(try await line.state(digest) == "signed")
        let broken = try await line.database.records.status(of: digest, in: line.repository)
        #expect(broken?.isBroken == true)
        #expect(try await line.failure(digest)?.code.hasPrefix("verify.") == true)
        #expect(try await line.alerts.open() == ["signature.rejected": 1])
        let raised = try await AuditLog(pool: line.database.pool).latest(10).filter { $0.action == "alert.raise" }
        #expect(raised.map(\.code) == ["signature.rejected"] && raised.first?.subject == "\(digest)")

        try await line.recheckAll(with: daemon)
        #expect(try await line.alerts.alerts(state: .open).items.isEmpty)
        #expect(try await line.alerts.alerts(state: .ended).items.count == 1)
        #expect(try await line.failure(digest) == nil)
        let whole = try await line.database.records.status(of: digest, in: line.repository)
        #expect(whole?.isBroken == false)
    }

    @Test func `a bundle that has one entry twice raises an alert that says what ends it: to sign anew`() async throws {
        let line = try await SigningLine()
        let image = try await line.image().descriptor
        let daemon = try await line.daemon()
        try await line.push(image.digest)
        try await daemon.workOff()
        // as it was made where two URLs named one log
        let ours = try #require(try await line.referrers(of: image.digest).first)
        let bundle = try UnverifiedBundle(json: ours.bytes)
        let twice = try UnverifiedBundle(
            bundle.content, bundle.material, bundle.tlogEntries + bundle.tlogEntries, timestamps: bundle.timestamps
        ).json()
        let referrer = BundleReferrer.render(
            bundle: twice, subject: image, predicateType: Statement.cosignSignPredicateType,
            created: Date(timeIntervalSince1970: 0))
        let pool = line.database.pool
        _ = try await pool.query("UPDATE countersign.evidence SET bundle = \(twice)")
        _ = try await pool.query(
            """
            UPDATE countersign.attachment SET manifest = \(referrer.manifest),
                digest = \(referrer.descriptor.digest.description)
            """)

        try await line.recheckAll(with: daemon)
        let alert = try #require(try await line.alerts.alerts(state: .open).items.first)
        #expect(alert.code == "signature.rejected" && alert.observed.contains("one entry of one log twice: index "))
        #expect(alert.fix.contains("countersign resign, with --old remove"))
        #expect(try await line.failure(image.digest)?.fix == alert.fix)

        let repository = line.repository
        _ = try await pool.together { session in
            try JobQueue.openGenerations(
                [
                    .init(
                        repository: repository, digest: image.digest, rule: "all", policyVersion: "v1",
                        formats: [.bundle])
                ],
                .init(reason: "one entry twice", removesOlder: true, by: "operator", batch: 1), in: session)
        }
        try await daemon.workOff()
        try await line.recheckAll(with: daemon)
        #expect(try await line.alerts.open().isEmpty)
        #expect(try await line.failure(image.digest) == nil)
    }

    @Test func `a push of a broken signature has it looked at again, once`() async throws {
        let line = try await SigningLine()
        let (digest, _) = try await signed(line)
        let doubter = try await line.daemon(try await doubting())
        try await line.push(digest)
        try await doubter.attemptAll()
        #expect(try await line.database.jobCount() == 0)
        #expect(try await line.alerts.open() == ["signature.rejected": 1])
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.database.number("SELECT count(*) FROM countersign.dead_letter") == 0)
    }

    @Test func `an alert ends when the signature is superseded, and when it is revoked`() async throws {
        let line = try await SigningLine()
        let doubter = try await line.daemon(try await doubting())
        let (digest, _) = try await signed(line)
        try await line.recheckAll(with: doubter)
        #expect(try await line.alerts.open() == ["signature.rejected": 1])
        let repository = line.repository
        let opened = try await line.database.pool.together { session in
            try JobQueue.openGenerations(
                [.init(repository: repository, digest: digest, rule: "all", policyVersion: "v1", formats: [.bundle])],
                .init(reason: "a new identity", removesOlder: false, by: "operator", batch: 1), in: session)
        }
        guard case .opened = opened.first else { throw SupportError("not opened") }
        #expect(try await line.alerts.open().isEmpty)
        try await line.daemon().workOff()

        try await line.recheckAll(with: doubter)
        #expect(try await line.alerts.open() == ["signature.rejected": 1])
        let revocation = Revocations.Request(
            repository: repository, digest: digest, reason: "it has a hole",
            principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil))
        #expect(try await Revocations(queue: line.database.queue).revoke(revocation, removing: false))
        #expect(try await line.alerts.open().isEmpty)
    }

    /// A daemon to which no signature of the lab is one.
    private func doubting() async throws -> SigningLine.Setup {
        var setup = SigningLine.Setup()
        setup.trustedRoot = try await SigningLine.withAnotherLab { try await $0.trustedRootJSON }
        return setup
    }

    @Test func `bytes in our records that are not those we signed raise an alert, and are not published`() async throws
    {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        try await line.database.pool.execute(
            """
            UPDATE countersign.evidence SET bundle = bundle || '\\x20'::bytea
            """)
        let writes = line.registry.writes
        try await line.recheckAll(with: daemon)
        #expect(try await line.alerts.open() == ["signature.rejected": 1])
        #expect(line.registry.writes == writes)
        #expect(try await line.state(digest) == "signed")
    }

    @Test func `a registry that serves other bytes than it was given raises an alert`() async throws {
        let line = try await SigningLine()
        let (_, daemon) = try await signed(line)
        line.registry.next(.answered(200, body: "{}"), times: 10) { $0.isReadBack }
        try await line.recheckAll(with: daemon)
        #expect(try await line.alerts.open() == ["signature.tampered": 1])
        #expect(try await line.database.jobCount() == 0)
        line.registry.heal()
        try await line.recheckAll(with: daemon)
        #expect(try await line.alerts.open().isEmpty)
    }

    private func letters(_ line: SigningLine) async throws -> Int {
        try await line.database.number("SELECT count(*) FROM countersign.dead_letter")
    }

    @Test func `a proxy's page in place of the image is waited for, however often it comes`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        line.registry.next(.answered(200, body: "<html>"), times: 10) { $0.path.hasSuffix("/manifests/\(digest)") }
        try await line.recheckAll(with: daemon)
        try await daemon.workOff(atMost: 5)
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.failure(digest)?.code == "registry.unexpected_answer")
        #expect(try await letters(line) == 0)
        line.registry.heal()
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        #expect(try await line.failure(digest) == nil)
    }

    @Test(arguments: SignatureFormat.allCases)
    func `a proxy's 404 page in place of what was published is not its absence`(_ format: SignatureFormat) async throws
    {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line, [format])
        let writes = line.registry.writes
        line.registry.next(.answered(404, body: "<html>"), where: \.isReadBack)
        try await line.recheckAll(with: daemon)
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.failure(digest)?.code == "registry.not_found")
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: [format])
        #expect(line.registry.writes == writes)
    }

    /// Of an image that was served before: it is the registry that is wrong, for how long nobody knows.
    @Test func `a look back that is given up leaves the artifact signed, and the next round looks again`() async throws
    {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        line.registry.next(.answered(200, body: "{}"), times: 10) { $0.path.hasSuffix("/manifests/\(digest)") }
        try await line.recheckAll(with: daemon)
        try await daemon.workOff()
        #expect(try await line.database.jobCount() == 0)
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.failure(digest)?.code == "registry.digest_mismatch")
        #expect(try await letters(line) == 0)
        line.registry.heal()
        let referrer = try #require(try await line.signature(of: digest)).referrer
        try await line.delete(referrer)
        try await line.recheckAll(with: daemon)
        try await line.expectSignedOnce(digest)
        #expect(try await line.failure(digest) == nil)
    }

    @Test func `that a service does not answer is no alarm`() async throws {
        let line = try await SigningLine()
        let (digest, daemon) = try await signed(line)
        line.registry.next(.answered(503), times: 100)
        try await line.recheckAll(with: daemon)
        #expect(try await line.failure(digest)?.code == "registry.unavailable")
        #expect(try await line.alerts.alerts().items.isEmpty)
        #expect(try await line.state(digest) == "signed")
    }
}

/// Rounds, on a database alone.
@Suite struct RecheckRoundTests {
    private static let registry = "registry.example"

    /// Signed targets, as long ago as is said.
    private func signed(_ count: Int, _ fixture: QueueFixture, in repository: String = "team/app") async throws {
        for number in 0..<count {
            try await fixture.push(samplePush(sampleDigest("\(repository) \(number)"), repository: repository))
        }
        for (number, claim) in try await fixture.claim(limit: 1_000).enumerated() {
            _ = try await fixture.queue.settle(claim, as: .signed(sampleRecord(Int64(number))))
        }
        try await fixture.pool.execute(
            "UPDATE countersign.target SET verified_at = now() - interval '2 hours' WHERE state = 'signed'")
    }

    private func rechecks(_ fixture: QueueFixture, rate: Int) -> Rechecks {
        var settings = ReconcileConfiguration.Recheck()
        (settings.interval, settings.rate) = (.seconds(3600), rate)
        return Rechecks(
            queue: fixture.queue, registries: [Self.registry], settings: settings,
            metrics: RecheckMetrics(MetricsRegistry()), logger: SigningDaemon.silence)
    }

    /// A second goes by.
    private func wait(_ fixture: QueueFixture) async throws {
        try await fixture.pool.execute(
            "UPDATE countersign.swept_registry SET recheck_stepped_at = now() - interval '1 second'")
    }

    @Test func `a round reaches every old signature once, at the rate, and rests then`() async throws {
        let fixture = try await QueueFixture()
        try await signed(7, fixture)
        try await signed(4, fixture, in: "team/other")
        let rechecks = rechecks(fixture, rate: 3)
        var (steps, began) = ([Rechecks.Step](), ContinuousClock.now)
        while steps.last?.isRoundOver != true {
            if let step = try await rechecks.step(Self.registry) {
                // three a second: of the second that was let go by, and of what this took
                #expect(Double(step.queued) <= 3 * (1 + (ContinuousClock.now - began) / .seconds(1)))
                steps.append(step)
            }
            try #require(steps.count < 20)
            began = .now
            try await wait(fixture)
        }
        #expect(steps.map(\.queued).reduce(0, +) == 11)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.job WHERE lane = 2") == 11)
        #expect(try await rechecks.step(Self.registry) == nil, "the next round begins later")
        let shown = try #require(try await SweepRecords(pool: fixture.pool).registries().first)
        #expect(shown.rechecked == 11 && shown.recheckEndedAt != nil && shown.recheckBeganAt == nil)
    }

    @Test func `what was verified, revoked, or is the work of somebody is passed over`() async throws {
        let fixture = try await QueueFixture()
        try await signed(5, fixture)
        try await fixture.pool.execute(
            "UPDATE countersign.target SET verified_at = now() WHERE digest = \(sampleDigest("team/app 0").description)::text"
        )
        try await fixture.pool.execute(
            "UPDATE countersign.target SET state = 'revoked' WHERE digest = \(sampleDigest("team/app 1").description)::text"
        )
        try await fixture.push(samplePush(sampleDigest("team/app 2")))
        try await fixture.pool.execute(
            "UPDATE countersign.target SET purpose = 'openvex' WHERE digest = \(sampleDigest("team/app 3").description)::text"
        )
        let step = try await rechecks(fixture, rate: 100).step(Self.registry)
        #expect(step == Rechecks.Step(queued: 1, isRoundOver: true))
        #expect(
            try await fixture.text(
                """
                SELECT t.digest FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id WHERE j.lane = 2
                """) == sampleDigest("team/app 4").description)
    }

    @Test func `nothing is added while enough is waiting`() async throws {
        let fixture = try await QueueFixture()
        try await signed(3, fixture)
        for start in [0, 250] {
            _ = try await fixture.queue.enqueue(
                (start..<start + 250).map { samplePush(sampleDigest("waiting \($0)"), lane: .bulk) })
        }
        #expect(try await rechecks(fixture, rate: 100).step(Self.registry) == nil)
    }

    @Test func `the batch of another registry keeps nothing from being looked at`() async throws {
        let fixture = try await QueueFixture()
        try await signed(1, fixture)
        for start in [0, 250] {
            _ = try await fixture.queue.enqueue(
                (start..<start + 250).map {
                    var push = samplePush(sampleDigest("waiting \($0)"), lane: .bulk)
                    push.registry = "other.example"
                    return push
                })
        }
        #expect(
            try await rechecks(fixture, rate: 100).step(Self.registry) == Rechecks.Step(queued: 1, isRoundOver: true))
    }

    @Test func `how long ago the last round ended is a figure`() async throws {
        let fixture = try await QueueFixture()
        try await signed(1, fixture)
        let registry = MetricsRegistry()
        let metrics = RecheckMetrics(registry)
        metrics.collect(from: fixture.pool, registries: [Self.registry])
        _ = try await rechecks(fixture, rate: 100).step(Self.registry)
        try await fixture.pool.execute(
            "UPDATE countersign.swept_registry SET recheck_ended_at = now() - interval '1 hour'")
        _ = await registry.scrape()
        #expect((3_600..<3_700).contains(metrics.age.value(Self.registry)))
    }
}
