import FoundationEssentials
import OCI
import Postgres
import Testing

@testable import Countersign

/// Random sequences of operations on the real tables, each compared with ``QueueModel`` after every step: what the
/// simulation takes for the queue is the queue. One sequence again: `QUEUE_SEED=1234`; more of them: `QUEUE_SEEDS=10000`.
@Suite struct QueueOperationTests {
    private static let parts = 6

    private static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap(Int.init) }

    @Test(arguments: 0..<parts)
    func `whatever is done in whatever order, the tables say what the model says`(_ part: Int) async throws {
        var settings = JobQueue.Settings()
        settings.lease = .seconds(3_600)
        settings.crashBackoffCeiling = .zero
        settings.aloneCrashLimit = 1
        let fixture = try await QueueFixture(settings: settings)
        if let seed = Self.number("QUEUE_SEED") {
            if part == 0 { _ = try await Self.holds(seed, on: fixture) }
            return
        }
        for seed in stride(from: part, to: Self.number("QUEUE_SEEDS") ?? 240, by: Self.parts) {
            guard try await Self.holds(seed, on: fixture) else { return }
        }
    }

    private static func holds(_ seed: Int, on fixture: QueueFixture) async throws -> Bool {
        try await fixture.pool.execute("TRUNCATE countersign.target CASCADE")
        var sequence = QueueOperations(seed: seed, fixture: fixture)
        for _ in 0..<40 {
            try await sequence.operate()
            let (tables, model) = (try await sequence.tables(), sequence.rows)
            guard tables == model, sequence.difference == nil else {
                let seen = sequence.difference ?? "tables: \(tables)\nmodel:  \(model)"
                Issue.record("seed \(seed): after \(sequence.story.joined(separator: ", ")):\n\(seen)")
                return false
            }
        }
        return true
    }
}

/// One sequence: each operation is done to the tables and to the model.
struct QueueOperations {
    private let fixture: QueueFixture
    private var dice: Dice
    private var model = QueueModel(targets: 3, lease: 3_600_000, crashBackoffCeiling: .zero)
    /// Claims that were handed out, those that were lost since among them: zombies try, too.
    private var held: [(claim: Claim, held: QueueModel.Held)] = []
    private(set) var story: [String] = []
    /// An answer that was not the model's.
    private(set) var difference: String?

    init(seed: Int, fixture: QueueFixture) {
        self.fixture = fixture
        dice = Dice(seed: seed)
    }

    private static let digests = (0..<3).map { sampleDigest("operation \($0)") }

    mutating func operate() async throws {
        model.now += 1
        let number = dice.below(3)
        switch dice.below(100) {
        case 0..<20: try await push(number)
        case 20..<42: try await claim()
        case 42..<68: if let index = anyHeld() { try await settle(index) }
        case 68..<74: try await heartbeat()
        case 74..<78: if let index = anyHeld() { try await markAlone(index) }
        case 78..<86:
            note("leases expire, rescue")
            try await fixture.expireLeases()
            model.expireLeases()
            _ = try await fixture.queue.rescue()
            model.rescue { 0 }
        case 86..<88:
            note("leases expire")
            try await fixture.expireLeases()
            model.expireLeases()
        case 88..<91:
            note("waits end")
            try await fixture.makeDue()
            model.makeDue()
        case 91..<94: try await cancel(number)
        case 94..<97: try await retry(number)
        default: try await redrive()
        }
    }

    private mutating func note(_ operation: String) { story.append(operation) }

    private mutating func expect<Value: Equatable>(_ what: String, _ real: Value, _ model: Value) {
        if real != model, difference == nil { difference = "\(what) answered \(real), the model \(model)" }
    }

    private mutating func anyHeld() -> Int? { held.isEmpty ? nil : dice.below(held.count) }

    // MARK: Operations

    private mutating func push(_ number: Int) async throws {
        let lane = Lane.allCases[dice.below(3)]
        note("push \(number) \(lane)")
        try await fixture.push(samplePush(Self.digests[number], lane: lane))
        model.push(number, lane: lane)
    }

    private mutating func claim() async throws {
        let limit = 1 + dice.below(3)
        let claims = try await fixture.claim(limit: limit)
        let modelled = model.claim(limit: limit, lanes: Lane.allCases)
        note("claim \(modelled.map(\.target))")
        expect("claim", claims.map(Self.facts).sorted(), modelled.map(Self.facts).sorted())
        for one in modelled {
            guard let claim = claims.first(where: { $0.target?.digest == Self.digests[one.target] }) else { continue }
            held.append((claim, one))
            // what killed its worker before is run alone, more often than not
            if one.crashes > 0, dice.perMille(600) { try await markAlone(held.count - 1) }
        }
        held = Array(held.suffix(6))
    }

    private mutating func settle(_ index: Int) async throws {
        let failure = Failure(
            code: ["policy.refused", "manifest.malformed"][dice.below(2)], stage: "fetch", observed: "seen", fix: "do")
        let outcome: Outcome =
            switch dice.below(8) {
            case 0, 1: .signed(sampleRecord(Int64(held[index].held.target)))
            case 2: .refused(failure)
            case 3: .gone(failure)
            case 4: .failed(failure)
            case 5: .retry(failure, after: .zero, counts: dice.perMille(500))
            case 6: .retry(failure, after: .seconds(3_600), counts: dice.perMille(500))
            default: .released
            }
        note("settle \(held[index].held.target) (\(held[index].held.token)) as \(outcome.name)")
        let real = await Self.word { try await fixture.queue.settle(held[index].claim, as: outcome) }
        expect("settle", real, await Self.word { try model.settle(held[index].held, as: outcome) })
    }

