import CPostgres
import Glibc
import Synchronization

/// Listens on one channel, over a connection of its own that is replaced when it breaks.
///
/// A notification is a hint and may be lost: while the connection was away, or when nobody read for long. So an empty one
/// is added each time the connection stands again, which says: look for yourself. Needs a direct connection, as a
/// transaction pooler delivers nothing.
package final class Listener: Sendable {
    /// Payloads in order of arrival, the newest 256 of those not yet read. Ends when the listener is closed.
    package let notifications: AsyncStream<String>

    private let configuration: PostgresConfiguration
    private let channel: String
    private let probeInterval: Duration
    private let continuation: AsyncStream<String>.Continuation
    private let state = Mutex(State())

    private struct State {
        var isClosed = false
        var outage: PostgresError?
        var wakeup: Wakeup?
    }

    /// - Parameter probeInterval: how often the connection proves itself by a notification to itself, ± 10 %. A server
    ///   that vanished without a word, or a pooler in between, shows itself only so.
    package init(_ configuration: PostgresConfiguration, channel: String, probeInterval: Duration = .seconds(10)) {
        self.configuration = configuration
        self.channel = channel
        self.probeInterval = probeInterval
        (notifications, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
    }

    /// Why nothing is heard at present; nil while the connection stands.
    package var outage: PostgresError? { state.withLock { $0.outage } }

    /// Listens until ``close()`` or cancellation; to be called once.
    /// - Throws: ``PostgresError/unavailable(reason:)`` if the process has no descriptor or thread left to begin with.
    package func run() async throws(PostgresError) {
        guard let wakeup = Wakeup() else { throw .unavailable(reason: "no file descriptor left for the listener") }
        state.withLock { $0.wakeup = wakeup }
        let started = await withTaskCancellationHandler {
            await withCheckedContinuation { done in
                let started = startThread(named: "pg-listen") { [self] in
                    listenAgainAndAgain(wakeup)
                    continuation.finish()
                    done.resume(returning: true)
                }
                if !started { done.resume(returning: false) }
            }
        } onCancel: {
            close()
        }
        guard started else { throw .unavailable(reason: "the system has no thread left for the listener") }
    }

    /// Ends ``run()`` and the stream.
    package func close() {
        state.withLock { state in
            state.isClosed = true
            state.wakeup?.signal()
        }
        continuation.finish()
    }

    // MARK: On the listener's thread

    private var isClosed: Bool { state.withLock { $0.isClosed } }

    private func listenAgainAndAgain(_ wakeup: Wakeup) {
        var ceiling = Duration.milliseconds(100)
        while !isClosed {
            do throws(PostgresError) {
                let link = try subscribe()
                state.withLock { $0.outage = nil }
                ceiling = .milliseconds(100)
                continuation.yield("")
                try follow(link, wakeup)
            } catch {
                state.withLock { $0.outage = error }
                // Full jitter: a restart throws off all listeners at once.
                wakeup.wait(for: ceiling * Double.random(in: 0.1...1))
                ceiling = min(ceiling * 2, .seconds(5))
            }
        }
    }

    private func subscribe() throws(PostgresError) -> Link {
        let link = try Link.open(configuration)
        for channel in [channel, Self.probeChannel(link)] {
            try link.runScript("LISTEN " + quotedIdentifier(channel), limit: configuration.statementDeadline)
        }
        return link
    }

    /// Passes notifications on until the connection breaks or the listener is closed.
    private func follow(_ link: Link, _ wakeup: Wakeup) throws(PostgresError) {
        let probeChannel = Self.probeChannel(link)
        var nextProbe = ContinuousClock.now + probeInterval * Double.random(in: 0.9...1.1)
        var probeUnheard = false
        while !isClosed {
            while let (name, payload) = link.nextNotification() {
                if name == probeChannel { probeUnheard = false } else { continuation.yield(payload) }
            }
            if .now >= nextProbe {
                guard !probeUnheard else {
                    throw .connectionLost(reason: "the listener did not hear itself", sqlState: nil, statement: nil)
                }
                probeUnheard = true
                _ = try link.run("SELECT pg_notify(\(probeChannel), '')", limit: configuration.statementDeadline)
                // Its own notification comes with the answer; one that does not come in time fails the next round.
                nextProbe = .now + probeInterval * Double.random(in: 0.9...1.1)
                continue
            }
            try link.waitForNotification(or: wakeup, until: nextProbe)
        }
    }

    /// Of this connection alone, so that no other listener is woken by it.
    private static func probeChannel(_ link: Link) -> String { "listener_probe_\(PQbackendPID(link.raw))" }
}

extension Link {
    fileprivate func nextNotification() -> (channel: String, payload: String)? {
        guard let raw = PQnotifies(raw) else { return nil }
        defer { PQfreemem(raw) }
        return (String(cString: raw.pointee.relname), String(cString: raw.pointee.extra))
    }

    fileprivate func waitForNotification(or wakeup: Wakeup, until limit: ContinuousClock.Instant) throws(PostgresError)
    {
        guard wakeup.wait(for: limit - .now, orReadable: PQsocket(raw)) else { return }
        guard PQconsumeInput(raw) == 1, isUsable else {
            throw .connectionLost(reason: errorMessage, sqlState: nil, statement: nil)
        }
    }
}

/// Owner of an event descriptor with which one thread ends another's wait.
private final class Wakeup: Sendable {
    private let descriptor: Int32

    init?() {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        if descriptor < 0 { return nil }
    }

    deinit { Glibc.close(descriptor) }

    /// Stays signalled: it is used to end things.
    func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, MemoryLayout.size(ofValue: one))
    }

    /// True if the other descriptor became readable; false after a signal or when the time is up.
    @discardableResult
    func wait(for span: Duration, orReadable other: Int32 = -1) -> Bool {
        // poll passes over negative descriptors.
        var descriptors = [
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = max(.zero, min(span, .seconds(3600))) / .milliseconds(1) + 1
        return poll(&descriptors, 2, Int32(milliseconds)) > 0 && descriptors[0].revents != 0
    }
}
