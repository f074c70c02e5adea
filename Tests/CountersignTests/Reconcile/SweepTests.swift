import Curl
import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Images that no webhook told of, over a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SweepTests {
    @Test func `with webhooks off the sweep has every tag signed, once, and the next one writes nothing`() async throws
    {
        let line = try await SigningLine()
        var digests: [OCI.Digest] = []
        for number in 0..<10 { digests.append(try await line.image(tag: "v\(number)").descriptor.digest) }
        let first = try await line.pusher.manifest(line.repository.name, digests[0])
        _ = try await line.put(String(decoding: first.bytes, as: UTF8.self), MediaType.ociManifest, .tag("latest"))
        let gate = LaneGate()
        let sweeping = try line.sweeping(page: 3, http: SigningLine.http.gated(by: gate))
        try await sweeping.run()
        #expect(gate.lanes == [.bulk], "pushes go first at the registry")
        let swept = try await line.swept()
        #expect(swept.counts == SweepRecords.Counts(tags: 11, missed: 10, moved: 0, unreadable: 0))
        #expect(swept.state == .waiting && swept.sweptAt != nil && swept.error == nil)
        #expect(
            try await line.database.number(
                "SELECT count(*) FROM countersign.job WHERE lane = 2 AND kind = 'sign'") == 10)
        #expect(
            try await line.database.number(
                "SELECT count(*) FROM countersign.event WHERE source = 'sweep' AND verdict = 'accepted'") >= 10)

        try await line.daemon().workOff()
        for digest in digests { #expect(try await line.state(digest) == "signed") }
        try await line.expectSignedOnce(digests[0])
        let tagged = try await line.database.records.status(ofTag: "latest", in: line.repository)
        #expect(tagged?.digest == digests[0])

        // fallback tags of our own are there now; nothing is missed, nothing is written
        let (writes, entries) = (line.registry.writes, line.rekor.requests.count)
        try await line.makeSweepsDue()
        try await sweeping.run()
        #expect(try await line.swept().counts == SweepRecords.Counts(tags: 11, missed: 0, moved: 0, unreadable: 0))
        #expect(line.registry.writes == writes && line.rekor.requests.count == entries)
        #expect(try await line.database.jobCount() == 0)
    }

    @Test func `a row that is no repository's name stops neither sweep nor batch nor tenants`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image(tag: "v1").descriptor.digest
        try await line.database.liftRepositoryRule()
        try await line.database.pool.execute(
            """
            INSERT INTO countersign.repository (registry, name) VALUES (\(line.repository.registry)::text, 'Not A Name')
            """)
        try await line.sweeping().run()
        #expect(try await line.swept().counts.missed == 1)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
        let covered = try await line.database.records.coverage(RepositoryFilter()).items
        #expect(covered.map(\.repository) == [line.repository])
    }

    @Test func `a tag that moved is written down, and its new digest is signed`() async throws {
        let line = try await SigningLine()
        let old = try await line.image(tag: "v1").descriptor.digest
        try await line.database.push(samplePush(old, tag: "v1", repository: line.repository.name))
        try await line.daemon().workOff()
        let new = try await line.image(tag: "v1").descriptor.digest
        try await line.sweeping().run()
        #expect(try await line.swept().counts == SweepRecords.Counts(tags: 1, missed: 1, moved: 1, unreadable: 0))
        try await line.daemon().workOff()
        try await line.expectSignedOnce(new)
        let tagged = try await line.database.records.status(ofTag: "v1", in: line.repository)
        #expect(tagged?.digest == new && tagged?.state == .signed)
        #expect(
            try await line.database.text(
                "SELECT source || ' ' || actor FROM countersign.tag_history ORDER BY id DESC LIMIT 1")
                == "resolved sweep")
    }

    @Test func `a sweep that was killed goes on at its page, and no other daemon disturbs it`() async throws {
        let line = try await SigningLine()
        for number in 10..<30 { _ = try await line.image(tag: "v\(number)") }
        // distribution 2.8 gives all tags at once, whatever it is asked for; newer ones give pages
        for start in stride(from: 10, to: 30, by: 5) {
            let tags = (start..<start + 5).map { "\"v\($0)\"" }.joined(separator: ",")
            let list = "/v2/\(line.repository.name)/tags/list?n=5"
            let link = ("Link", "<\(list)&last=v\(start + 4)>; rel=\"next\"")
            line.registry.next(
                .answered(
                    200, headers: start < 25 ? [link] : [],
                    body: "{\"name\":\"\(line.repository.name)\",\"tags\":[\(tags)]}")
            ) { $0.path.contains("/tags/list") }
        }
        let first = try line.sweeping(page: 5)
        try await first.list(line)
        _ = try await first.sweep.step(first.registry)
        _ = try await first.sweep.step(first.registry)
        let pages = line.registry.requests.map(\.path).filter { $0.contains("/tags/list") }
        #expect(try await line.swept().counts.tags == 10, "\(pages)")
        #expect(try await line.swept().state == .sweeping)

        let other = try line.sweeping(page: 5, queue: line.database.anotherQueue())
        #expect(try await other.sweep.step(other.registry) == false, "the turn is the first one's")
        try await line.database.pool.execute("UPDATE countersign.turn SET expires_at = now() - interval '1 second'")
        try await other.run()
        #expect(try await line.swept().counts == SweepRecords.Counts(tags: 20, missed: 20, moved: 0, unreadable: 0))
        #expect(line.registry.requests.count { $0.method == "HEAD" } == 20, "no tag was asked for twice")
        #expect(try await line.database.jobCount() == 20)
    }

    @Test func `a page at a low rate keeps its turn`() async throws {
        let line = try await SigningLine()
        for number in 10..<20 { _ = try await line.image(tag: "v\(number)") }
        let (sweeping, hold) = (try line.sweeping(), FaultRelay.Hold())
        try await sweeping.list(line)
        line.registry.next(.held(hold)) { $0.method == "HEAD" }
        async let step = sweeping.sweep.step(sweeping.registry)
        await hold.reached()
        // the first tags took longer than a turn, and nobody else came
        try await line.database.pool.execute("UPDATE countersign.turn SET expires_at = now() - interval '1 second'")
        hold.release()
        #expect(try await step)
        #expect(try await line.swept().counts == SweepRecords.Counts(tags: 10, missed: 10, moved: 0, unreadable: 0))
        #expect(try await line.swept().sweptAt != nil)
    }

    @Test func `a page that the database does not take waits as one that failed, and says so`() async throws {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        let sweeping = try line.sweeping()
        try await sweeping.list(line)
        let list = "/v2/\(line.repository.name)/tags/list?last=\(String(repeating: "v", count: 5_000))"
        line.registry.next(
            .answered(
                200, headers: [("Link", "<\(list)>; rel=\"next\"")],
                body: "{\"name\":\"\(line.repository.name)\",\"tags\":[\"v1\"]}")
        ) { $0.path.contains("/tags/list") }
        #expect(try await sweeping.sweep.step(sweeping.registry))
        let swept = try await line.swept()
        #expect(swept.error?.code == "queue.unstorable" && swept.error?.stage == "sweep")
        #expect(swept.state == .waiting && swept.sweptAt == nil)
        #expect(try await sweeping.sweep.step(sweeping.registry) == false, "not at once again")
        try await line.makeSweepsDue()
        try await sweeping.run()
        #expect(try await line.swept().error == nil)
    }

    @Test func `what is written in a lost turn is not written`() async throws {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        let (sweeping, hold) = (try line.sweeping(), FaultRelay.Hold())
        try await sweeping.list(line)
        line.registry.next(.held(hold)) { $0.method == "HEAD" }
        async let step = sweeping.sweep.step(sweeping.registry)
        await hold.reached()
        // it stood still for longer than its turn, and somebody else has it now
        try await line.database.pool.execute(
            "UPDATE countersign.turn SET holder = gen_random_uuid(), expires_at = now() + interval '1 minute'")
        hold.release()
        _ = try await step
        #expect(try await line.database.jobCount() == 0)
        #expect(try await line.swept().sweptAt == nil)
    }

    @Test(arguments: [401, 403, 404, 405])
    func `a registry without a catalog says so, and the names that are known are swept`(status: Int) async throws {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        line.registry.next(.answered(status), times: 1_000) { $0.path.hasSuffix("/_catalog") }
        try await line.sweeping(names: true).run()
        let registry = try #require(try await line.sweeps.registries().first)
        #expect(registry.catalog == .absent && registry.error?.code == "sweep.no_catalog" && registry.listedAt != nil)
        #expect(try await line.swept().counts.missed == 1)
    }

    @Test func `a listing that fails is an error, never an empty repository`() async throws {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        let sweeping = try line.sweeping()
        line.registry.next(.answered(503)) { $0.path.hasSuffix("/_catalog") }
        try await sweeping.run()
        let registry = try #require(try await line.sweeps.registries().first)
        #expect(registry.error?.code == "registry.unavailable" && registry.listedAt == nil)
        #expect(try await line.sweeps.sweeps(RepositoryFilter()).items.isEmpty)

        try await line.database.pool.execute("UPDATE countersign.swept_registry SET due_at = now()")
        line.registry.next(.answered(503)) { $0.path.hasSuffix("/tags/list") }
        try await sweeping.run()
        var swept = try await line.swept()
        #expect(swept.error?.code == "registry.unavailable" && swept.sweptAt == nil && swept.state == .waiting)

        try await line.makeSweepsDue()
        line.registry.next(.answered(500)) { $0.method == "HEAD" }
        try await sweeping.run()
        swept = try await line.swept()
        #expect(swept.error?.stage == "sweep" && swept.sweptAt == nil)
        #expect(try await line.database.jobCount() == 0)

        try await line.makeSweepsDue()
        try await sweeping.run()
        swept = try await line.swept()
        #expect(swept.error == nil && swept.counts.missed == 1 && swept.sweptAt != nil)
    }

    @Test func `after the loss of the database a sweep finds every signature, and none is made again`() async throws {
        let before = try await SigningLine()
        var digests: [OCI.Digest] = []
        for number in 0..<12 { digests.append(try await before.image(tag: "v\(number)").descriptor.digest) }
        try await before.sweeping().run()
        try await before.daemon().workOff()

        let after = try await before.withFreshDatabase()
        let (sent, written) = (after.rekor.requests.count, after.registry.writes)
        try await after.sweeping().run()
        try await after.daemon().workOff()
        for digest in digests { #expect(try await after.state(digest) == "signed") }
        #expect(after.rekor.requests.dropFirst(sent).map(\.path) == [])
        #expect(after.registry.writes == written)
        try await after.expectSignedOnce(digests[3])
    }

    @Test func `what somebody said no to is not asked for again, what is there again is`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image(tag: "v1").descriptor.digest
        try await line.sweeping().run()
        for (state, missed) in [("cancelled", 0), ("failed", 0), ("revoked", 0), ("refused", 0), ("gone", 1)] {
            try await line.database.pool.execute("DELETE FROM countersign.job")
            try await line.database.pool.execute(
                """
                UPDATE countersign.target SET state = \(state)::text,
                    last_error = '{"code": "a", "stage": "b", "observed": "c", "fix": "d"}'
                WHERE digest = \(digest.description)::text
                """)
            try await line.makeSweepsDue()
            try await line.sweeping().run()
            #expect(try await line.swept().counts.missed == missed, "\(state)")
        }
        // another policy may say yes
        try await line.database.pool.execute("DELETE FROM countersign.job")
        try await line.database.pool.execute(
            """
            UPDATE countersign.target SET state = 'refused', policy_version = 'p-other',
                last_error = '{"code": "a", "stage": "b", "observed": "c", "fix": "d"}'
            """)
        try await line.makeSweepsDue()
        try await line.sweeping().run()
        #expect(try await line.swept().counts.missed == 1)
    }

    @Test func `without a schedule only what somebody asks for is swept`() async throws {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        let sweeping = try line.sweeping(interval: .zero)
        #expect(try await sweeping.sweep.step(sweeping.registry) == false)
        let act = AuditLog.Entry(action: "reconcile.request", atCommandLineBy: "test")
        _ = try await line.sweeps.request(registries: [SigningLine.registryName], act)
        #expect(try await line.sweeps.pending() == 1)
        try await sweeping.run()
        #expect(try await line.sweeps.pending() == 0)
        #expect(try await line.swept().counts.missed == 1)
        #expect(try await sweeping.sweep.step(sweeping.registry) == false)

        _ = try await line.image(tag: "v2")
        _ = try await line.sweeps.request(line.repository, act)
        try await sweeping.run()
        #expect(try await line.swept().counts == SweepRecords.Counts(tags: 2, missed: 1, moved: 0, unreadable: 0))
        let acts = try await AuditLog(pool: line.database.pool).latest(10).map(\.action)
        #expect(acts == Array(repeating: "reconcile.request", count: 2))
    }
}
