/// Whom we tell what became of artifacts.
package struct NotificationConfiguration: Sendable {
    /// The `source` of every event (CloudEvents 1.0 §3.1): a URI reference that names this installation. Default `/countersign`.
    package var source = "/countersign"
    /// The receivers. Default none: nothing is told, and nothing is stored to be told.
    package var sinks: [Sink] = []

    package init() {}

    /// One URL that takes events.
    package struct Sink: Sendable {
        /// Its name in records, metrics and logs: `[a-z0-9-]`, at most 63.
        package var name: String
        /// Where events are sent, and how. The URL is kept out of logs and tables: those of some receivers are secrets.
        package var upstream: UpstreamConfiguration
        /// The key that events are signed with (HMAC-SHA-256); at least 24 bytes. Two while it is rotated: both sign.
        package var secrets: [Secret]
        /// Which events it wants. Default all.
        package var types: Set<EventType> = Set(EventType.allCases)
        /// Of which repositories, as globs over `registry/repository`. Default all. Events that are about no artifact
        /// are told to everybody who wants their type.
        package var repositories: [Glob] = []
        /// Events on their way at once. Default 4.
        package var concurrency = 4
        /// The first wait after a failed delivery, doubled each time. Default 5 s.
        package var retryBase: Duration = .seconds(5)
        /// What these waits grow to. Default 15 min.
        package var retryCeiling: Duration = .seconds(900)
        /// How long an event is tried; then it is given up, counted and logged. Default 72 h.
        package var giveUpAfter: Duration = .seconds(72 * 3600)

        package init(name: String, upstream: UpstreamConfiguration, secrets: [Secret]) {
            self.name = name
            self.upstream = upstream
            self.secrets = secrets
        }
    }

    /// What can be told; the CloudEvents `type` (§3.1).
    package enum EventType: String, Sendable, CaseIterable {
        /// A signature verifies in the registry.
        case signed = "dev.countersign.artifact.signed"
        /// Given up, also a tag that was never resolved; it waits for somebody.
        case failed = "dev.countersign.artifact.failed"
        /// Policy or its form forbids to sign it.
        case refused = "dev.countersign.artifact.refused"
        /// The registry does not have it (any more).
        case gone = "dev.countersign.artifact.gone"
        /// Somebody withdrew its signature.
        case revoked = "dev.countersign.artifact.revoked"
        /// Somebody has to look: a signature that does not verify any more, tampering, an entry that is not ours.
        case alert = "dev.countersign.alert.raised"
        /// A transparency log showed two histories.
        case logContradiction = "dev.countersign.log.contradiction"

        /// As the configuration writes it: without the reverse domain.
        package var shortName: String { String(rawValue.dropFirst("dev.countersign.".count)) }
    }
}

extension ConfigurationReading {
    /// The keys of `notifications`.
    func notifications(_ section: ConfigurationSection) -> NotificationConfiguration {
        var notifications = NotificationConfiguration()
        if let source = section.string("source") { notifications.source = source }
        notifications.sinks = section.sections("sinks", sink)
        return notifications
    }

    private func sink(_ section: ConfigurationSection) -> NotificationConfiguration.Sink {
        var sink = NotificationConfiguration.Sink(
            name: section.required("name", "what records and metrics call it"), upstream: upstream(section),
            secrets: [requiredSecret(section, "secret", "the key that events are signed with")])
        if let previous = secret(section, "previous_secret") { sink.secrets.append(previous) }
        if section.has("types") {
            sink.types = Set(section.strings("types").compactMap { text in type(text, section) })
        }
        sink.repositories = section.globs("repositories")
        section.read("concurrency", into: &sink.concurrency)
        section.read("retry_base", into: &sink.retryBase)
        section.read("retry_ceiling", into: &sink.retryCeiling)
        section.read("give_up_after", into: &sink.giveUpAfter)
        return sink
    }

    private func type(_ text: String, _ section: ConfigurationSection) -> NotificationConfiguration.EventType? {
        let all = NotificationConfiguration.EventType.allCases
        if let type = all.first(where: { $0.shortName == text }) { return type }
        section.complain(
            "types", "'\(text.prefix(80))' is none of \(all.map(\.shortName).joined(separator: ", "))")
        return nil
    }
}

extension NotificationConfiguration {
    /// What cannot work, of this section.
    func problems() -> [ConfigurationProblem] {
        var problems = Problems()
        problems.check(!source.isEmpty && !source.contains(" "), "notifications.source", "must be a URI reference")
        var names: Set<String> = []
        for (number, sink) in sinks.enumerated() {
            let path = "notifications.sinks[\(number)]"
            problems.check(sink.name.isLabel(extra: "-"), "\(path).name", "must be 1 to 63 of a-z, 0-9 and '-'")
            problems.check(names.insert(sink.name).inserted, "\(path).name", "is used twice")
            problems.upstream(path, sink.upstream)
            problems.check(
                sink.secrets.allSatisfy { $0.exposed.utf8.count >= 24 }, "\(path).secret", "must have at least 24 bytes"
            )
            problems.check(!sink.types.isEmpty, "\(path).types", "must name one, or be left out for all")
            problems.positive("\(path).concurrency", sink.concurrency)
            problems.positive("\(path).retry_base", sink.retryBase)
            problems.check(
                sink.retryCeiling >= sink.retryBase, "\(path).retry_ceiling", "must not be below retry_base")
            problems.positive("\(path).give_up_after", sink.giveUpAfter)
        }
        return problems.found
    }
}
