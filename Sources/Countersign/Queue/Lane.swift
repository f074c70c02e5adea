/// Which waiting work goes first. A live push never waits behind a backfill; a backfill never starves (``LaneSchedule``).
package enum Lane: Int16, Sendable, CaseIterable, Codable {
    /// A push that just arrived: somebody is about to deploy it.
    case live = 0
    /// Work nobody waits for this second: re-checks, redriven jobs.
    case `default` = 1
    /// Backfills and campaigns.
    case bulk = 2

    /// Of the attempt that the task works on, or of what is asked for a batch or a sweep beside attempts; nil elsewhere.
    @TaskLocal static var ofAttempt: Lane?

    /// The word used in the API, the command line and metric labels.
    package var name: String {
        switch self {
        case .live: "live"
        case .default: "default"
        case .bulk: "bulk"
        }
    }
}
