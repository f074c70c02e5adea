package import FoundationEssentials
import OCI

/// That a sweep was asked for.
package struct RequestedSweepAnswer: Codable, Sendable {
    /// Under its canonical name, by which it is listed; absent: all.
    package let repository: String?
    package let requestedAt: Date
    package let pending: Int

    enum CodingKeys: String, CodingKey {
        case repository, pending
        case requestedAt = "requested_at"
    }
}

/// How the sweeps stand: a page of repositories, and what is about whole registries and logs.
struct ReconcileAnswer: Encodable {
    /// Registries and repositories that somebody asked for and that are not done, of those that the request is about.
    let pending: Int
    let registries: [SweptRegistryAnswer]
    let repositories: [SweepAnswer]
    let logs: [FollowedLogAnswer]
    let next: Int64?
}

/// A log that is read for entries that nobody can explain.
package struct FollowedLogAnswer: Codable, Sendable {
    package let log: String
    package let nextIndex, entries, ours, unknownKinds, unreadable, suspected: Int64
    package let readAt: Date

    enum CodingKeys: String, CodingKey {
        case log, entries, ours, unreadable, suspected
        case nextIndex = "next_index"
        case unknownKinds = "unknown_kinds"
        case readAt = "read_at"
    }

    init(_ log: FollowedLog) {
        self.log = log.url
        nextIndex = log.nextIndex
        (entries, ours, suspected) = (log.entries, log.ours, log.suspected)
        (unknownKinds, unreadable) = (log.unknownKinds, log.unreadable)
        readAt = log.readAt
    }
}

/// A registry whose repositories are swept.
package struct SweptRegistryAnswer: Codable, Sendable {
    package let registry, catalog: String
    package let requestedAt, dueAt, listedAt, recheckBeganAt, recheckEndedAt: Date?
    package let rechecked: Int
    package let error: Failure?

    enum CodingKeys: String, CodingKey {
        case registry, catalog, rechecked, error
        case requestedAt = "requested_at"
        case dueAt = "due_at"
        case listedAt = "listed_at"
        case recheckBeganAt = "recheck_began_at"
        case recheckEndedAt = "recheck_ended_at"
    }

    init(_ registry: SweepRecords.Registry) {
        self.registry = registry.name
        catalog = registry.catalog.rawValue
        requestedAt = registry.requestedAt
        dueAt = registry.dueAt
        listedAt = registry.listedAt
        recheckBeganAt = registry.recheckBeganAt
        recheckEndedAt = registry.recheckEndedAt
        rechecked = registry.rechecked
        error = registry.error
    }
}

/// How the sweep of one repository stands.
package struct SweepAnswer: Codable, Sendable {
    package let repository, state: String
    package let requestedAt, dueAt, startedAt, sweptAt: Date?
    package let tags, missed, moved, unreadable: Int
    package let error: Failure?

    enum CodingKeys: String, CodingKey {
        case repository, state, tags, missed, moved, unreadable, error
        case requestedAt = "requested_at"
        case dueAt = "due_at"
        case startedAt = "started_at"
        case sweptAt = "swept_at"
    }

    init(_ sweep: SweepRecords.Sweep) {
        repository = sweep.repository.description
        state = sweep.state.rawValue
        requestedAt = sweep.requestedAt
        dueAt = sweep.dueAt
        startedAt = sweep.startedAt
        sweptAt = sweep.sweptAt
        (tags, missed) = (sweep.counts.tags, sweep.counts.missed)
        (moved, unreadable) = (sweep.counts.moved, sweep.counts.unreadable)
        error = sweep.error
    }
}
