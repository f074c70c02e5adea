import Logging
import Postgres
import Sigstore
import Testing

@testable import Countersign

@Suite struct LogWatchTests {
    let fixture: QueueFixture
    let log: ForkingLog
    let records: LogRecords
    let metrics = MetricsRegistry()

    init() async throws {
        fixture = try await QueueFixture()
        log = try ForkingLog()
        records = LogRecords(pool: fixture.pool)
    }

    private var watch: LogWatch { watching(.init(reader: log, verifier: log.verifier)) }

    private func watching(_ watched: LogWatch.Watched) -> LogWatch {
        LogWatch(
            { [watched] }, records: records, interval: .seconds(60), metrics: LogWatchMetrics(metrics),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private var door: WatchedLog { WatchedLog(log, verifier: log.verifier, records: records) }

    private func alarm() async throws -> String? { try await records.alarm(of: log.id) }
    private func proven() async throws -> UInt64? {
        try await records.store(of: log.id).proven(origin: "log.example")?.size
    }

    @Test func `each checkpoint is proven to extend the last, and remembered`() async throws {
        for size in [1, 2, 7, 7, 20] {
            log.grow(to: size)
            await watch.look()
            #expect(try await proven() == UInt64(size))
            #expect(try await alarm() == nil)
        }
        #expect(try await fixture.text("SELECT count(*)::text AS text FROM countersign.log_checkpoint") == "4")
    }

    @Test func `a history that was rewritten raises the alarm, and nothing is entered until it is cleared`()
        async throws
    {
        log.grow(to: 5)
        await watch.look()
        log.fork(at: 3, to: 9)
        await watch.look()
        #expect(try await alarm()?.contains("no prefix") == true)
        #expect(try await proven() == 5)
        let refused = await #expect(throws: SigstoreError.self) { try await door.submit([]) }
        #expect(refused?.code == "log.inconsistent" && log.submissions == 0)

        // a second look does not raise it again, and keeps the evidence
        await watch.look()
        let notes = try await fixture.text(
            "SELECT string_agg(first_note || second_note, '') AS text FROM countersign.log_alarm")
        #expect(notes?.contains("log.example\n5\n") == true && notes?.contains("log.example\n9\n") == true)
        #expect(metrics.render().contains("countersign_log_inconsistent{log=\"https://log.example\"} 1"))

        #expect(try await records.clear(log.id, by: "alice"))
        #expect(try await !records.clear(log.id, by: "alice"))
        await watch.look()
        #expect(try await alarm() == nil)
        #expect(try await proven() == 9)
        _ = try await door.submit([])
        #expect(log.submissions == 1)
    }

    @Test func `a proof that somebody altered on the way is no alarm, and is asked for again`() async throws {
        log.grow(to: 5)
        await watch.look()
        log.grow(to: 9)
        log.alter(true)
        await watch.look()
        #expect(try await alarm() == nil)
        #expect(try await proven() == 5)
        let failed = #"countersign_log_look_failures_total{log="https://log.example",code="rekor.bad_answer"} 1"#
        #expect(metrics.render().contains(failed))
        _ = try await door.submit([])
        log.alter(false)
        await watch.look()
        #expect(try await alarm() == nil)
        #expect(try await proven() == 9)
    }

    /// The proof from a tree of 4, 8, 16… begins with that tree itself: of another history it leads nowhere.
    @Test func `a log that cannot prove its history raises the alarm after some looks`() async throws {
        let watch = watch
        log.grow(to: 4)
        await watch.look()
        log.fork(at: 2, to: 9)
        for _ in 1..<UnprovenLooks.limit { await watch.look() }
        #expect(try await alarm() == nil)
        #expect(try await proven() == 4)
        await watch.look()
        #expect(try await alarm()?.contains("the tree of 4 is no prefix") == true)
    }

    /// Looks of a daemon to which somebody on the way alters the proofs, each followed by one of another daemon, if there is one.
    private func look(_ times: Int, altered: LogWatch, other: LogWatch? = nil, isGrowing: Bool = false) async throws {
        for _ in 0..<times {
            if isGrowing { log.grow(to: Int(try log.checkpoint().size) + 1) }
            log.alter(true)
            await altered.look()
            log.alter(false)
            await other?.look()
        }
    }

    @Test func `what another daemon proves is no contradiction, however often one is given altered proofs`()
        async throws
    {
        let (here, there) = (watch, watch)
        log.grow(to: 5)
        await there.look()
        try await look(2 * UnprovenLooks.limit, altered: here, other: there, isGrowing: true)
        #expect(try await alarm() == nil)
        #expect(try await proven() == UInt64(5 + 2 * UnprovenLooks.limit))
        #expect(metrics.render().contains(#"code="rekor.bad_answer"} \#(2 * UnprovenLooks.limit)"#))
    }

    @Test func `a row of unproven looks ends when another daemon proves what was in doubt, and another begins`()
        async throws
    {
        let (here, there) = (watch, watch)
        log.grow(to: 5)
        await there.look()
        log.grow(to: 9)
        try await look(UnprovenLooks.limit - 1, altered: here)
        await there.look()
        #expect(try await proven() == 9)
        log.grow(to: 12)
        try await look(UnprovenLooks.limit - 1, altered: here)
        #expect(try await alarm() == nil)
        try await look(1, altered: here)
        #expect(try await alarm()?.contains("the tree of 9 is no prefix of that of 12") == true)
    }

    @Test func `an older tree is in doubt until anybody proves it, while the log stands still`() async throws {
        let (here, there) = (watch, watch)
        log.grow(to: 9)
        await there.look()
        // a mirror that is behind, and alters its proofs
        log.serve(try log.checkpoint(5))
        try await look(UnprovenLooks.limit - 1, altered: here)
        log.serve(nil)
        await there.look()
        #expect(try await proven() == 9)
        #expect(try await waiting() == 0)
        log.serve(try log.checkpoint(5))
        // known before, by now
        try await look(UnprovenLooks.limit, altered: here)
        #expect(try await alarm() == nil)
        log.serve(try log.checkpoint(6))
        try await look(UnprovenLooks.limit - 1, altered: here)
        #expect(try await alarm() == nil)
        try await look(1, altered: here)
        #expect(try await alarm()?.contains("the tree of 6 is no prefix of that of 9") == true)
    }

    @Test func `a history that was shown to one daemon alone raises the alarm, however far the others prove theirs`()
        async throws
    {
        let (here, there) = (watch, watch)
        log.grow(to: 4)
        await there.look()
        log.fork(at: 2, to: 8)
        await here.look()
        log.fork(at: 2, to: 2)
        for size in 9..<(9 + UnprovenLooks.limit) {
            #expect(try await alarm() == nil)
            log.grow(to: size)
            await there.look()
            #expect(try await proven() == UInt64(size))
        }
        #expect(try await alarm()?.contains("the tree of 8 is no prefix") == true)
    }

    @Test func `a look that was only shown less than is known ends no row, and one that finds nothing does`()
        async throws
    {
        let watch = watch
        log.grow(to: 4)
        await watch.look()
        for isEnded in [true, false] {
            log.fork(at: 2, to: 9)
            for _ in 1..<UnprovenLooks.limit { await watch.look() }
            #expect(try await alarm() == nil)
            log.fork(at: 2, to: isEnded ? 2 : 3)
            if isEnded { log.grow(to: 4) }
            await watch.look()
            #expect(try await proven() == 4)
        }
        log.fork(at: 2, to: 9)
        await watch.look()
        #expect(try await alarm()?.contains("the tree of 4 is no prefix") == true)
    }

    @Test func `each tree of a log has its own row of unproven looks`() async throws {
        let older = try ForkingLog("older.example")
        let trees = ForkingTrees(trees: [log, older])
        let watch = watching(.init(reader: trees, verifier: trees.verifier))
        for tree in trees.trees { tree.grow(to: 4) }
        await watch.look()
        log.fork(at: 2, to: 9)
        for _ in 1..<UnprovenLooks.limit { await watch.look() }
        log.fork(at: 2, to: 2)
        log.grow(to: 4)
        older.fork(at: 2, to: 9)
        for _ in 1..<UnprovenLooks.limit { await watch.look() }
        #expect(try await alarm() == nil)
        await watch.look()
        #expect(try await alarm()?.contains("the tree of 4 is no prefix") == true)
        #expect(try await fixture.text("SELECT origin AS text FROM countersign.log_alarm") == "older.example")
    }

    @Test func `two roots of one size are seen at once, in an entry's own checkpoint`() async throws {
        log.grow(to: 5)
        _ = try await door.submit([])
        log.fork(at: 2, to: 5)
        let error = await #expect(throws: SigstoreError.self) { try await door.submit([]) }
        #expect(error?.code == "log.inconsistent")
        #expect(try await alarm()?.contains("two roots of 5") == true)
    }

    @Test func `the checkpoint that came with an entry must lie in the history that everybody sees`() async throws {
        log.grow(to: 4)
        await watch.look()
        let honest = try log.checkpoint()
        // to us alone the log shows another tree
        log.fork(at: 2, to: 6)
        log.serve(try log.checkpoint())
        _ = try await door.submit([])
        log.serve(nil)
        log.fork(at: 2, to: 2)
        log.grow(to: 9)
        #expect(try log.checkpoint(4) == honest, "to everybody it shows the old history, grown")
        await watch.look()
        #expect(try await alarm() != nil)
    }

    @Test func `smaller and equal checkpoints of the same history are fine`() async throws {
        log.grow(to: 8)
        await watch.look()
        for size in [8, 3, 1] {
            log.serve(try log.checkpoint(size))
            _ = try await door.submit([])
            // a mirror that is behind
            await watch.look()
            #expect(try await alarm() == nil)
        }
        log.serve(nil)
        log.grow(to: 10)
        await watch.look()
        #expect(try await alarm() == nil)
        #expect(try await proven() == 10)
    }

    @Test func `a smaller tree of another history is no alarm yet, and no good look either`() async throws {
        log.grow(to: 8)
        await watch.look()
        log.fork(at: 3, to: 6)
        await watch.look()
        #expect(try await alarm() == nil)
        #expect(try await proven() == 8)
        let failed = #"countersign_log_look_failures_total{log="https://log.example",code="rekor.unavailable"} 1"#
        #expect(metrics.render().contains(failed))
        // once it is asked about a tree that it says to have, it cannot prove it
        log.grow(to: 8, history: 1)
        await watch.look()
        #expect(try await alarm()?.contains("two roots of 8") == true)
    }

    /// What came with so many entries, longer ago than any look.
    private func receive(_ sizes: Range<Int>) async throws {
        for size in sizes { _ = try await records.store(of: log.id).record(try log.checkpoint(size)) }
        try await fixture.pool.execute("UPDATE countersign.log_checkpoint SET seen_at = now() - interval '2 hours'")
    }

    private func waiting() async throws -> Int { try await records.store(of: log.id).waiting() }

    @Test func `every checkpoint that came with an entry is proven, however many there are`() async throws {
        log.grow(to: 300)
        try await receive(1..<300)
        #expect(try await waiting() == 299)
        await watch.look()
        // 256, the newest among them: the others wait, whatever their age
        #expect(try await waiting() == 44)
        #expect(metrics.render().contains("countersign_log_checkpoints_waiting{log=\"https://log.example\"} 44"))
        await watch.look()
        #expect(try await waiting() == 0)
        #expect(metrics.render().contains("countersign_log_checkpoints_waiting{log=\"https://log.example\"} 0"))
        #expect(try await proven() == 300)
        #expect(
            try await fixture.text(
                "SELECT count(*)::text AS text FROM countersign.log_checkpoint WHERE proven_at IS NOT NULL") == "300")
    }

    @Test func `a look that breaks off keeps what it has proven, and says how many wait`() async throws {
        log.grow(to: 10)
        await watch.look()
        log.grow(to: 20)
        try await receive(11..<20)
        log.allow(proofs: 0)
        await watch.look()
        // not even the one that was proven before is tied to the newest
        #expect(try await proven() == 10)
        #expect(metrics.render().contains("countersign_log_checkpoints_waiting{log=\"https://log.example\"} 10"))
        log.allow(proofs: 3)
        await watch.look()
        #expect(try await proven() == 20)
        #expect(try await waiting() == 7)
        log.allow(proofs: nil)
        await watch.look()
        #expect(try await waiting() == 0)
        #expect(try await alarm() == nil)
    }

    @Test func `of more than may wait the smallest are dropped, and nothing that was proven`() async throws {
        log.grow(to: 10)
        await watch.look()
        log.grow(to: 30)
        try await receive(11..<30)
        var store = records.store(of: log.id)
        store.mostWaiting = 5
        // a look that had room for two
        try await store.prove([try log.checkpoint(28), try log.checkpoint(29)])
        #expect(
            try await fixture.text(
                """
                SELECT string_agg(size || CASE WHEN proven_at IS NULL THEN '' ELSE '!' END, ' ' ORDER BY size) AS text
                FROM countersign.log_checkpoint
                """) == "10! 23 24 25 26 27 28! 29!")
    }

