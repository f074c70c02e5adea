/// What all daemons together may ask of the services they depend on, and when one of these is not asked at all.
package struct BudgetConfiguration: Sendable, Equatable {
    /// Limits, the first that fits counts. Default none: as much as there is to do, until a service answers 429; then its
    /// rate is halved, and rises again.
    package var upstreams: [Upstream] = []
    /// How long a job stands in line, and then at most waits for its token, before it goes back to the queue. Default 2 s.
    package var wait: Duration = .seconds(2)
    /// The quiet time after which a lowered rate rises by a twentieth. Default 1 min.
    package var recovery: Duration = .seconds(60)
    /// When a service is taken for down. The times are here so that a chaos run can set them to seconds.
    package var breaker = Breaker()
    /// How many signatures a repository may have in a day. Default none: no bound.
    package var repositories: [RepositoryCap] = []

    package init() {}

    /// A limit on what one service is asked for, shared by all daemons on the database.
    package struct Upstream: Sendable, Equatable {
        package var kind: Dependency.Kind
        /// A registry's canonical name, an identity's name, or a service's URL; nil: each of that kind.
        package var name: String?
        /// Requests a second (Rekor: entries; authorities: timestamps); nil: no limit.
        package var rate: Double?
        /// Requests under way at once; nil: no limit beside the worker's own concurrency.
        package var concurrency: Int?

        package init(kind: Dependency.Kind, name: String? = nil, rate: Double? = nil, concurrency: Int? = nil) {
            self.kind = kind
            self.name = name
            self.rate = rate
            self.concurrency = concurrency
        }
    }

    /// When a service is taken for down, and how long it is left alone.
    package struct Breaker: Sendable, Equatable {
        /// Failures in a row. Default 5.
        package var failures = 5
        /// Or, of at least so many calls (default 20) …
        package var calls = 20
        /// … within this time (default 30 s) …
        package var window: Duration = .seconds(30)
        /// … this share in per cent. Default 50.
        package var share = 50
        /// How long it is left alone first; doubled with each trial that fails. Default 5 s.
        package var open: Duration = .seconds(5)
        /// The longest. Default 5 min.
        package var ceiling: Duration = .seconds(300)
        /// How long one trial may take before another daemon tries. Default 15 s.
        package var probe: Duration = .seconds(15)

        package init() {}
    }

    /// A bound on what repositories may cost the log, each for itself.
    package struct RepositoryCap: Sendable, Equatable {
        /// Over `registry/repository`.
        package var repositories: [Glob]
        /// New signatures in a UTC day; attestations count.
        package var signaturesPerDay: Int

        package init(repositories: [Glob], signaturesPerDay: Int) {
            self.repositories = repositories
            self.signaturesPerDay = signaturesPerDay
        }
    }
}
