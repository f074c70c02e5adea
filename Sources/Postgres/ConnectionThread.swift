import CPostgres
import Dispatch
import Glibc
import Synchronization

/// One OS thread with the one connection it owns. libpq blocks, so it must not run where Swift's tasks run.
final class ConnectionThread: Sendable {
    typealias Job = @Sendable (Connection) -> Void

    private let jobs = Mutex<[Job?]>([])
    private let available = DispatchSemaphore(value: 0)

    /// Nil if the system has no thread left. The thread ends after ``stop(then:)``.
    init?(_ configuration: PostgresConfiguration) {
        let started = startThread(named: "postgres") { [self] in
            let connection = Connection(configuration)
            while let job = take() { job(connection) }
        }
        guard started else { return nil }
    }

    func submit(_ job: @escaping Job) { put(job) }

    /// Ends the thread, and with it the connection, once what was submitted is done.
    func stop(then done: @escaping @Sendable () -> Void = {}) {
        put { connection in
            connection.disconnect()
            done()
        }
        put(nil)
    }

    private func put(_ job: Job?) {
        jobs.withLock { $0.append(job) }
        available.signal()
    }

    private func take() -> Job? {
        available.wait()
        return jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }
}

/// Starts a detached POSIX thread; false if the system refuses. The name may have 15 characters (pthread_setname_np).
func startThread(named name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    let start = Unmanaged.passRetained(Start(name, body))
    var thread = pthread_t()
    let failure = pthread_create(
        &thread, nil,
        { argument in
            if let argument {
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                pthread_setname_np(pthread_self(), start.name)
                start.body()
            }
            return nil
        }, start.toOpaque())
    guard failure == 0 else {
        start.release()
        return false
    }
    pthread_detach(thread)
    return true
}
