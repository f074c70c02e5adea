package import FoundationEssentials
package import OCI
import Postgres

/// What came before the present state of an artifact: its generations, and its revocation.
package struct ArtifactHistory: Sendable {
    /// Newest first; the first is the present one.
    package let generations: [Generation]
    /// The one in force, or the one that was lifted last.
    package let revocation: Revocation?

    package struct Generation: Sendable {
        package let number: Int32
        package let state: TargetState
        /// Why it was signed anew; `nil` for the first.
        package let reason: String?
        package let requestedBy: String?
        package let openedAt: Date
        package let signedAt: Date?
        package let logIndex: Int64?
        /// Where its signature was put.
        package let referrer: Digest?
        /// Whether that was taken out of the registry's lists.
        package let isRemoved: Bool
    }

    package struct Revocation: Sendable {
        package let reason: String
        package let revokedBy: String
        package let revokedAt: Date
        package let removal: Revocations.Removal
        /// Why what was published is still there: what the last attempt met, or what ended them.
        package let removalError: Failure?
        package let releasedAt: Date?
        package let releasedBy: String?
        package let releaseReason: String?
    }
}

extension ArtifactRecords {
    package func history(of digest: Digest, in repository: Repository) async throws(QueueError) -> ArtifactHistory {
        let generations = try await pool.rows(
            """
            SELECT t.generation, t.state, g.reason, g.token_name, t.received_at, t.signed_at, t.log_index,
                t.referrer_digest, coalesce((SELECT bool_and(a.removed_at IS NOT NULL) FROM countersign.attachment a
                    WHERE a.target_id = t.id AND a.pushed_at IS NOT NULL), false) AS is_removed
            FROM countersign.repository r
            JOIN countersign.target t ON t.repository_id = r.id
            LEFT JOIN countersign.target_generation g ON g.target_id = t.id
            WHERE r.registry = \(repository.registry)::text AND r.name = \(repository.name)::text
                AND t.digest = \(digest.description)::text AND t.purpose = \(Purpose.signature.rawValue)::text
            ORDER BY t.generation DESC LIMIT 100
            """
        ).values(ArtifactHistory.Generation.init)
        return ArtifactHistory(generations: generations, revocation: try await revocation(of: digest, in: repository))
    }

    /// The one that is in force for any of these digests in any of these repositories; nil if there is none.
    package func revocation(
        of digests: [Digest], in repositories: [Repository]
    ) async throws(QueueError) -> ArtifactHistory.Revocation? {
        for repository in repositories {
            for digest in digests {
                if let found = try await revocation(of: digest, in: repository), found.releasedAt == nil {
                    return found
                }
            }
        }
        return nil
    }

    private func revocation(
        of digest: Digest, in repository: Repository
    ) async throws(QueueError) -> ArtifactHistory.Revocation? {
        try await pool.rows(
            """
            SELECT v.reason, v.token_name, v.revoked_at, v.removal, v.removal_error::text AS removal_error, v.released_at, v.released_by, v.release_reason
            FROM countersign.repository r JOIN countersign.revocation v ON v.repository_id = r.id
            WHERE r.registry = \(repository.registry)::text AND r.name = \(repository.name)::text
                AND v.digest = \(digest.description)::text
            ORDER BY v.id DESC LIMIT 1
            """
        ).values(ArtifactHistory.Revocation.init).first
    }
}

extension ArtifactHistory.Generation {
    fileprivate init(_ row: Row) throws {
        guard let state = TargetState(rawValue: try row.decode("state")) else {
            throw QueueError.unreadable(table: "target", what: "state")
        }
        self.init(
            number: try row.decode("generation"), state: state, reason: try row.decode("reason"),
            requestedBy: try row.decode("token_name"), openedAt: try row.decode("received_at"),
            signedAt: try row.decode("signed_at"), logIndex: try row.decode("log_index"),
            referrer: try row.decode("referrer_digest", as: String?.self).map { try Digest($0) },
            isRemoved: try row.decode("is_removed"))
    }
}

extension ArtifactHistory.Revocation {
    fileprivate init(_ row: Row) throws {
        guard let removal = Revocations.Removal(rawValue: try row.decode("removal")) else {
            throw QueueError.unreadable(table: "revocation", what: "removal")
        }
        self.init(
            reason: try row.decode("reason"), revokedBy: try row.decode("token_name"),
            revokedAt: try row.decode("revoked_at"), removal: removal,
            removalError: try row.decode("removal_error", as: String?.self).map { try Failure(json: $0) },
            releasedAt: try row.decode("released_at"),
            releasedBy: try row.decode("released_by"), releaseReason: try row.decode("release_reason"))
    }
}
