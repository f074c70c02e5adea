import Sigstore

extension Journal {
    /// How long an attempt may take to get a log's answer for a group's evidence before another one may send it, too:
    /// longer than a log's timeout and its retries.
    private static let sendingLease: Duration = .seconds(60)

    /// The entries of evidence: the stored ones, if a sibling of the group has them already, else what `submit` gets.
    ///
    /// A target's own evidence is nobody else's. That of a group may be found by all its members at once, after a crash; a
    /// Rekor v2 log would make an entry of each request, so one of them sends it and the others come again.
    /// - Throws: ``SigningError/groupBusy``; what `submit` throws.
    func entry(
        of evidence: Evidence, for claim: Claim, _ submit: (Evidence) async throws -> Evidence.Entered
    ) async throws -> Evidence.Entered {
        if let stored = evidence.logged { return (evidence, try TlogEntry(json: stored.entry)) }
        guard evidence.prepared.subjects > 1 else { return try await submit(evidence) }
        let ttl = Self.sendingLease * evidence.prepared.requests.count
        guard let evidence = try await takeSending(evidence, for: claim, lasting: ttl) else {
            throw SigningError.groupBusy
        }
        do {
            return try await submit(evidence)
        } catch {
            // it runs out by itself; in a task of its own, because the failure may be this one's cancellation
            await Task { try? await stopSending(evidence, for: claim) }.value
            throw error
        }
    }
}
