package import Postgres
package import ServiceLifecycle

/// Hears what other daemons' ``JobNotifier`` says and passes it on to this process's workers.
package struct JobListener: Service {
    private let listener: Listener
    private let signal: JobSignal

    package init(_ configuration: PostgresConfiguration, signal: JobSignal) {
        listener = Listener(configuration, channel: JobNotifier.channel)
        self.signal = signal
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await listener.run() }
                for await _ in listener.notifications { signal.raise() }
                group.cancelAll()
            }
        }
    }
}
