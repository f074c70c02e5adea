import Curl
import OCI
import Postgres
import Testing

@testable import Countersign

/// What counts under the cap of a repository: what was stored, once.
@Suite struct RepositoryCapsTests {
    private let fixture: QueueFixture

    init() async throws {
        fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("a")), samplePush(sampleDigest("b")))
    }

    private func caps(_ signatures: Int) throws -> RepositoryCaps {
        RepositoryCaps([.init(repositories: [try Glob("**")], signaturesPerDay: signatures)], pool: fixture.pool)
    }

    private func counted() async throws -> Int {
        try await fixture.number("SELECT coalesce(sum(signatures), 0) FROM countersign.repository_day")
    }

    @Test func `a signature is counted by the commit that stores it, and not by the attempt that finds it`()
        async throws
    {
        let (claim, caps) = (try await fixture.claim()[0], try caps(2))
        let first = try await fixture.journal.prepare([samplePrepared("first")], for: claim, within: caps)
        #expect(try await counted() == 1)
        // the answer was lost: whoever signs again forgets what it made
        let second = try await fixture.journal.prepare([samplePrepared("second")], for: claim, within: caps)
        #expect(second.map(\.id) == first.map(\.id))
        #expect(try await counted() == 1)
    }

    @Test func `what is not stored is not counted`() async throws {
        let claim = try await fixture.claim()[0]
        try await fixture.refuse("INSERT ON countersign.evidence")
        await #expect(throws: QueueError.self) {
            try await fixture.journal.prepare([samplePrepared()], for: claim, within: caps(2))
        }
        #expect(try await counted() == 0)
    }

    @Test func `of two that were asked for the last place the slower one waits for the next day, and stores nothing`()
        async throws
    {
        let (claims, caps) = (try await fixture.claim(), try caps(1))
        let targets = claims.compactMap(\.target)
        for target in targets { try await caps.ask(target, signatures: 1) }
        _ = try await fixture.journal.prepare([samplePrepared("a")], for: claims[0], within: caps)
        let error = await #expect(throws: QueueError.self) {
            try await fixture.journal.prepare([samplePrepared("b")], for: claims[1], within: caps)
        }
        let failed = AttemptFailure(StageFailure(stage: .prepare, underlying: try #require(error)))
        #expect(failed.failure.code == RepositoryCaps.code && failed.failure.fix == RepositoryCaps.fix)
        guard case .withheld(let time) = failed.verdict else {
            Issue.record("\(failed.verdict)")
            return
        }
        #expect(time > .zero && time <= .seconds(86_400))
        #expect(try await fixture.number("SELECT count(*) FROM countersign.evidence") == 1)
        #expect(try await counted() == 1)
        // asked first, the next one makes nothing
        let refusal = await #expect(throws: StageFailure.self) { try await caps.ask(targets[1], signatures: 1) }
        #expect((refusal?.underlying as? Withheld)?.code == RepositoryCaps.code)

        try await fixture.pool.execute("UPDATE countersign.repository_day SET day = day - 1")
        try await caps.ask(targets[1], signatures: 1)
        _ = try await fixture.journal.prepare([samplePrepared("b")], for: claims[1], within: caps)
        #expect(try await counted() == 2)
    }
}
