package import OCI

/// A job that this process holds for one attempt, until its lease runs out.
///
/// Every write of the attempt carries ``leaseToken``: once another worker took the job over, this one's writes change
/// nothing and throw ``QueueError/leaseLost(jobID:)``.
package struct Claim: Sendable {
    package let jobID: Int64
    package let leaseToken: Int64
    package let work: Work
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
    /// How long this process may believe in its lease: every heartbeat renews it, for all that hold this claim.
    package let lease: LeaseTrust

    package enum Work: Sendable {
        /// `recheck`: it is signed already; see that its attachments still stand.
        case sign(Target, recheck: Bool)
        case resolve(Repository, repositoryID: Int32, tag: String, actor: String?)
        /// The target's purpose names predicate type and document. `recheck`: as for a signature.
        case attest(Target, recheck: Bool)
        /// It is revoked.
        case withdraw(Target)
    }

    package var kind: JobKind {
        switch work {
        case .sign: .sign
        case .resolve: .resolve
        case .attest: .attest
        case .withdraw: .withdraw
        }
    }

    /// `nil` for a tag that is not resolved yet.
    package var target: Target? {
        switch work {
        case .sign(let target, _), .attest(let target, _), .withdraw(let target): target
        case .resolve: nil
        }
    }

    package var repository: Repository {
        switch work {
        case .sign(let target, _), .attest(let target, _), .withdraw(let target): target.repository
        case .resolve(let repository, _, _, _): repository
        }
    }
}