    private mutating func heartbeat() async throws {
        note("heartbeat")
        let beat = try await fixture.queue.heartbeat(held.map(\.claim))
        let modelled = model.heartbeat(held.map(\.held))
        let tokens = Dictionary(uniqueKeysWithValues: held.map { ($0.claim.leaseToken, $0.held.token) })
        expect("heartbeat", Set(beat.lost.compactMap { tokens[$0] }), Set(modelled.lost))
        expect("heartbeat", Set(beat.cancelled.compactMap { tokens[$0] }), Set(modelled.cancelled))
    }

    private mutating func markAlone(_ index: Int) async throws {
        note("alone \(held[index].held.target) (\(held[index].held.token))")
        let real = await Self.word { try await fixture.queue.markAlone(held[index].claim) }
        expect("alone", real, await Self.word { try model.markAlone(held[index].held) })
    }

    private mutating func cancel(_ number: Int) async throws {
        note("cancel \(number)")
        expect("cancel", try await fixture.queue.cancel(job: try await job(number)), model.cancel(number))
    }

    private mutating func retry(_ number: Int) async throws {
        note("retry \(number)")
        expect("retry", try await fixture.queue.retry(job: try await job(number)), model.retry(number))
    }

    private mutating func redrive() async throws {
        note("redrive all")
        let letters = try await fixture.records.deadLetters().items.map(\.jobID)
        expect(
            "redrive", try await fixture.queue.redrive(jobs: letters).count, model.redrive(model.letters.map(\.jobID)))
    }

    private func job(_ number: Int) async throws -> Int64 {
        Int64(
            try await fixture.number(
                """
                SELECT j.id FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id
                WHERE t.digest = \(Self.digests[number].description)::text
                """))
    }

    private static func word<Value>(_ operation: () async throws -> Value) async -> String {
        do {
            let value = try await operation()
            // how long it took is not compared
            if let settlement = value as? Settlement, case .ended(let state, _) = settlement {
                return "ended \(state?.rawValue ?? "")"
            }
            return "\(value)"
        } catch QueueError.leaseLost {
            return "lease lost"
        } catch {
            return "\(error)"
        }
    }

    private static func facts(_ claim: Claim) -> String {
        let number = claim.target.flatMap { digests.firstIndex(of: $0.digest) } ?? -1
        return "\(number): \(claim.attempt) \(claim.failures) \(claim.crashes)"
    }

    private static func facts(_ held: QueueModel.Held) -> String {
        "\(held.target): \(held.attempt) \(held.failures) \(held.crashes)"
    }

    // MARK: What is compared

    /// One line a target: it, its job, its dead letter.
    var rows: [String] {
        model.targets.enumerated().compactMap { number, target in
            guard let target else { return nil }
            var line = "\(number) \(target.state.rawValue) \(target.code ?? "-") pushes \(target.pushes)"
            if let job = model.jobs.first(where: { $0.target == number }) {
                line +=
                    " lane \(job.lane.rawValue) attempt \(job.attempt) failures \(job.failures) crashes \(job.crashes)"
                line += job.isLeased ? " held" : job.runAt <= model.now ? " due" : " later"
                if job.isLeased, job.expiresAt < model.now { line += " expired" }
                if job.isAlone { line += " alone" }
                if job.isPushedAgain { line += " pushed" }
                if job.isCancelRequested { line += " cancelled" }
            }
            if let letter = model.letters.first(where: { $0.target == number }) { line += " letter \(letter.code)" }
            return line
        }
    }

    func tables() async throws -> [String] {
        let rows = try await fixture.pool.query(
            """
            SELECT t.digest, concat_ws(' ', t.state, coalesce(t.last_error->>'code', '-'), 'pushes', t.pushes,
                CASE WHEN j.id IS NOT NULL THEN concat_ws(' ', 'lane', j.lane, 'attempt', j.attempt, 'failures', j.failures,
                    'crashes', j.crash_count,
                    CASE WHEN j.leased THEN 'held' WHEN j.run_at <= now() THEN 'due' ELSE 'later' END,
                    CASE WHEN j.lease_expires_at < now() THEN 'expired' END, CASE WHEN j.alone THEN 'alone' END,
                    CASE WHEN j.pushed_again THEN 'pushed' END, CASE WHEN j.cancel_requested THEN 'cancelled' END) END,
                CASE WHEN d.job_id IS NOT NULL THEN concat_ws(' ', 'letter', d.error->>'code') END) AS line
            FROM countersign.target t LEFT JOIN countersign.job j ON j.target_id = t.id
            LEFT JOIN countersign.dead_letter d ON d.target_id = t.id
            """)
        return try rows.map { row in
            let digest = try row.decode("digest", as: String.self)
            let number = Self.digests.firstIndex { $0.description == digest } ?? -1
            return "\(number) \(try row.decode("line", as: String.self))"
        }.sorted()
    }
}
