import Logging
import Synchronization

/// A log that a test reads: each line with what it carries.
final class KeptLines: LogHandler {
    let kept = Mutex<[(level: Logger.Level, text: String)]>([])

    /// Writes here.
    var logger: Logger { Logger(label: "test") { _ in self } }

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .info }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        kept.withLock { $0.append((event.level, "\(event.message) \(event.metadata ?? [:])")) }
    }
}
