import Logging
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

@Suite struct QueueSignalTests {
    @Test func `a signal that finds nobody waiting is remembered once`() async {
        let signal = JobSignal()
        signal.raise()
        signal.raise()
        let start = ContinuousClock.now
        await signal.wait(upTo: .seconds(60))
        #expect(ContinuousClock.now - start < .seconds(30))
        await signal.wait(upTo: .milliseconds(1))
    }

    @Test func `a signal wakes all who wait`() async throws {
        let signal = JobSignal()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 { group.addTask { await signal.wait(upTo: .seconds(60)) } }
            try await eventually { signal.waitingCount == 3 }
            signal.raise()
            try await group.waitForAll()
        }
        #expect(signal.waitingCount == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a waiter that is released before it is suspended does not sleep for ever`() async {
        let signal = JobSignal()
        let expired = signal.arrive()
        signal.release(expired)
        await signal.suspend(expired)
        let raised = signal.arrive()
        signal.raise()
        await signal.suspend(raised)
        // that signal was for the one who was arriving, and is used up
        let next = signal.arrive()
        #expect(signal.waitingCount == 0)
        signal.release(next)
        await signal.suspend(next)
        // limits that are over before the wait begins
        for _ in 0..<2_000 { await signal.wait(upTo: .nanoseconds(1)) }
        #expect(signal.waitingCount == 0)
    }

    @Test(.timeLimit(.minutes(5))) func `a cancelled wait returns before its time`() async {
        let signal = JobSignal()
        let waiting = Task {
            await signal.wait(upTo: .seconds(86_400))
            return Task.isCancelled
        }
        waiting.cancel()
        #expect(await waiting.value)
    }

    @Test func `a push to one daemon wakes the workers of another`() async throws {
        let fixture = try await QueueFixture()
        let heard = JobSignal()
        let listener = JobListener(fixture.configuration, signal: heard)
        let notifier = JobNotifier(
            signal: JobSignal(), pool: ConnectionPool(fixture.configuration, size: 1), logger: Logger(label: "test"))
        let queue = JobQueue(pool: fixture.pool, notifier: notifier)
        let services = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { try? await listener.run() }
                group.addTask { try? await notifier.run() }
            }
        }
        try await eventually("LISTEN") {
            try await fixture.number(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'")
                > 0
        }
        let start = ContinuousClock.now
        _ = try await queue.enqueue([samplePush(sampleDigest("app"))])
        await heard.wait(upTo: .seconds(30))
        #expect(ContinuousClock.now - start < .seconds(20))
        services.cancel()
        await services.value
    }
}
