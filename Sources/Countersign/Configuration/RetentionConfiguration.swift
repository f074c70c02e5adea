/// How long is kept what grows without end. Targets, the log entries of their evidence, the audit log, alerts and revocations
/// are kept for ever.
package struct RetentionConfiguration: Sendable, Equatable {
    /// Received events, dropped by whole days. Default 14 d.
    package var events: Duration = .seconds(14 * 86_400)
    /// What was given up. Default 90 d; its targets stay `failed`, and a push takes them up all the same.
    package var deadLetters: Duration = .seconds(90 * 86_400)
    /// Batches, counted from their end. Default 90 d; what they signed stays.
    package var batches: Duration = .seconds(90 * 86_400)
    /// Where tags pointed before they moved. Default 0: for ever. Where a tag points now is always kept.
    package var tagHistory: Duration = .zero
    /// Bundles, manifests and documents of images that their registry said it does not have, counted from then. Default 0:
    /// for ever. A registry that says so by mistake, and is not pushed to again, has nothing left that a signature could be
    /// restored from.
    package var deletedArtifacts: Duration = .zero

    package init() {}
}

extension RetentionConfiguration {
    /// The keys under `retention`.
    init(reading section: ConfigurationSection) {
        self.init()
        section.read("events", into: &events)
        section.read("dead_letters", into: &deadLetters)
        section.read("batches", into: &batches)
        section.read("tag_history", into: &tagHistory)
        section.read("deleted_artifacts", into: &deletedArtifacts)
    }

    func problems() -> [ConfigurationProblem] {
        var problems = Problems()
        let day = Duration.seconds(86_400)
        problems.check(events >= day && events <= day * 3_650, "retention.events", "must be 1d to 3650d")
        problems.check(deadLetters >= day, "retention.dead_letters", "must be at least 1d")
        problems.check(batches >= day, "retention.batches", "must be at least 1d")
        problems.check(
            tagHistory == .zero || tagHistory >= day, "retention.tag_history", "must be 0 (for ever) or at least 1d")
        problems.check(
            deletedArtifacts == .zero || deletedArtifacts >= day, "retention.deleted_artifacts",
            "must be 0 (for ever) or at least 1d")
        return problems.found
    }
}
