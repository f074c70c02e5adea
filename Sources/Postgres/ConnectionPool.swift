import Glibc
import Synchronization

/// A fixed number of connections, opened when they are needed and shared in order of arrival.
///
/// A call is handed to a connection's thread as a whole and comes back as a whole: one hop each way, however many
/// statements it makes.
package final class ConnectionPool: Sendable {
    let configuration: PostgresConfiguration
    private let size: Int
    private let waitLimit: Duration
    private let state = Mutex(State())

    /// - Parameters:
    ///   - size: connections at most.
    ///   - waitLimit: how long a call waits for a connection, be it that all are busy or that the server is away.
    package init(_ configuration: PostgresConfiguration, size: Int, waitLimit: Duration = .seconds(2)) {
        self.configuration = configuration
        self.size = max(1, size)
        self.waitLimit = waitLimit
    }

    deinit {
        // Whoever runs something holds the pool, so all that is left is idle.
        for thread in state.withLock({ $0.idle }) { thread.stop() }
    }

    /// Runs one statement in its own transaction.
    package func query(_ query: Query) async throws(PostgresError) -> [Row] {
        try await result { session throws(PostgresError) in try session.query(query) }.get()
    }

    /// Runs one statement in its own transaction and returns how many rows it touched.
    @discardableResult
    package func execute(_ query: Query) async throws(PostgresError) -> Int {
        try await result { session throws(PostgresError) in try session.execute(query) }.get()
    }

    /// Lends a connection to the body, which runs on the connection's thread and cannot suspend.
    /// - Parameter deadline: for the whole body; without it each statement has the configuration's limit to itself.
    /// - Throws: ``PostgresError``, or what the body throws.
    package func withSession<R: Sendable>(
        deadline: Duration? = nil, _ body: @escaping @Sendable (Session) throws -> R
    ) async throws -> R {
        try await perform(deadline: deadline) { session in Result { try body(session) } }.get()
    }

    /// Runs the body between BEGIN and COMMIT. A serialization failure or deadlock runs it again, three times at most, so
    /// it must not have effects outside the database.
    /// - Throws: ``PostgresError/commitUnknown(reason:)`` among others, or what the body throws, after a rollback.
    package func transaction<R: Sendable>(
        deadline: Duration? = nil, _ body: @escaping @Sendable (Session) throws -> R
    ) async throws -> R {
        try await withSession(deadline: deadline) { session in
            try Self.transaction(
                on: session, repeatedAfter: [5_000...50_000, 20_000...200_000, 80_000...800_000], body)
        }
    }

    /// - Parameter pauses: in microseconds. At once, it might take its locks again before the other side wakes, and
    ///   deadlock again; on a busy machine the other side may need longer than the first pause.
    private static func transaction<R: Sendable>(
        on session: Session, repeatedAfter pauses: ArraySlice<ClosedRange<UInt32>>, _ body: (Session) throws -> R
    ) throws -> R {
        do {
            return try session.transaction { try body(session) }
        } catch PostgresError.server(let report) where report.isSerializationFailure && !pauses.isEmpty {
            usleep(.random(in: pauses[pauses.startIndex]))
            return try transaction(on: session, repeatedAfter: pauses.dropFirst(), body)
        }
    }

    /// Fails what waits, lets what runs finish, and returns when the last connection is closed.
    package func close() async {
        await withCheckedContinuation { continuation in
            let (waiters, idle) = state.withLock { state in
                defer { (state.waiters, state.idle) = ([], []) }
                state.isClosed = true
                state.closing.append(continuation)
                return (state.waiters, state.idle)
            }
            for waiter in waiters { waiter.fail(.closed) }
            for thread in idle { thread.stop(then: threadEnded) }
            settleClosing()
        }
    }

    /// The same for a body that throws nothing but ``PostgresError``; a value, for callers that have to clean up.
    func result<R: Sendable>(
        deadline: Duration? = nil, _ body: @escaping @Sendable (Session) throws(PostgresError) -> R
    ) async -> Result<R, PostgresError> {
        do {
            return try await perform(deadline: deadline) { session in
                Result { () throws(PostgresError) in try body(session) }
            }
        } catch {
            return .failure(error)
        }
    }

    /// How many calls wait for a connection now.
    package var waiting: Int { state.withLock { $0.waiters.count } }

    // MARK: Handing out

    private struct State {
        var idle: [ConnectionThread] = []
        var open = 0
        /// In order of arrival. Nobody waits while a connection is idle.
        var waiters: [Waiter] = []
        var outage: PostgresError?
        var isClosed = false
        var closing: [CheckedContinuation<Void, Never>] = []
    }

    /// A call that has not started. Runs the body and returns what wakes the caller; that is done only after the
    /// connection is free again, so that the caller's next statement finds it.
    private struct Call: Sendable {
        let ticket: Ticket
        let run: @Sendable (Connection) -> @Sendable () -> Void
        let fail: @Sendable (PostgresError) -> Void
    }

    private struct Waiter {
        let call: Call
        let timer: Task<Void, Never>

        func fail(_ error: PostgresError) {
            timer.cancel()
            call.fail(error)
        }
    }

    /// Knows of a cancellation that came before the call was queued.
    private final class Ticket: Sendable {
        let cancelled = Atomic(false)
    }

    private func perform<R: Sendable>(
        deadline: Duration? = nil, _ body: @escaping @Sendable (Session) -> R
    ) async throws(PostgresError) -> R {
        let ticket = Ticket()
        let patience = ContinuousClock.now + waitLimit
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<R, PostgresError>, Never>) in
                submit(
                    Call(ticket: ticket) { connection in
                        let outcome = Result { () throws(PostgresError) in
                            try connection.withSession(patience: patience, deadline: deadline, body)
                        }
                        return { continuation.resume(returning: outcome) }
                    } fail: { error in
                        continuation.resume(returning: .failure(error))
                    })
            }
        } onCancel: {
            ticket.cancelled.store(true, ordering: .sequentiallyConsistent)
            withdraw(ticket, .cancelled)
        }
        return try result.get()
    }

    private enum Decision {
        case fail(PostgresError)
        case run(on: ConnectionThread)
        case open
        case wait
    }

    private func submit(_ call: Call) {
        let decision = state.withLock { state -> Decision in
            if state.isClosed { return .fail(.closed) }
            if call.ticket.cancelled.load(ordering: .sequentiallyConsistent) { return .fail(.cancelled) }
            if let thread = state.idle.popLast() { return .run(on: thread) }
            if state.open < size {
                state.open += 1
                return .open
            }
            let timer = Task { [waitLimit, ticket = call.ticket] in
                guard (try? await Task.sleep(for: waitLimit)) != nil else { return }
                self.withdraw(ticket, .poolExhausted(size: self.size, waited: waitLimit))
            }
            state.waiters.append(Waiter(call: call, timer: timer))
            return .wait
        }
        switch decision {
        case .fail(let error): call.fail(error)
        case .run(let thread): thread.submit { self.serve(call, on: thread, $0) }
        case .open:
            guard let thread = ConnectionThread(configuration) else {
                threadEnded()
                return call.fail(.unavailable(reason: "the system has no thread left for a connection"))
            }
            thread.submit { self.serve(call, on: thread, $0) }
        case .wait: break
        }
    }

    /// Takes a call out of the queue, if it still is in it.
    private func withdraw(_ ticket: Ticket, _ error: PostgresError) {
        let (waiter, outage) = state.withLock { state -> (Waiter?, PostgresError?) in
            guard let index = state.waiters.firstIndex(where: { $0.call.ticket === ticket }) else { return (nil, nil) }
            return (state.waiters.remove(at: index), state.outage)
        }
        // With the server away the pool is full of calls that wait for it: say that, not that the pool is too small.
        if case .poolExhausted = error { waiter?.fail(outage ?? error) } else { waiter?.fail(error) }
    }

    /// Runs on the connection's thread: this call, then those that wait.
    private func serve(_ first: Call, on thread: ConnectionThread, _ connection: Connection) {
        var next: Call? = first
        while let call = next {
            let wakeCaller = call.run(connection)
            next = state.withLock { state in
                state.outage = connection.outage
                guard !state.isClosed else { return nil }
                guard !state.waiters.isEmpty else {
                    state.idle.append(thread)
                    return nil
                }
                let waiter = state.waiters.removeFirst()
                waiter.timer.cancel()
                return waiter.call
            }
            wakeCaller()
        }
        if state.withLock({ $0.isClosed }) { thread.stop(then: threadEnded) }
    }

    // MARK: Closing

    private func threadEnded() {
        state.withLock { $0.open -= 1 }
        settleClosing()
    }

    private func settleClosing() {
        let done = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard state.isClosed, state.open == 0 else { return [] }
            defer { state.closing = [] }
            return state.closing
        }
        for continuation in done { continuation.resume() }
    }
}
