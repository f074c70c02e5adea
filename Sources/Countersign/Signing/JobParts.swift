/// What the handlers of jobs are made of.
package struct JobParts: Sendable {
    let policy: SigningPolicy
    let registries: Registries
    let signers: Signers
    let journal: Journal
    let subjects: SubjectTurns
    let queue: JobQueue
    let attestations: AttestationRecords
    let documents: DocumentStore
    let memory: DocumentMemory
    /// Documents up to this many bytes are signed whole, in memory.
    let inlineLimit: Int

    package init(
        policy: SigningPolicy, registries: Registries, signers: Signers, journal: Journal, subjects: SubjectTurns,
        queue: JobQueue, attestations: AttestationRecords, documents: DocumentStore, memory: DocumentMemory,
        inlineLimit: Int
    ) {
        self.policy = policy
        self.registries = registries
        self.signers = signers
        self.journal = journal
        self.subjects = subjects
        self.queue = queue
        self.attestations = attestations
        self.documents = documents
        self.memory = memory
        self.inlineLimit = inlineLimit
    }
}
