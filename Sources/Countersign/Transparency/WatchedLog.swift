package import Sigstore

/// A log whose word is remembered: nothing is entered in it while an alarm is open, and the checkpoint of every entry it
/// gives is held against those it gave before.
package struct WatchedLog: TransparencyLog {
    private let log: any TransparencyLog
    private let verifier: CheckpointVerifier
    private let records: LogRecords
    private let writes = CheckpointWrites()

    package init(_ log: any TransparencyLog, verifier: CheckpointVerifier, records: LogRecords) {
        self.log = log
        self.verifier = verifier
        self.records = records
    }

    package var id: String { log.id }
    package var api: RekorAPI { log.api }

    package func request(for submission: LogSubmission) throws(SigstoreError) -> [UInt8] {
        try log.request(for: submission)
    }

    package func submit(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry {
        try await demandNoAlarm()
        return try await remembered(log.submit(request))
    }

    /// An entry that the log was asked for in another way, remembered as any other; while an alarm is open it is not asked.
    func remembering(
        _ ask: () async throws(SigstoreError) -> TlogEntry?
    ) async throws(SigstoreError) -> TlogEntry? {
        try await demandNoAlarm()
        guard let entry = try await ask() else { return nil }
        return try await remembered(entry)
    }

    private func demandNoAlarm() async throws(SigstoreError) {
        guard let detail = try await remembering(isLost: false, { try await records.alarm(of: log.id) }) else { return }
        throw .logInconsistent(log: log.id, detail: detail)
    }

    package func lookup(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry? {
        guard let entry = try await log.lookup(request) else { return nil }
        return try await remembered(entry)
    }

    /// Whether the entry's checkpoint extends the earlier ones is proven by the next look of the ``LogWatch``; that it does
    /// not contradict one of the same size is seen here.
    private func remembered(_ entry: TlogEntry) async throws(SigstoreError) -> TlogEntry {
        // one that the log did not sign says nothing about it: the verifier refuses the entry
        guard let note = entry.inclusionProof?.checkpoint, let checkpoint = try? Checkpoint(note: note),
            (try? verifier.verify(checkpoint)) != nil
        else { return entry }
        let contradiction = try await remembering(isLost: true) { () -> LogContradiction? in
            let store = records.store(of: log.id)
            guard let other = try await writes(checkpoint, { try await store.record(checkpoint) }) else { return nil }
            let contradiction = LogContradiction(other, checkpoint, "two roots of \(checkpoint.size) leaves")
            try await records.raise(contradiction, of: log.id)
            return contradiction
        }
        if let contradiction { throw .logInconsistent(log: log.id, detail: contradiction.detail) }
        return entry
    }

    private func remembering<Value: Sendable>(
        isLost: Bool, _ body: () async throws -> Value
    ) async throws(SigstoreError) -> Value {
        do {
            return try await body()
        } catch let error as SigstoreError {
            throw error
        } catch {
            throw .unavailable(
                .rekor, detail: "its remembered checkpoints cannot be read: \(error)", retryAfter: nil,
                answerMayBeLost: isLost)
        }
    }
}
