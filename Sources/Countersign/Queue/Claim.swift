package import OCI

/// A job that this process holds for one attempt, until its lease runs out.
///
/// Every write of the attempt carries ``leaseToken``: once another worker took the job over, this one's writes change
/// nothing and throw ``QueueError/leaseLost(jobID:)``.
package struct Claim: Sendable {
    package let jobID: Int64
    package let leaseToken: Int64
    package let kind: JobKind
    package let subject: Subject
    package let lane: Lane
    /// 1 for the first; failures that do not count (an upstream was down) do not raise it.
    package let attempt: Int
    /// Failures in a row so far, counted or not: what the backoff grows with.
    package let failures: Int
    /// How often a process died holding it. From ``JobQueue/Settings/crashLimit`` on it must run alone.
    package let crashes: Int
    /// How many indexes lead to it; 0: it was asked for by itself.
    package let depth: Int16
    /// Names the delivery of the latest push, in logs and in `event`; `nil` where none is known.
    package let deliveryKey: [UInt8]?
    /// Jobs of one number may be signed with one statement; `nil`: by itself.
    package let groupID: Int64?
    /// In which formats its target is wanted; `nil`: in all that the rule names.
    package var formats: Set<SignatureFormat>?
    /// How long this process may believe in its lease: every heartbeat renews it, for all that hold this claim.
    package let lease: LeaseTrust

    /// What the row is about.
    package enum Subject: Sendable {
        /// `isRecheck`: it is signed already; see that what was published still stands.
        case target(Target, isRecheck: Bool)
        /// Not resolved yet. The actor is whoever pushed it, as far as that is known.
        case tag(String, in: Repository, actor: String?)

        /// `nil` for a tag.
        package var target: Target? {
            switch self {
            case .target(let target, _): target
            case .tag: nil
            }
        }
    }

    /// `nil` for a tag that is not resolved yet.
    package var target: Target? { subject.target }

    /// Whether it only looks back at what is signed already.
    package var isRecheck: Bool {
        switch subject {
        case .target(_, let isRecheck): isRecheck
        case .tag: false
        }
    }

    package var repository: Repository {
        switch subject {
        case .target(let target, _): target.repository
        case .tag(_, let repository, _): repository
        }
    }

    /// The target, for the kinds that take no other subject.
    /// - Throws: ``QueueError/unreadable(table:what:)`` of a tag's job.
    func requireTarget() throws(QueueError) -> Target {
        guard let target else { throw .unreadable(table: "job", what: "target of \(jobID)") }
        return target
    }
}
