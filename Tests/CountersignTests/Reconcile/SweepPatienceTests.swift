import Curl
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// What must not keep a sweep from its end: a tag that is broken, and somebody who asks again and again.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SweepPatienceTests {
    /// The next lists of tags that the registry gives are these pages, each so many times.
    private func list(_ pages: [(tags: [String], times: Int)], of line: SigningLine) {
        let list = "/v2/\(line.repository.name)/tags/list"
        for (index, page) in pages.enumerated() {
            let link = ("Link", "<\(list)?page=\(index + 1)>; rel=\"next\"")
            let names = page.tags.map { "\"\($0)\"" }.joined(separator: ",")
            line.registry.next(
                .answered(
                    200, headers: index + 1 < pages.count ? [link] : [],
                    body: "{\"name\":\"\(line.repository.name)\",\"tags\":[\(names)]}"), times: page.times
            ) { $0.path.hasSuffix(list) }
        }
    }

    @Test func `a tag that the registry never serves keeps nobody from the others, and is told`() async throws {
        let line = try await SigningLine()
        for tag in ["a", "b", "c", "d", "e"] { _ = try await line.image(tag: tag) }
        list([(["a", "b"], 1), (["broken", "c"], 1 + Sweep.tagPatience), (["d", "e"], 1)], of: line)
        line.registry.next(.answered(500), times: 1_000) { $0.path.hasSuffix("/manifests/broken") }
        let sweeping = try line.sweeping()
        for _ in 0..<Sweep.tagPatience {
            try await sweeping.run()
            let swept = try await line.swept()
            #expect(swept.error?.code == "registry.unavailable" && swept.sweptAt == nil && swept.counts.tags == 2)
            try await line.makeSweepsDue()
        }
        try await sweeping.run()
        let swept = try await line.swept()
        #expect(swept.counts == SweepRecords.Counts(tags: 6, missed: 5, moved: 0, unreadable: 1))
        #expect(swept.sweptAt != nil && swept.state == .waiting)
        #expect(swept.error?.code == "sweep.tag_unreadable" && swept.error?.observed.contains("broken") == true)
        #expect(try await line.database.jobCount() == 5)
    }

    @Test func `a page of which the registry serves nothing is asked for longer`() async throws {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        line.registry.next(.answered(500), times: 1_000) { $0.path.hasSuffix("/manifests/v1") }
        let sweeping = try line.sweeping()
        for _ in 0...Sweep.tagPatience {
            try await sweeping.run()
            #expect(try await line.swept().sweptAt == nil)
            try await line.makeSweepsDue()
        }
        try await line.database.pool.execute(
            "UPDATE countersign.swept_repository SET failures = \(Int32(Sweep.pagePatience))")
        try await sweeping.run()
        #expect(try await line.swept().counts.unreadable == 1)
        #expect(try await line.swept().error?.code == "sweep.tag_unreadable")
    }

    @Test func `what does not come to its turn at the registry has not failed, and who asked for it gets it`()
        async throws
    {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        let gate = WithholdingGate()
        let sweeping = try line.sweeping(http: SigningLine.http.gated(by: gate))
        try await sweeping.list(line)
        let act = AuditLog.Entry(action: "reconcile.request", atCommandLineBy: "test")
        _ = try await line.sweeps.request(line.repository, act)
        _ = try await line.sweeps.request(registries: [SigningLine.registryName], act)
        gate.withhold(.max)
        for _ in 0...Sweep.requestPatience {
            try await line.makeSweepsDue()
            try await line.database.pool.execute("UPDATE countersign.swept_registry SET due_at = now()")
            try await sweeping.run()
        }
        let registry = try #require(try await line.sweeps.registries().first)
        #expect(registry.failures == 0 && registry.requestedAt != nil && registry.error == nil)
        let waiting = try await line.swept()
        #expect(waiting.failures == 0 && waiting.requestedAt != nil && waiting.error == nil)
        #expect(waiting.sweptAt == nil)
        #expect(!sweeping.metrics.render().contains("countersign_sweep_failures_total{"))

        gate.withhold(0)
        try await line.makeSweepsDue()
        try await line.database.pool.execute("UPDATE countersign.swept_registry SET due_at = now()")
        try await sweeping.run()
        #expect(try await line.swept().sweptAt != nil)
        #expect(try await line.sweeps.pending() == 0)
    }

    @Test func `a registry that is away is a failure, and who asked for a sweep hears of it`() async throws {
        let line = try await SigningLine()
        let gate = WithholdingGate()
        let sweeping = try line.sweeping(names: true, http: SigningLine.http.gated(by: gate))
        try await sweeping.list(line)
        _ = try await line.sweeps.request(
            line.repository, AuditLog.Entry(action: "reconcile.request", atCommandLineBy: "test"))
        gate.withhold(.max, "breaker.open")
        for _ in 0..<Sweep.requestPatience {
            try await line.makeSweepsDue()
            try await sweeping.run()
        }
        let swept = try await line.swept()
        #expect(swept.failures == Sweep.requestPatience && swept.requestedAt == nil)
        #expect(swept.error?.code == "breaker.open")
    }

    @Test func `a tag that does not come to its turn is asked for again, and no other of its page`() async throws {
        let line = try await SigningLine()
        for tag in ["a", "b", "c", "d", "e"] { _ = try await line.image(tag: tag) }
        let gate = WithholdingGate()
        let sweeping = try line.sweeping(http: SigningLine.http.gated(by: gate))
        try await sweeping.list(line)
        let isQuestion: @Sendable (FaultRelay.Request) -> Bool = {
            $0.method == "HEAD" && $0.path.contains("/manifests/")
        }
        let asked = line.registry.requests.count(where: isQuestion)
        // the list of tags, and two of them
        gate.withhold(4, after: 3)
        try await sweeping.run()
        let swept = try await line.swept()
        #expect(swept.sweptAt != nil && swept.failures == 0 && swept.error == nil)
        #expect(swept.counts == SweepRecords.Counts(tags: 5, missed: 5, moved: 0, unreadable: 0))
        #expect(line.registry.requests.count(where: isQuestion) == asked + 5)
    }

    @Test func `who asks again and again neither restarts a sweep nor keeps others from theirs`() async throws {
        let line = try await SigningLine()
        for tag in ["a", "b", "c"] { _ = try await line.image(tag: tag) }
        for _ in 0..<8 { list([(["a"], 1), (["b"], 1), (["c"], 1)], of: line) }
        let other = try Repository(
            registry: line.repository.registry, name: "\(line.repository.name.prefix { $0 != "/" })/other")
        line.registry.next(.answered(200, body: "{\"name\":\"\(other.name)\",\"tags\":[]}"), times: 100) {
            $0.path.hasSuffix("/v2/\(other.name)/tags/list")
        }
        let (sweeping, sweeps) = (try line.sweeping(), line.sweeps)
        try await sweeping.list(line)
        try await line.database.pool.together { session in try SweepRecords.enter([other], in: session) }
        let act = AuditLog.Entry(action: "reconcile.request", atCommandLineBy: "test")
        for _ in 0..<12 {
            _ = try await sweeps.request(line.repository, act)
            _ = try await sweeping.sweep.step(sweeping.registry)
        }
        #expect(try await line.swept().sweptAt != nil)
        #expect(try await line.database.jobCount() == 3)
        let all = try await sweeps.sweeps(RepositoryFilter()).items
        #expect(all.first { $0.repository == other }?.sweptAt != nil)
        // asked for once more while a sweep is under way, another one follows, and that is all
        #expect(try await sweeps.pending() == 1)
        try await sweeping.run()
        #expect(try await sweeps.pending() == 0)
    }

    @Test func `who asks for everything again and again does not keep the repositories from being swept`() async throws
    {
        let line = try await SigningLine()
        _ = try await line.image(tag: "v1")
        let sweeping = try line.sweeping(interval: .zero, names: true)
        line.registry.next(.answered(404), times: 1_000) { $0.path.hasSuffix("/_catalog") }
        let act = AuditLog.Entry(action: "reconcile.request", atCommandLineBy: "test")
        for _ in 0..<6 {
            _ = try await line.sweeps.request(registries: [SigningLine.registryName], act)
            _ = try await sweeping.sweep.step(sweeping.registry)
        }
        #expect(try await line.swept().sweptAt != nil)
        try await sweeping.run()
        #expect(try await line.sweeps.pending() == 0)
    }
}
