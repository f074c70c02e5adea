import FailPoints
import OCI
import Sigstore

/// Takes a document that arrived whole: sees what it is, and keeps it as an attestation, with the job that signs it. Whoever
/// sent it was allowed to (``AttestationUpload``).
struct AttestationIntake: Sendable {
    let queue: JobQueue
    let records: AttestationRecords
    let documents: DocumentStore
    let memory: DocumentMemory
    /// How long a document waits for its artifact.
    let wait: Duration

    /// What the document was sent for, and the rule that allows it.
    struct Order: Sendable {
        let digest: Digest
        let repository: Repository
        let type: PredicateType
        /// Nil: as the document turns out to be.
        let replaces: Bool?
        let rule: String
        let policyVersion: String
    }

    /// - Parameter audit: the row that is written with it.
    /// - Throws: `DocumentError` for one that is not what it is said to be; ``QueueError``.
    func take(
        _ document: DocumentStore.Received, for order: Order, _ audit: AuditLog.Entry
    ) async throws -> AttestationRecords.Taken {
        let format = order.type.format
        let facts = try await memory.holding(document.size) {
            try format.check(try await documents.whole(document.id, size: document.size))
        }
        try FailPoint.storeDocument.before(QueueError.injected)
        let taken = try await records.take(
            AttestationRecords.Submission(
                digest: order.digest, repository: order.repository, type: order.type, facts: facts, document: document,
                replaces: order.replaces ?? format.isVEX(facts), wait: wait, rule: order.rule,
                policyVersion: order.policyVersion, audit: audit))
        try FailPoint.storeDocument.after(QueueError.injected)
        queue.notifier.jobsAreDue()
        return taken
    }
}
