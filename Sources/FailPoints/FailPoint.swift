/// The steps of a push's way, and of what a daemon does by itself, at which a build for tests can be made to die, fail, stand
/// still or lose an answer: each of them before it is done and after. The names are those of the crash table
/// (docs/architecture.md §5).
///
/// Only where the package was built with `COUNTERSIGN_FAIL_POINTS` set. In every other build passing one is an empty
/// function that is inlined, and nothing can be armed.
package enum FailPoint: Sendable, CaseIterable {
    /// A delivery becomes events, targets and jobs: one commit, then 202.
    case delivery
    /// Members of a batch enter the queue: one commit.
    case batchStep
    /// The registry is asked where a tag points.
    case resolve
    /// Due jobs are leased: one commit.
    case claim
    /// Generation and policy are looked at.
    case authorise
    /// The manifest is fetched by its digest.
    case fetch
    /// The registry is searched for a signature of ours that the database does not know.
    case adopt
    /// A key and its certificate are at hand.
    case certificate
    /// The document is signed, in memory.
    case sign
    /// The signature is timestamped.
    case timestamp
    /// COMMIT 1: everything that is about to become public.
    case prepare
    /// The log takes the bytes.
    case log
    /// Our own output is verified: first all but the entry, then, with COMMIT 2, all of it.
    case verify
    /// COMMIT 2: the log's answer, and what will be published.
    case recordEntry
    /// It is put into the registry, from the subject's lease to its return.
    case publish
    /// The subject's lease is taken.
    case turn
    /// A blob is uploaded.
    case pushBlob
    /// The referrer's manifest is written.
    case pushManifest
    /// The fallback index is written.
    case pushIndex
    /// The legacy tag is written.
    case pushTag
    /// The registry serves it, and that is recorded.
    case readBack
    /// COMMIT 3: pushed.
    case recordPush
    /// The job ends or goes back: one commit.
    case settle
    /// The rest of a group is leased beside the job that came due: one commit.
    case groupGather
    /// COMMIT 1 of a group: one statement for all of its members.
    case groupPrepare
    /// The log takes a group's bytes, once.
    case groupLog
    /// COMMIT 2 of a group: the entry, and a manifest for each member.
    case groupRecordEntry
    /// One member of a group is published, up to COMMIT 3.
    case groupMember
    /// A document is kept whole, and queued: one commit, then 202.
    case storeDocument
    /// The older documents of its type are marked as superseded: one commit.
    case supersede
    /// What was taken out of the registry's lists is recorded: one commit.
    case recordRemoval
    /// A page of a sweep is written, with what no webhook told of: one commit.
    case sweepPage
    /// A signature of ours that the registry was found to serve is recorded: one commit.
    case recordAdoption
    /// A look back finds that the registry does not serve a signature any more: one commit, before it is put back.
    case recordMissing
    /// A revocation is lifted, and what was pushed is queued again: one commit.
    case release
    /// A receiver takes an event.
    case notify
    /// The event that was taken leaves the outbox: one commit.
    case recordNotification
    /// COMMIT 1 of the audit log's head: what is about to be logged.
    case anchorPrepare
    /// The log takes the head's bytes.
    case anchorLog
    /// COMMIT 2 of the head: its entry.
    case anchorRecordEntry
    /// Entries of a log that were read, and what was found in them, are written: one commit.
    case monitorPage
}

/// What a fail point lets its step fail with.
package enum InjectedFault: Sendable {
    /// It was not possible.
    case error
    /// It was done, and nobody was told.
    case answerLost
}

extension FailPoint {
    #if FAIL_POINTS
        /// Passes the point before its step.
        /// - Parameter failure: how the step's caller sees a fault.
        package func before<Failure: Error>(_ failure: (InjectedFault) -> Failure) throws(Failure) {
            if let fault = ArmedFailPoint.pass(.before, self) { throw failure(fault) }
        }

        /// Passes the point after its step.
        /// - Parameter failure: how the step's caller sees a fault.
        package func after<Failure: Error>(_ failure: (InjectedFault) -> Failure) throws(Failure) {
            if let fault = ArmedFailPoint.pass(.after, self) { throw failure(fault) }
        }

        /// Passes the point before the step and, unless that fails, after it.
        /// - Parameter failure: how the step's caller sees a fault.
        package func around<Result: Sendable, Failure: Error>(
            _ failure: (InjectedFault) -> Failure, _ step: () async throws(Failure) -> Result
        ) async throws(Failure) -> Result {
            try before(failure)
            let result = try await step()
            try after(failure)
            return result
        }
    #else
        /// Nothing: this build has no fail points.
        @inlinable @inline(__always)
        package func before<Failure: Error>(_ failure: (InjectedFault) -> Failure) throws(Failure) {}

        /// Nothing: this build has no fail points.
        @inlinable @inline(__always)
        package func after<Failure: Error>(_ failure: (InjectedFault) -> Failure) throws(Failure) {}

        /// The step alone: this build has no fail points.
        @inlinable @inline(__always)
        package func around<Result: Sendable, Failure: Error>(
            _ failure: (InjectedFault) -> Failure, _ step: () async throws(Failure) -> Result
        ) async throws(Failure) -> Result { try await step() }
    #endif
}