    @Test func `one forged checkpoint among many is found`() async throws {
        log.grow(to: 40)
        try await receive(1..<40)
        let other = try await forged(size: 41)
        log.grow(to: 60)
        #expect(try await records.store(of: log.id).record(other) == nil)
        await watch.look()
        #expect(try await alarm()?.contains("the tree of 41") == true)
    }

    /// Of a history that the log showed to us alone.
    private func forged(size: Int) async throws -> Checkpoint {
        log.fork(at: 40, to: size)
        let checkpoint = try log.checkpoint()
        log.fork(at: 40, to: 40)
        return checkpoint
    }

    @Test func `a checkpoint that the log did not sign is neither remembered nor an alarm`() async throws {
        log.grow(to: 5)
        await watch.look()
        let other = try ForkingLog()
        other.fork(at: 0, to: 5)
        log.serve(try other.checkpoint())
        await watch.look()
        _ = try await door.submit([])
        #expect(try await alarm() == nil)
        #expect(try await fixture.text("SELECT count(*)::text AS text FROM countersign.log_checkpoint") == "1")
        #expect(metrics.render().contains("countersign_log_look_failures_total"))
    }

    @Test func `how long nobody has looked at a log is told of one that never answered, too`() async throws {
        let nobody = RekorV1(url: "http://127.0.0.1:1", http: SigningLine.http, route: SigningLine.route)
        let silent = LogWatch.Watched(reader: nobody, verifier: log.verifier)
        await LogWatch(
            { [silent] }, records: records, interval: .seconds(60), metrics: LogWatchMetrics(metrics),
            logger: SigningDaemon.silence
        ).look()
        let text = metrics.render()
        #expect(text.contains("countersign_log_look_failures_total{log=\"http://127.0.0.1:1\""))
        #expect(text.contains("countersign_log_look_timestamp_seconds{log=\"http://127.0.0.1:1\"} "))
    }
}
