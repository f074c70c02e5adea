package import Curl
import FailPoints
import FoundationEssentials
package import Logging
import ServiceLifecycle

/// Sends what stands in the outbox, in every daemon: at least once, each receiver at its own pace, so that one that is away
/// holds up nobody else.
package struct NotificationDelivery: Service {
    private let configuration: NotificationConfiguration
    private let outbox: Outbox
    let http: HTTPClient
    private let metrics: NotificationMetrics
    private let logger: Logger
    private let poll: Duration

    package init(
        _ configuration: NotificationConfiguration, outbox: Outbox, http: HTTPClient, metrics: NotificationMetrics,
        poll: Duration = .seconds(1), logger: Logger
    ) {
        self.configuration = configuration
        self.outbox = outbox
        self.http = http
        self.metrics = metrics
        self.poll = poll
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await register() }
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                // also without any: receivers that nobody has any more go
                group.addTask { await renew() }
                for sink in configuration.sinks { group.addTask { await carry(to: sink) } }
            }
        }
    }

    /// Until the database has the receivers: what happens before is not told to new ones.
    private func register() async {
        while !Task.isCancelled {
            do {
                return try await outbox.register(configuration.sinks)
            } catch {
                logger.error(
                    "receivers of notifications are not registered",
                    metadata: ["error.code": "\(error.code)", "error": "\(error)"])
                do { try await Task.sleep(for: .seconds(5)) } catch { return }
            }
        }
    }

    private func renew() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: Outbox.renewal * Double.random(in: 0.8..<1)) } catch { return }
            do { try await outbox.renew(configuration.sinks) } catch {
                logger.warning(
                    "receivers of notifications were not renewed",
                    metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            }
        }
    }

    private func carry(to sink: NotificationConfiguration.Sink) async {
        while !Task.isCancelled {
            var taken = 0
            do {
                taken = try await step(for: sink)
            } catch {
                logger.error(
                    "notifications stand still",
                    metadata: ["sink": "\(sink.name)", "error.code": "\(error.code)", "error": "\(error)"])
            }
            if taken < sink.concurrency {
                // jittered, so that replicas started together do not come together
                do { try await Task.sleep(for: poll * Double.random(in: 0.8..<1.2)) } catch { return }
            }
        }
    }

    /// One round for one receiver.
    /// - Returns: how many events were due.
    package func step(for sink: NotificationConfiguration.Sink) async throws(QueueError) -> Int {
        // longer than the slowest exchange: a delivery in progress is not begun again by another daemon
        let lease = sink.upstream.connectTimeout + sink.upstream.timeout + .seconds(15)
        let letters = try await outbox.claim(
            for: sink.name, source: configuration.source, limit: sink.concurrency, lease: lease)
        await withTaskGroup(of: Void.self) { group in
            for letter in letters { group.addTask { await carry(letter, to: sink) } }
        }
        return letters.count
    }

    private func carry(_ letter: Outbox.Letter, to sink: NotificationConfiguration.Sink) async {
        do {
            guard sink.wants(letter.event) else { return try await outbox.remove(letter) }
            switch await deliver(letter.event, to: sink) {
            case .taken:
                try await FailPoint.recordNotification.around(QueueError.injected) { try await outbox.remove(letter) }
                metrics.delivered.increment(sink.name, "delivered")
            case .unwanted(let failure):
                try await giveUp(letter, sink, failure)
            case .failed(let failure, let retryAfter):
                guard letter.age < sink.giveUpAfter else { return try await giveUp(letter, sink, failure) }
                metrics.delivered.increment(sink.name, "failed")
                let delay = max(sink.delay(after: letter.attempts), min(retryAfter ?? .zero, sink.retryCeiling))
                try await outbox.postpone(letter, by: delay, because: failure)
                logger.warning(
                    "a notification was not taken", metadata: metadata(letter, sink, failure))
            }
        } catch {
            // its time runs out and it is sent again
            let failure = AttemptFailure(error).failure
            logger.error(
                "the end of a notification was not recorded",
                metadata: [
                    "sink": "\(sink.name)", "event.id": "\(letter.event.id)", "error.code": "\(failure.code)",
                    "error": "\(failure.observed)",
                ])
        }
    }

    private func giveUp(
        _ letter: Outbox.Letter, _ sink: NotificationConfiguration.Sink, _ failure: Failure
    ) async throws(QueueError) {
        try await outbox.remove(letter)
        metrics.delivered.increment(sink.name, "given_up")
        logger.error("a notification was given up", metadata: metadata(letter, sink, failure))
    }

    private func metadata(
        _ letter: Outbox.Letter, _ sink: NotificationConfiguration.Sink, _ failure: Failure
    ) -> Logger.Metadata {
        [
            "sink": "\(sink.name)", "event.id": "\(letter.event.id)", "event.type": "\(letter.event.type)",
            "attempt": "\(letter.attempts)", "error.code": "\(failure.code)", "error": "\(failure.observed)",
            "fix": "\(failure.fix)",
        ]
    }
}
