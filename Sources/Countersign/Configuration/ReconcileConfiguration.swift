/// How lost webhooks are made up for, and how what was published is watched over.
package struct ReconcileConfiguration: Sendable, Equatable {
    /// The look for images that no webhook told of.
    package var sweep = Sweep()
    /// The look whether what was published still stands and verifies.
    package var recheck = Recheck()
    /// The look for entries under our identities that are not ours.
    package var identityMonitor = IdentityMonitor()

    package init() {}

    package struct Sweep: Sendable, Equatable {
        /// From the end of one sweep of a repository to the next. Default 0: only when somebody asks. The first one finds, and
        /// so signs, everything that policy allows and that was there before.
        package var interval: Duration = .zero
        /// Requests a second to one registry, all daemons together. Default 20.
        package var rate = 20
        /// Names that one page of a listing is asked to have. Default 100.
        package var pageSize = 100

        package init() {}

        package var isScheduled: Bool { interval > .zero }
    }

    package struct Recheck: Sendable, Equatable {
        /// How old the last verification of a published signature may become. Default 24 h; 0: it is looked at only when it is
        /// pushed again.
        package var interval: Duration = .seconds(24 * 3600)
        /// Signatures a second that are looked at, in one registry, all daemons together. Default 5. Each is four or five
        /// requests.
        package var rate = 5

        package init() {}

        package var isScheduled: Bool { interval > .zero }
    }

    package struct IdentityMonitor: Sendable, Equatable {
        /// Whether the logs in use are followed. Default false: a public log has many entries of others, and all are read.
        package var isEnabled = false
        /// Where a log is begun that was never followed. Default `now`.
        package var start: Start = .now
        /// How often a log is looked at that has nothing new. Default 30 s.
        package var poll: Duration = .seconds(30)
        /// Requests a second to one log, all daemons together: ten entries each of a Rekor v1, up to 256 each of a v2.
        /// Default 10.
        package var rate = 10
        /// How long an entry may be unknown before it is an alert. Default 10 min: after a restore our own signatures are found
        /// again one by one.
        package var grace: Duration = .seconds(600)

        package init() {}
    }

    /// Where in a log to begin.
    package enum Start: Sendable, Equatable {
        /// After its newest entry.
        case now
        /// At the entry of this index.
        case index(Int64)
    }
}
