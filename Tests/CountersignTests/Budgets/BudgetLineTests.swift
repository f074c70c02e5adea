import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Budgets and breakers on the whole line: two daemons on one database, upstreams that have accidents.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct BudgetLineTests {
    /// Opens at the first failure and stays open until the test says otherwise.
    private static var impatient: SigningLine.Setup {
        var budgets = BudgetConfiguration()
        budgets.breaker.failures = 1
        (budgets.breaker.open, budgets.breaker.ceiling) = (.seconds(3_600), .seconds(36_000))
        var setup = SigningLine.Setup()
        setup.budgets = budgets
        return setup
    }

    private func push(_ count: Int, _ line: SigningLine) async throws -> [Digest] {
        var digests: [Digest] = []
        for number in 0..<count { digests.append(try await line.image(tag: "v\(number)").descriptor.digest) }
        for digest in digests { try await line.push(digest) }
        return digests
    }

    /// Attempts the oldest due job.
    private func attemptOne(_ daemon: SigningDaemon) async throws {
        for claim in try await daemon.queue.claim(limit: 1, cursor: ClaimCursor()) { await daemon.attempt(claim) }
    }

    private func certificates(_ line: SigningLine) -> Int {
        line.fulcio.requests.count { $0.method == "POST" }
    }

    private func entries(_ line: SigningLine) -> Int { line.rekor.requests.count { $0.method == "POST" } }

    /// The database's view of what is down or paused.
    private func rows(_ line: SigningLine, _ condition: Query) async throws -> Int {
        try await line.database.number("SELECT count(*) FROM countersign.upstream WHERE \(condition)")
    }

    @Test func `while a log asks to wait nothing is signed for it, and everything is signed after`() async throws {
        let line = try await SigningLine()
        var setup = Self.impatient
        setup.budgets?.breaker.failures = 5
        let (first, second) = (try await line.daemon(setup), try await line.daemon(setup))
        let digests = try await push(3, line)
        line.rekor.next(.answered(429, headers: [("Retry-After", "600")]))
        try await attemptOne(first)
        #expect(try await line.failure(digests[0])?.code == "rekor.throttled")
        try await eventually("all daemons know") { try await rows(line, "paused_until > now()") == 1 }

        // a daemon without a certificate asks for none; the one that prepared an entry does not send it again
        try await line.database.makeDue()
        try await second.attemptAll()
        try await line.database.makeDue()
        try await first.attemptAll()
        #expect(certificates(line) == 1)
        #expect(entries(line) == 1)
        for digest in digests {
            #expect(try await line.state(digest) == "waiting")
            let failure = try #require(try await line.failure(digest))
            #expect(failure.code == "budget.paused" && failure.stage == "log")
            #expect(failure.upstream == "rekor \(line.rekor.url)")
        }
        #expect(
            try await line.database.number(
                "SELECT count(*) FROM countersign.job WHERE run_at > now() + interval '5 minutes'") == 3)

        try await line.database.pool.execute(
            "UPDATE countersign.upstream SET paused_until = NULL, refilled_at = now(), slowed_rate = NULL, slowed_from = NULL, slowed_at = NULL"
        )
        try await second.workOff()
        for digest in digests { try await line.expectSignedOnce(digest) }
        #expect(certificates(line) == 2)
    }

    @Test func `while a log is down nothing is signed for it, and whoever waits is due when it answers`() async throws {
        let line = try await SigningLine()
        let (first, second) = (try await line.daemon(Self.impatient), try await line.daemon(Self.impatient))
        let digests = try await push(3, line)
        line.rekor.next(.answered(503), times: 99)
        try await attemptOne(first)
        try await eventually("all daemons know") { try await rows(line, "openings = 1") == 1 }
        try await second.attemptAll()
        #expect(certificates(line) == 1)
        #expect(entries(line) == 1)
        let failure = try #require(try await line.failure(digests[1]))
        #expect(failure.code == "breaker.open" && failure.stage == "log")
        #expect(failure.observed.contains("http.503"))
        #expect(
            try await line.database.number(
                "SELECT count(*) FROM countersign.job WHERE attempt = 0 AND failures = 0 AND run_at > now()") == 2)

        // the trial fails, the next one does not
        try await line.database.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await retryFirst(line)
        try await attemptOne(first)
        try await eventually("it stays open") { try await rows(line, "openings = 2") == 1 }
        #expect(entries(line) == 2)
        line.rekor.heal()
        try await line.database.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await retryFirst(line)
        try await attemptOne(first)
        try await line.expectSigned(digests[0])
        try await eventually("whoever waited is due") {
            try await line.database.number("SELECT count(*) FROM countersign.job WHERE run_at > now()") == 0
        }
        try await second.attemptAll()
        for digest in digests { try await line.expectSignedOnce(digest) }
    }

    /// Else each would wait for the other: nobody gets to the log's trial while there is no certificate.
    @Test func `a log's trial is given back by an attempt that Fulcio fails`() async throws {
        let line = try await SigningLine()
        let (first, second) = (try await line.daemon(Self.impatient), try await line.daemon(Self.impatient))
        let digests = try await push(2, line)
        line.rekor.next(.answered(503), times: 99)
        try await attemptOne(first)
        try await eventually("it is open") { try await rows(line, "kind = 'rekor' AND openings = 1") == 1 }
        line.rekor.heal()
        line.fulcio.next(.answered(500), times: 99)
        try await line.database.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await attemptOne(second)
        try await eventually("Fulcio is taken for down") {
            try await rows(line, "kind = 'fulcio' AND openings = 1") == 1
        }
        #expect(try await rows(line, "kind = 'rekor' AND openings = 1 AND probe_holder IS NULL") == 1)

        line.fulcio.heal()
        try await line.database.pool.execute(
            "UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await retryAll(line)
        try await second.attemptAll()
        try await retryAll(line)
        try await first.attemptAll()
        for digest in digests { try await line.expectSignedOnce(digest) }
    }

    private func retryAll(_ line: SigningLine) async throws {
        try await line.database.pool.execute("UPDATE countersign.job SET run_at = now() WHERE NOT leased")
    }

    @Test func `whoever waits for a log asks the registry nothing until it answers again`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon(Self.impatient)
        let digests = try await push(2, line)
        line.rekor.next(.answered(503), times: 99)
        try await attemptOne(daemon)
        try await eventually("the log is taken for down") { try await rows(line, "openings = 1") == 1 }
        // the first look at what comes now: it might be refused, gone, or signed already
        var asked = line.registry.requests.count
        try await daemon.attemptAll()
        #expect(line.registry.requests.count > asked)
        // one waits with what it prepared, one without anything
        asked = line.registry.requests.count
        for _ in 0..<2 {
            try await line.database.makeDue()
            try await daemon.attemptAll()
        }
        for digest in digests {
            let failure = try #require(try await line.failure(digest))
            #expect(failure.code == "breaker.open" && failure.stage == "log")
        }
        // the one that failed before the breaker opened was looked at once more
        #expect(line.registry.requests[asked...].allSatisfy { $0.path.contains("\(digests[0])") })
        asked = line.registry.requests.count
        try await line.database.makeDue()
        try await daemon.attemptAll()
        #expect(line.registry.requests.count == asked)

        line.rekor.heal()
        try await line.database.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await daemon.workOff()
        for digest in digests { try await line.expectSignedOnce(digest) }
    }

    /// The job of the first push is due, and no other.
    private func retryFirst(_ line: SigningLine) async throws {
        try await line.database.pool.execute(
            """
            UPDATE countersign.job SET run_at = CASE WHEN id = (SELECT min(id) FROM countersign.job)
                THEN now() ELSE now() + interval '1 hour' END
            """)
    }

    private struct Down: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let stage: SigningStage
        let begin: @Sendable (SigningLine) async throws -> Void
        let requests: @Sendable (SigningLine) -> Int
    }

    private static let down: [Down] = [
        Down(
            testDescription: "Fulcio", stage: .certificate, begin: { $0.fulcio.next(.answered(500), times: 99) },
            requests: { $0.fulcio.requests.count }),
        Down(
            testDescription: "the timestamp authority", stage: .timestamp, begin: { $0.tsa.next(.lost, times: 99) },
            requests: { $0.tsa.requests.count }),
        Down(
            testDescription: "the registry", stage: .fetch, begin: { $0.registry.next(.answered(502), times: 99) },
            requests: { $0.registry.requests.count }),
        Down(
            testDescription: "the source of tokens", stage: .certificate,
            begin: { try FileManager.default.removeItem(atPath: $0.tokenFile) },
            requests: { $0.fulcio.requests.count }),
    ]

    @Test(arguments: [0, 1, 2, 3])
    func `what is down is not asked again by anybody, and one trial ends it`(_ number: Int) async throws {
        let down = Self.down[number]
        let line = try await SigningLine()
        let (first, second) = (try await line.daemon(Self.impatient), try await line.daemon(Self.impatient))
        let digests = try await push(2, line)
        try await down.begin(line)
        try await attemptOne(first)
        try await eventually("all daemons know") { try await rows(line, "openings = 1") == 1 }
        let asked = down.requests(line)
        try await line.database.makeDue()
        try await second.attemptAll()
        #expect(down.requests(line) == asked, "\(down.testDescription) was asked")
        for digest in digests {
            let failure = try #require(try await line.failure(digest))
            #expect(failure.code == "breaker.open" && failure.stage == down.stage.rawValue, "\(down.testDescription)")
            #expect(try await line.state(digest) == "waiting")
        }
        #expect(try await line.database.number("SELECT count(*) FROM countersign.dead_letter") == 0)

        for relay in [line.registry, line.fulcio, line.rekor, line.tsa] { relay.heal() }
        try await line.useToken()
        try await line.database.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await eventually("both are signed") {
            try await line.database.makeDue()
            try await second.attemptAll()
            return try await line.database.jobCount() == 0
        }
        for digest in digests { try await line.expectSignedOnce(digest) }
        try await eventually("it is closed") { try await rows(line, "openings > 0") == 0 }
    }

    @Test func `a repository with a cap gets so many signatures a day, and the rest waits visibly`() async throws {
        let line = try await SigningLine()
        var setup = Self.impatient
        setup.budgets?.repositories = [.init(repositories: [try Glob("**")], signaturesPerDay: 2)]
        let daemon = try await line.daemon(setup)
        let digests = try await push(3, line)
        // what is not made is given back
        line.tsa.next(.answered(400))
        try await attemptOne(daemon)
        #expect(try await line.failure(digests[0])?.code == "tsa.refused")
        try await daemon.workOff(atMost: 3)

        let states = try await line.database.number("SELECT count(*) FROM countersign.target WHERE state = 'signed'")
        #expect(states == 2)
        #expect(
            try await line.database.number("SELECT signatures FROM countersign.repository_day") == 2)
        let left = try #require(
            try await line.database.text(
                "SELECT last_error->>'code' FROM countersign.job WHERE run_at > now() AND run_at < now() + interval '25 hours'"
            ))
        #expect(left == RepositoryCaps.code)
        // an operator raised it
        setup.budgets?.repositories = [.init(repositories: [try Glob("**")], signaturesPerDay: 3)]
        let raised = try await line.daemon(setup)
        try await raised.queue.wakeCapped()
        try await raised.attemptAll()
        for digest in digests { try await line.expectSignedOnce(digest) }
    }

    @Test func `a signature in two formats is two under a cap, and two entries of its log's rate`() async throws {
        let line = try await SigningLine()
        var setup = Self.impatient
        setup.rules = [SigningLine.Setup.rule(formats: [.bundle, .legacy])]
        setup.budgets?.repositories = [.init(repositories: [try Glob("**")], signaturesPerDay: 3)]
        setup.budgets?.upstreams = [.init(kind: .rekor, rate: 0.001)]
        let daemon = try await line.daemon(setup)
        let digests = try await push(2, line)
        try await attemptOne(daemon)
        try await line.expectSigned(digests[0])
        #expect(entries(line) == 2)
        #expect(try await line.database.number("SELECT signatures FROM countersign.repository_day") == 2)
        let owed = try await line.database.number(
            "SELECT round(extract(epoch FROM refilled_at - now()))::bigint FROM countersign.upstream WHERE kind = 'rekor'"
        )
        #expect((800...1_000).contains(owed), "the second entry is still to flow in: \(owed) s")
        try await attemptOne(daemon)
        #expect(try await line.failure(digests[1])?.code == RepositoryCaps.code, "one is left, two are wanted")

        // what needs more than the cap has a day of its own
        setup.budgets?.repositories = [.init(repositories: [try Glob("**")], signaturesPerDay: 1)]
        setup.budgets?.upstreams = []
        let next = try await line.daemon(setup)
        try await line.database.pool.execute("UPDATE countersign.repository_day SET day = day - 1")
        try await next.workOff(atMost: 2)
        for digest in digests { try await line.expectSignedOnce(digest, in: [.bundle, .legacy]) }
    }

    @Test func `the next day begins anew`() async throws {
        let line = try await SigningLine()
        var setup = Self.impatient
        setup.budgets?.repositories = [.init(repositories: [try Glob("**")], signaturesPerDay: 1)]
        let daemon = try await line.daemon(setup)
        let digests = try await push(2, line)
        try await daemon.workOff(atMost: 2)
        #expect(entries(line) == 1, "the day has one")
        try await line.database.pool.execute("UPDATE countersign.repository_day SET day = day - 1")
        try await daemon.workOff(atMost: 2)
        for digest in digests { try await line.expectSignedOnce(digest) }
    }
}

extension SigningLine {
    fileprivate func expectSigned(_ digest: Digest) async throws { #expect(try await state(digest) == "signed") }
}
