import Curl
import OCI
import OpenSSL
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// Many digests under one signature.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct GroupTests {
    @Test func `without a place for another group its jobs stay for whoever has one`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        let alone = try await line.image(tag: "alone").descriptor.digest
        try await line.push(alone)
        try await line.database.makeDue()
        let queue = line.database.queue
        let claims = try await queue.claim(limit: 10, cursor: ClaimCursor(), groups: false)
        #expect(claims.map(\.target?.digest) == [alone])
        #expect(try await queue.claim(limit: 10, cursor: ClaimCursor()).count == digests.count)
    }

    @Test func `a group is one statement, one entry and one bundle, and each member is signed`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 5)
        try await line.daemon().attemptGroups(width: 1)
        try await line.expectSignedOnce(digests)
        #expect(line.bundleUploads == 1)
        var bundles = Set<[UInt8]>()
        for digest in digests { bundles.formUnion(try await line.referrers(of: digest).map(\.bytes)) }
        #expect(bundles.count == 1)
        let bundle = try UnverifiedBundle(json: try #require(bundles.first))
        guard case .envelope(let envelope) = bundle.content else { throw SupportError("no envelope") }
        let subjects = try Statement(json: envelope.payload).subjects
        #expect(Set(subjects.compactMap { $0.digest["sha256"] }) == Set(digests.map(\.hex)))
        for subject in subjects {
            #expect(subject.name == "\(line.repository)@\(subject.digest["sha256"]?.prefix(12) ?? "-")")
            #expect(subject.annotations["dev.countersign/repository"] == line.repository.description)
        }
    }

    @Test func `what waits for the first of a group comes due by itself if nobody takes that one`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.job WHERE run_at <= now()") == 1)
        let claims = try await line.database.claim()
        #expect(try await line.database.queue.cancel(job: claims[0].jobID) == .cancelling)
        #expect(try await line.database.queue.settle(claims[0], as: .released) != .requeued)
        try await line.daemon().workOffGroups()
        let cancelled = try #require(claims[0].target?.digest)
        #expect(try await line.state(cancelled) == "cancelled")
        try await line.expectSignedOnce(digests.filter { $0 != cancelled })
    }

    @Test func `one that may not be signed, one that is not there and one that is signed leave the others alone`()
        async throws
    {
        let line = try await SigningLine()
        let digests = try await line.images(5)
        try await line.push(digests[0])
        try await line.daemon().workOff()
        try await line.delete(digests[1])
        try await line.queueGroup(digests)
        _ = try await Revocations(queue: line.database.queue).revoke(
            .init(
                repository: line.repository, digest: digests[2], reason: "it has a hole",
                principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil)), removing: false)
        let daemon = try await line.daemon()
        try await daemon.workOffGroups()
        try await daemon.workOffGroups()
        #expect(try await line.state(digests[1]) == "gone")
        #expect(try await line.state(digests[2]) == "revoked")
        try await line.expectSignedOnce(digests[0])
        try await line.expectSignedOnce(Array(digests[3...]))
        #expect(try await line.subjects(of: digests[3]) == 2)
        #expect(try await line.subjects(of: digests[0]) == 1)
    }

    @Test func `what is revoked or cancelled while the statement is made is not in it`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 5)
        let hold = FaultRelay.Hold()
        line.tsa.next(.answerHeld(hold)) { _ in true }
        let daemon = try await line.daemon()
        let attempt = Task { try await daemon.attemptGroups() }
        await hold.reached()
        _ = try await Revocations(queue: line.database.queue).revoke(
            .init(
                repository: line.repository, digest: digests[1], reason: "it has a hole",
                principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil)), removing: false)
        let job = try #require(
            try await line.database.pool.query(
                """
                SELECT j.id FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id
                WHERE t.digest = \(digests[2].description)::text
                """
            ).first?.decode("id", as: Int64.self))
        #expect(try await line.database.queue.cancel(job: job) == .cancelling)
        hold.release()
        try await attempt.value
        try await daemon.workOffGroups()

        let rest = [digests[0], digests[3], digests[4]]
        try await line.expectSignedOnce(rest)
        for digest in rest { #expect(try await line.subjects(of: digest) == 3) }
        #expect(try await line.state(digests[1]) == "revoked")
        try await line.expectNothingPublic(digests[1])
        #expect(try await line.entries(about: rest).isDisjoint(with: line.logEntries(about: digests[2])))
    }

    @Test func `a member of which the lease was lost is signed by whoever took it, the others without it`() async throws
    {
        let line = try await SigningLine()
        let digests = try await line.group(of: 4)
        let hold = FaultRelay.Hold()
        line.tsa.next(.answerHeld(hold)) { _ in true }
        let daemon = try await line.daemon()
        let attempt = Task { try await daemon.attemptGroups() }
        await hold.reached()
        try await line.database.pool.execute(
            """
            UPDATE countersign.job SET lease_token = nextval('countersign.lease_token')
            WHERE target_id = (SELECT id FROM countersign.target WHERE digest = \(digests[3].description)::text)
            """)
        hold.release()
        try await attempt.value
        // a registry that was slow is asked again; whoever took the fourth still holds it
        try await daemon.workOffGroups()
        let rest = Array(digests[..<3])
        for digest in rest { #expect(try await line.state(digest) == "signed") }
        #expect(try await line.subjects(of: digests[0]) == 3)
        #expect(try await line.logEntries(about: digests[3]).isEmpty)

        try await line.giveUpHolders()
        try await line.daemon().workOffGroups()
        try await line.expectSignedOnce(digests, entries: 2)
    }

    @Test func `a group over several tenants is signed with a statement for each`() async throws {
        let line = try await SigningLine()
        let other = try await SigningLine()
        let (ours, theirs) = (try await line.images(2), try await other.images(2))
        try await line.queueGroup(
            ours.map { ($0, line.repository) } + theirs.map { ($0, other.repository) })
        var setup = SigningLine.Setup()
        setup.tenants = try [line, other].map {
            TenantConfiguration(
                name: String($0.repository.name.prefix(13)), repositories: [try Glob("\($0.repository)")])
        }
        try await line.daemon(setup).workOffGroups()
        for digest in ours {
            try await line.expectSignedOnce(digest)
            #expect(try await line.subjects(of: digest) == 2)
        }
        for digest in theirs { #expect(try await line.state(digest) == "signed") }
        #expect(try await line.entries(about: ours).isDisjoint(with: line.entries(about: theirs)))
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 2)
    }

    @Test func `a repository whose rule wants both formats is signed digest by digest`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        try await line.daemon(.formats([.bundle, .legacy])).workOffGroups()
        for digest in digests { try await line.expectSignedOnce(digest, in: [.bundle, .legacy]) }
        #expect(try await line.entries(about: digests).count == 3)
    }

    @Test func `a log that is away holds up the whole group, and it comes back as one`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 4)
        line.rekor.next(.answered(503), times: 1) { $0.method == "POST" }
        let daemon = try await line.daemon()
        try await daemon.attemptGroups()
        for digest in digests { #expect(try await line.state(digest) == "waiting") }
        #expect(try await line.failure(digests[0])?.code == "rekor.unavailable")
        let moments = try await line.database.number("SELECT count(DISTINCT run_at) FROM countersign.job")
        #expect(moments == 1, "they come back together")
        try await daemon.workOffGroups()
        try await line.expectSignedOnce(digests)
    }

    @Test func `a push of a member while it waits is not kept waiting for the group`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        try await line.push(digests[2])
        let daemon = try await line.daemon()
        try await daemon.attemptGroups()
        #expect(try await line.state(digests[2]) == "signed")
        try await line.database.pool.execute("UPDATE countersign.job SET run_at = now()")
        try await daemon.workOffGroups()
        try await line.expectSignedOnce(digests, entries: 2)
        #expect(try await line.subjects(of: digests[2]) == 1)
        #expect(try await line.subjects(of: digests[0]) == 2)
    }

    @Test func `a registry that loses the bundle between two members gets it again`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        let daemon = try await line.daemon()
        line.registry.next(
            .answered(400, body: #"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#), times: 1, where: \.isReferrer)
        try await daemon.workOffGroups()
        try await line.expectSignedOnce(digests)
    }

    @Test func `a re-push of a member finds the group's signature and restores it`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        let daemon = try await line.daemon()
        try await daemon.attemptGroups()
        let referrer = try #require(try await line.signature(of: digests[1])?.referrer)
        try await line.delete(referrer)
        try await line.push(digests[1])
        try await daemon.workOff()
        try await line.expectSignedOnce(digests)
        #expect(try await line.signature(of: digests[1])?.referrer == referrer)
    }

    @Test func `after the loss of the database a group's signature is adopted by each member`() async throws {
        let before = try await SigningLine()
        let digests = try await before.group(of: 3)
        // a registry that was slow is asked again: what was not published cannot be adopted
        try await before.daemon().workOffGroups()
        for digest in digests { #expect(try await before.state(digest) == "signed") }
        let after = try await before.withFreshDatabase()
        for digest in digests.dropLast() { try await after.push(digest) }
        try await after.queueGroup([digests[2]])
        let sent = after.rekor.requests.count
        try await after.daemon().workOff()
        try await after.expectSignedOnce(digests)
        #expect(after.rekor.requests.count == sent, "the log was not asked")
        #expect(try await after.database.number("SELECT count(*) FROM countersign.evidence") == 1)
        #expect(try await after.database.number("SELECT max(subjects) FROM countersign.evidence") == 3)
    }

    @Test func `a campaign may be grouped, each subject says its generation, and older signatures go if asked`()
        async throws
    {
        let line = try await SigningLine()
        let digests = try await line.images(3)
        for digest in digests { try await line.push(digest) }
        let daemon = try await line.daemon()
        try await daemon.workOff()
        let repository = line.repository
        try await line.database.pool.transaction { session in
            let opened = try JobQueue.openGenerations(
                digests.map {
                    .init(repository: repository, digest: $0, rule: "all", policyVersion: "v1", formats: [.bundle])
                },
                .init(reason: "a new identity", removesOlder: true, by: "operator", batch: 1), in: session)
            let targets = opened.compactMap { if case .opened(let id) = $0 { id } else { nil } }
            try JobQueue.group(jobsOf: targets, under: SigningLine.groupKey, in: session)
        }
        try await daemon.workOffGroups()
        #expect(try await line.entries(about: digests).count == 4, "three of their own before, one in common now")
        for digest in digests {
            let status = try #require(try await line.database.records.status(of: digest, in: line.repository))
            #expect(status.state == .signed && status.generation == 1)
            let bundles = try await line.referrers(of: digest)
            #expect(bundles.count == 1)
            let content = try UnverifiedBundle(json: try #require(bundles.first).bytes).content
            guard case .envelope(let envelope) = content else { throw SupportError("no envelope") }
            let subjects = try Statement(json: envelope.payload).subjects
            #expect(subjects.map { $0.annotations[Statement.generationAnnotation] } == ["1", "1", "1"])
        }
    }

    /// A generation of each, opened at once and signed as one group.
    private func resign(
        _ members: [(digest: OCI.Digest, repository: Repository)], in line: SigningLine, by daemon: SigningDaemon
    ) async throws {
        try await line.database.pool.transaction { session in
            let opened = try JobQueue.openGenerations(
                members.map {
                    .init(
                        repository: $0.repository, digest: $0.digest, rule: "all", policyVersion: "v1",
                        formats: [.bundle])
                },
                .init(reason: "a new identity", removesOlder: true, by: "operator", batch: 1), in: session)
            let targets = opened.compactMap { if case .opened(let id) = $0 { id } else { nil } }
            #expect(targets.count == members.count)
            try JobQueue.group(jobsOf: targets, under: SigningLine.groupKey, in: session)
        }
        try await line.database.makeDue()
        // one after the other, so that the first of them is the statement's first subject
        try await daemon.attemptGroups(width: 1)
        try await daemon.workOffGroups()
    }

    @Test func `an image in two repositories is signed anew in each, whatever generation a group said of the other`()
        async throws
    {
        let (line, second) = (try await SigningLine(), try await SigningLine())
        let image = try await line.image()
        try await line.copy(image, to: second)
        let (digest, other) = (image.descriptor.digest, second.repository)
        let (here, there) = ((digest: digest, repository: line.repository), (digest: digest, repository: other))
        try await line.queueGroup([here, there])
        let daemon = try await line.daemon()
        try await daemon.workOffGroups()
        // one ahead, then both in one statement, then the other one's next, whose number the first had in that statement
        try await resign([here], in: line, by: daemon)
        try await resign([here, there], in: line, by: daemon)
        let entries = try await line.entries(about: [digest])
        try await resign([there], in: line, by: daemon)
        #expect(try await line.entries(about: [digest]).count == entries.count + 1, "a signature of its own")
        let status = try #require(try await line.database.records.status(of: digest, in: other))
        #expect(status.state == .signed && status.generation == 2 && status.lastError == nil)
        let bundles = try await line.pusher.attachedBundles(other.name, of: digest)
        #expect(bundles.count == 1, "the older ones are taken out of the list, the newest stays")
        let content = try UnverifiedBundle(json: try #require(bundles.first).bytes).content
        guard case .envelope(let envelope) = content else { throw SupportError("no envelope") }
        let subjects = try Statement(json: envelope.payload).subjects
        #expect(subjects.map { $0.annotations[Statement.generationAnnotation] } == ["2"])
        #expect(subjects.map { $0.annotations[Statement.repositoryAnnotation] } == ["\(other)"])
    }

    @Test func `a group goes to a log of tiles as well`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        try await line.daemon(setup).workOffGroups()
        for digest in digests {
            #expect(try await line.state(digest) == "signed")
            let verdict = try await line.verify(digest)
            #expect(verdict.signatures.count == 1 && verdict.rejected.isEmpty)
            #expect(try await line.subjects(of: digest) == 3)
        }
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 1)
    }

    @Test func `a group is not signed by a key for a log of tiles that nobody dates`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 2)
        var setup = SigningLine.Setup()
        setup.key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
        (setup.isRekorV2, setup.isTimestamped) = (true, false)
        try await line.daemon(setup).attemptGroups()
        for digest in digests { #expect(try await line.failure(digest)?.code == "signing.no_timestamp") }
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 0)
    }
}
