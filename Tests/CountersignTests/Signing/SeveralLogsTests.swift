import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// An instance that wants an entry of each bundle in two logs: a Rekor v1, asked first, and one of tiles.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SeveralLogsTests {
    private static func setup(
        _ line: SigningLine, _ formats: [SignatureFormat] = [.bundle]
    ) async throws -> (SigningLine.Setup, tiles: FaultRelay) {
        let port = try #require(URL(string: try await line.lab.endpoints.rekor2)?.port)
        let tiles = try FaultRelay(to: port)
        var setup = SigningLine.Setup.formats(formats)
        setup.tiles = tiles
        return (setup, tiles)
    }

    private static func submissions(_ log: FaultRelay) -> Int {
        log.requests.count { $0.method == "POST" && $0.path.hasSuffix("/log/entries") }
    }

    /// Signed once, entered in both logs, and everything about it verified.
    private static func expectInBoth(
        _ line: SigningLine, _ digest: OCI.Digest, abandoned: Int = 0, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(try await line.state(digest) == "signed", sourceLocation: location)
        #expect(try await line.database.jobCount() == 0, "jobs left", sourceLocation: location)
        #expect(try await line.evidenceRows(of: digest) == (1, abandoned), sourceLocation: location)
        #expect(try await line.logEntries(about: digest).count == 1, "entries of Rekor v1", sourceLocation: location)
        let listed = try await line.referrers(of: digest)
        #expect(listed.count == 1, sourceLocation: location)
        let bundle = try UnverifiedBundle(json: try #require(listed.first, sourceLocation: location).bytes)
        #expect(bundle.tlogEntries.map(\.api) == [.v2, .v1], sourceLocation: location)
        let verified = try await line.daemon().signer.verify(
            .bundle(bundle), Statement.cosignSignPredicateType, for: digest, in: line.repository)
        #expect(Set(verified.tlogEntries.map(\.logID)).count == 2, sourceLocation: location)
        let signature = try #require(try await line.signature(of: digest), sourceLocation: location)
        #expect(signature.logIndex == bundle.tlogEntries.first?.logIndex, sourceLocation: location)
        // whoever searches our record finds each entry, for the same image
        let records = LogEntryRecords(pool: line.database.pool)
        let known = try await LogRecords(pool: line.database.pool).known()
        #expect(known.map(\.entries.count) == [1, 1], sourceLocation: location)
        for entry in bundle.tlogEntries {
            var filter = LogEntryRecords.Filter()
            (filter.log, filter.index) = (Hex.encode(entry.logID), entry.logIndex)
            let there = known.flatMap(\.entries).first { $0.logID == filter.log }
            #expect(there?.count == 1 && there?.newestIndex == entry.logIndex, sourceLocation: location)
            let found = try await records.entries(filter).items
            #expect(found.count == 1 && found.first?.abandoned == nil, sourceLocation: location)
            #expect(found.first?.subjects.map(\.digest) == [digest], sourceLocation: location)
            let stored = try found.first.map { try TlogEntry(json: $0.entry) }
            #expect(stored?.canonicalizedBody == entry.canonicalizedBody, sourceLocation: location)
            #expect(stored?.inclusionProof == entry.inclusionProof, sourceLocation: location)
        }
    }

    @Test func `a bundle brings an entry of each log, a legacy signature that of the one that dates it`() async throws {
        let line = try await SigningLine()
        let (setup, tiles) = try await Self.setup(line, [.bundle, .legacy])
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(Self.submissions(line.rekor) == 2 && Self.submissions(tiles) == 1)
        #expect(line.fulcio.requests.count { $0.method == "POST" } == 1)
        #expect(try await line.legacyEntries(about: digest).count == 1)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.further_entry") == 1)
        let bundle = try UnverifiedBundle(json: try #require(try await line.referrers(of: digest).first).bytes)
        #expect(bundle.tlogEntries.count == 2)

        // after the loss of the database both entries are ours all the same
        let after = try await line.withFreshDatabase()
        try await after.push(digest)
        let sent = (Self.submissions(line.rekor), Self.submissions(tiles), line.registry.writes)
        try await after.daemon(setup).workOff()
        #expect(try await after.state(digest) == "signed")
        #expect((Self.submissions(line.rekor), Self.submissions(tiles), line.registry.writes) == sent, "adopted")
        let records = LogEntryRecords(pool: after.database.pool)
        #expect(try await records.count(.init()) == 3)
        for entry in bundle.tlogEntries {
            var filter = LogEntryRecords.Filter()
            (filter.log, filter.index) = (Hex.encode(entry.logID), entry.logIndex)
            #expect(try await records.count(filter) == 1)
        }
    }

    @Test(arguments: [
        (isTiles: false, acted: false, further: 0), (false, true, 0), (true, false, 1), (true, true, 1),
    ])
    func `whoever dies at one of two logs, each has one entry, and the zombie adds none`(
        isTiles: Bool, acted: Bool, further: Int
    ) async throws {
        let line = try await SigningLine()
        let (setup, tiles) = try await Self.setup(line)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let first = try await line.daemon(setup)
        let hold = FaultRelay.Hold()
        (isTiles ? tiles : line.rekor).next(acted ? .answerHeld(hold) : .held(hold)) { $0.method == "POST" }
        let claim = try await first.claimOne()
        let zombie = Task { await first.attempt(claim) }
        await hold.reached()
        let known = try await line.database.number(
            "SELECT count(*) FROM countersign.further_entry WHERE logged_at IS NOT NULL")
        #expect(known == further)

        try await line.giveUpHolders()
        try await line.daemon(setup).workOff()
        try await Self.expectInBoth(line, digest)
        hold.release()
        await zombie.value
        try await Self.expectInBoth(line, digest)
        #expect(line.fulcio.requests.count { $0.method == "POST" } == 1, "nothing was signed anew")
        #expect(Self.submissions(line.rekor) == (isTiles ? 1 : 2), "what is known to be in a log is not sent again")
    }

    @Test func `while one of two logs is away what is in the other waits for it, known as ours`() async throws {
        try await SigningLine.withAnotherLab(logs: .both) { lab in
            let line = try await SigningLine(lab: lab)
            let (setup, tiles) = try await Self.setup(line)
            tiles.next(.lost, times: 99) { $0.method == "POST" }
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            let daemon = try await line.daemon(setup)
            for _ in 0..<3 {
                try await line.database.makeDue()
                try await daemon.attemptAll()
            }
            #expect(try await line.state(digest) == "waiting")
            #expect(try await line.failure(digest)?.code == "rekor.unavailable")
            #expect(Self.submissions(line.rekor) == 1)
            let entries = try await LogEntryRecords(pool: line.database.pool).entries(.init()).items
            #expect(entries.map(\.log) == [line.rekor.url] && entries.first?.subjects.map(\.digest) == [digest])
            let known = try await LogRecords(pool: line.database.pool).known()
            #expect(known.map(\.log) == [line.rekor.url] && known.first?.entries.map(\.count) == [1])
            #expect(try await line.referrers(of: digest).isEmpty)

            tiles.heal()
            try await daemon.workOff()
            try await Self.expectInBoth(line, digest)
            #expect(Self.submissions(line.rekor) == 1)
        }
    }

    /// An image whose first attempt ends with the answer of the first log lost: the other was not asked yet.
    private static func firstAnswerLost(
        _ line: SigningLine, _ setup: SigningLine.Setup
    ) async throws -> (Digest, SigningDaemon) {
        line.rekor.next(.lost) { $0.method == "POST" }
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(setup)
        try await daemon.attemptAll()
        return (digest, daemon)
    }

    @Test func `what one of two logs never took in time is put aside as a whole, and signed anew once`() async throws {
        let line = try await SigningLine()
        let (setup, tiles) = try await Self.setup(line)
        let (digest, daemon) = try await Self.firstAnswerLost(line, setup)
        #expect(Self.submissions(tiles) == 0)
        try await line.endCertificates(ago: .seconds(600))
        try await line.database.makeDue()
        try await daemon.attemptAll()
        #expect(try await line.failure(digest)?.code == "signing.certificate_expired")
        #expect(try await line.evidenceRows(of: digest) == (1, 0), "one look is not enough")
        try await line.letLogSettle()
        try await line.database.makeDue()
        try await daemon.attemptAll()
        #expect(try await line.evidenceRows(of: digest) == (0, 1))
        #expect(Self.submissions(tiles) == 0)
        try await daemon.workOff()
        try await Self.expectInBoth(line, digest, abandoned: 1)
    }

    @Test func `an entry that does not verify is asked for again, and nothing is published before`() async throws {
        try await SigningLine.withAnotherLab(logs: .both) { lab in
            let line = try await SigningLine(lab: lab)
            let (setup, _) = try await Self.setup(line)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            let daemon = try await line.daemon(setup)
            lab.faults.set(Fault(.distort(.badSET)), for: .rekor)
            try await daemon.attemptAll()
            #expect(try await line.failure(digest)?.code == "verify.set")
            #expect(try await line.evidenceRows(of: digest) == (1, 0))
            #expect(try await line.referrers(of: digest).isEmpty)
            lab.faults.clear()
            try await daemon.workOff()
            try await Self.expectInBoth(line, digest)
            #expect(line.fulcio.requests.count { $0.method == "POST" } == 1)
        }
    }

    @Test func `of an image that is gone for long both entries stay explained`() async throws {
        let line = try await SigningLine()
        let (setup, _) = try await Self.setup(line)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(setup)
        try await daemon.workOff()
        try await line.delete(digest)
        try await line.push(digest)
        try await daemon.workOff(atMost: 20)
        #expect(try await line.state(digest) == "gone")
        try await line.database.pool.execute(
            "UPDATE countersign.deleted_artifact SET gone_at = now() - interval '91 days'")
        var retention = RetentionConfiguration()
        retention.deletedArtifacts = .seconds(90 * 86_400)
        #expect(try await line.database.maintenance(keeping: retention).removeOld()[.deletedArtifacts] == 1)
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.further_entry WHERE log_request = ''") == 1
        )
        let entries = try await LogEntryRecords(pool: line.database.pool).entries(.init()).items
        #expect(entries.count == 2 && entries.allSatisfy { $0.abandoned != nil })
        #expect(try await LogRecords(pool: line.database.pool).known().isEmpty, "none of them is live")
    }

    @Test func `another request in place of a further log's is not sent`() async throws {
        let line = try await SigningLine()
        let (setup, tiles) = try await Self.setup(line)
        let (digest, daemon) = try await Self.firstAnswerLost(line, setup)
        let sent = Self.submissions(line.rekor)
        try await line.database.pool.execute("UPDATE countersign.further_entry SET log_request = '{}'")
        try await line.database.makeDue()
        try await daemon.attemptAll()
        #expect(try await line.failure(digest)?.code == "signing.evidence_unusable")
        #expect(Self.submissions(line.rekor) == sent && Self.submissions(tiles) == 0)
    }

    @Test func `a group has one entry in each log`() async throws {
        let line = try await SigningLine()
        let (setup, tiles) = try await Self.setup(line)
        let digests = try await line.group(of: 3)
        let daemon = try await line.daemon(setup)
        tiles.next(.answerLost) { $0.method == "POST" }
        try await daemon.attemptGroups()
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE logged_at IS NULL") == 1)
        try await daemon.workOffGroups()
        for digest in digests {
            #expect(try await line.state(digest) == "signed")
            let bundle = try UnverifiedBundle(json: try #require(try await line.referrers(of: digest).first).bytes)
            #expect(bundle.tlogEntries.map(\.api) == [.v2, .v1])
        }
        #expect(try await line.entries(about: digests).count == 1)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 1)
        #expect(Self.submissions(line.rekor) == 1)
    }

    @Test func `a document that is too large to be held has its entries from the record`() async throws {
        let line = try await SigningLine()
        let (both, tiles) = try await Self.setup(line)
        var setup = both
        setup.isRekorV2 = true
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let document = Array((#"{"text":""# + String(repeating: "x", count: 6_000_001) + #""}"#).utf8)
        let id = try await line.attest(document, "https://example.com/large", about: digest)
        let sent = Self.submissions(tiles)
        line.registry.next(.answered(503)) { $0.method == "PATCH" }
        try await daemon.attemptAll()
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE bundle IS NULL") == 1)
        try await daemon.workOff()
        #expect(try await line.attestation(id).status.state == .signed)
        #expect(Self.submissions(tiles) == sent + 1)
        let bundles = try await line.referrers(of: digest).map {
            try UnverifiedBundle(json: $0.bytes, limits: UnverifiedBundle.attestationLimits)
        }
        // the lab has one log of tiles, here under two URLs: it has one entry, which stands in the bundle once
        #expect(bundles.map(\.tlogEntries.count) == [1, 1])
        #expect(try await line.database.number("SELECT count(*) FROM countersign.further_entry") == 2)
    }

    @Test func `a signing configuration that wants an entry in every log is followed`() async throws {
        try await SigningLine.withAnotherLab(logs: .both) { lab in
            let line = try await SigningLine(lab: lab)
            var sigstore = SigstoreConfiguration.leftToTheInstance
            sigstore.upstreams.proxy = .none
            (sigstore.upstreams.privateNetwork, sigstore.upstreams.plainHTTP) = (true, true)
            sigstore.identity = IdentityConfiguration(
                token: .file(line.tokenFile), subjectAlternativeName: SigningLine.Setup().subject,
                issuer: try await lab.endpoints.issuer(.kubernetes))
            let source = ScriptedTrust(
                try await lab.trustedRootJSON, signingConfig: try await lab.signingConfigJSON)
            let trust = try await TrustKeeper(
                source, allowsLab: true,
                services: { [sigstore] config, now throws(TrustError) in try sigstore.services(config, at: now) },
                logger: .silent)
            let daemon = try line.daemon(following: trust, sigstore)
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            try await daemon.workOff()
            try await Self.expectInBoth(line, digest)
        }
    }
}
