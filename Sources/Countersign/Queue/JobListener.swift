package import Postgres
import ServiceLifecycle

/// Hears what other daemons' ``JobNotifier`` says and passes it on to this process's workers. While the connection is
/// away nothing is lost: workers poll.
package struct JobListener: Service {
    private let listener: Listener
    private let signal: JobSignal

    package init(_ configuration: PostgresConfiguration, signal: JobSignal) {
        listener = Listener(configuration, channel: JobNotifier.channel)
        self.signal = signal
    }

    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await listener.run() }
                group.addTask { for await _ in listener.notifications { signal.raise() } }
                try await group.next()
                group.cancelAll()
            }
        }
    }
}
