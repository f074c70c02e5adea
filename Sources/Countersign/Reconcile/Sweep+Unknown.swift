import Logging
import OCI
import Postgres

/// Repositories that the registry does not have: a name that was mistyped, one that was deleted, one in which nothing has a tag.
/// There is nothing to list in them, and that is no failure of a listing.
extension Sweep {
    /// What the sweep says at its end of a repository that the registry says it does not have; nil where it does not say so, and
    /// where images of it are signed by our records: a registry that has lost them answers so, and so does one that hides them.
    func unknown(_ error: OCIError, _ sweep: SweepRecords.Sweep) async throws(QueueError) -> Failure? {
        guard case .notFound(let answer) = error, answer.saysThereIsNoRepository,
            try await !isSignedIn(sweep.id)
        else { return nil }
        let failure = Failure(
            code: Self.repositoryUnknownCode, stage: Self.stage, observed: "\(error)",
            fix: "nothing, if it was deleted, has no tags, or its name was mistyped; what is pushed to it is found")
        logger.info(
            "the registry does not know the repository",
            metadata: [
                "repository": "\(sweep.repository)", "error.code": "\(failure.code)", "error": "\(failure.observed)",
            ])
        return failure
    }

    /// Whether a signature of ours ought to be there.
    private func isSignedIn(_ repository: Int32) async throws(QueueError) -> Bool {
        let rows = try await queue.pool.rows(
            """
            SELECT EXISTS (SELECT FROM countersign.target
                WHERE repository_id = \(repository)::int AND state = 'signed') AS is_signed
            """)
        return try rows.values { try $0.decode("is_signed", as: Bool.self) }.first ?? false
    }
}
