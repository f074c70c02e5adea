package import Curl
package import Postgres

/// What the queue cannot do.
package enum QueueError: Error, Sendable {
    /// Another worker holds the job now, or it ended: whatever this attempt did must not be recorded. Stop; do not retry.
    case leaseLost(jobID: Int64)
    /// No heartbeat was answered for nearly as long as the lease: another worker may hold the job any moment. Nothing more may
    /// be sent for it.
    case leaseUntrusted(jobID: Int64)
    /// The artifact was revoked while the attempt ran: nothing more may be written for it.
    case revoked(jobID: Int64)
    /// A newer generation, which takes the older signatures out of the lists, was asked for while the attempt ran.
    case superseded(jobID: Int64)
    /// What would be written is more than the repository may have today (``RepositoryCaps``).
    case withheld(Withheld)
    /// More deliveries wait than the daemon promises to hold. The sender should come again.
    case overloaded(waiting: Int)
    /// A row that the database refuses whatever is tried; `code` is the SQLSTATE, `constraint` the constraint or unique index
    /// that says no, where it is one.
    case unstorable(code: String, constraint: String? = nil)
    /// A stored row that the code cannot read: a newer daemon wrote it, or somebody's hand.
    case unreadable(table: String, what: String)
    case database(PostgresError)

    package var code: String {
        switch self {
        case .leaseLost: "queue.lease_lost"
        case .leaseUntrusted: "queue.lease_untrusted"
        case .revoked: Lineage.revokedCode
        case .superseded: Lineage.supersededCode
        case .withheld(let withheld): withheld.code
        case .overloaded: "queue.overloaded"
        case .unstorable: "queue.unstorable"
        case .unreadable: "queue.unreadable"
        case .database(let error): error.code
        }
    }

    /// What an operator can do about it.
    package var fix: String {
        switch self {
        case .leaseLost: "nothing: another attempt has it"
        case .superseded: "nothing: the newest one counts"
        case .leaseUntrusted: "see that the database is up and answers within a heartbeat"
        case .revoked: "countersign release, if it may be signed again"
        case .withheld: RepositoryCaps.fix
        case .overloaded: "send it again later: the database is too slow, or intake.max_waiting too low"
        case .unstorable: "report this with the text above"
        case .unreadable: "look at who can write to the database"
        case .database(let error): error.fix
        }
    }

    /// Whether the same call may succeed a moment later.
    package var isTransient: Bool {
        switch self {
        case .overloaded: true
        case .database(let error): error.isTransient
        case .leaseLost, .leaseUntrusted, .revoked, .superseded, .withheld, .unstorable, .unreadable: false
        }
    }

    /// Whether the database was not even reached, whoever has to mend that.
    package var isWithoutConnection: Bool {
        if case .database(let error) = self { error.isWithoutConnection } else { false }
    }
}

extension QueueError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .leaseLost(let jobID): "job \(jobID) is no longer held by this attempt"
        case .leaseUntrusted(let jobID): "no heartbeat of job \(jobID) was answered before its lease was about to end"
        case .revoked(let jobID): "the artifact of job \(jobID) was revoked"
        case .superseded(let jobID): "a newer generation than that of job \(jobID) was asked for"
        case .withheld(let withheld): withheld.observed
        case .overloaded(let waiting): "\(waiting) deliveries are waiting to be stored"
        case .unstorable(let code, let constraint):
            "the database refuses the row (\(code)\(constraint.map { " \($0)" } ?? ""))"
        case .unreadable(let table, let what): "a row of \(table) cannot be read: \(what)"
        case .database(let error): "\(error)"
        }
    }
}

extension QueueError {
    /// What a session or a row threw, in the queue's words.
    init(_ error: any Error) {
        switch error {
        case let error as QueueError: self = error
        case let error as PostgresError: self = Self.refusesRow(error) ?? .database(error)
        default: self = .unreadable(table: "", what: "\(error)")
        }
    }

    /// Classes 22 (data exception) and 23 (constraint) blame the row, not the database.
    private static func refusesRow(_ error: PostgresError) -> QueueError? {
        if case .unrepresentable = error { return .unstorable(code: error.code) }
        guard let state = error.sqlState, state.hasPrefix("22") || state.hasPrefix("23") else { return nil }
        guard case .server(let report) = error else { return .unstorable(code: state) }
        return .unstorable(code: state, constraint: report.constraint)
    }
}
