import FoundationEssentials
package import OCI
package import Postgres

/// The right to write the referrers, the fallback index or the `.sig` tag of one subject, for a short time.
///
/// Registries merge nothing: two writers of a fallback index lose one entry, and both are told it worked. So one attempt
/// writes at a time. It is a lease and not a lock, because it is held across calls to the registry.
package struct SubjectLease: Sendable {
    /// Drawn at each acquisition from the queue's one sequence; a holder of an older one is a zombie.
    package let token: Int64
    private let repositoryID: Int32
    private let digest: Digest
    private let pool: ConnectionPool

    /// Takes the subject's lease if it is free, run out, or held by this attempt already.
    /// - Parameters:
    ///   - place: the repository that is written to, if it is not the target's own: signatures of equal images of several
    ///     repositories may lie in one.
    ///   - ttl: how long it outlives a holder that does not ``renew(for:)`` it.
    /// - Returns: `nil` when another attempt writes the subject now: try again shortly
    ///   (``RetryPolicy/Class/contended``).
    /// - Throws: ``QueueError/leaseLost(jobID:)`` when the job itself is lost. ``QueueError/revoked(jobID:)`` when the artifact
    ///   is revoked, ``QueueError/superseded(jobID:)`` when a newer generation takes the older signatures out: whoever does
    ///   that takes this same lease afterwards, and would not see what is only listed later.
    package static func acquire(
        for claim: Claim, of target: Target, at place: Repository? = nil, lasting ttl: Duration, in pool: ConnectionPool
    ) async throws(QueueError) -> SubjectLease? {
        let repositoryID =
            if let place, place != target.repository { try await id(of: place, in: pool) } else { target.repositoryID }
        let rows = try await pool.rows(
            """
            WITH own AS MATERIALIZED (
                SELECT id, lease_token FROM countersign.job
                WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased
                    AND lease_expires_at > clock_timestamp()
                FOR KEY SHARE),
            forbidden AS MATERIALIZED (
                SELECT \(!claim.kind.worksOnRevoked) AND EXISTS (SELECT FROM countersign.revocation v
                        WHERE v.repository_id = \(target.repositoryID)::int AND v.digest = \(target.digest.description)::text
                            AND v.released_at IS NULL) AS is_revoked,
                    EXISTS (SELECT FROM countersign.target n JOIN countersign.target_generation g ON g.target_id = n.id
                        WHERE n.digest = \(target.digest.description)::text AND n.repository_id = \(target.repositoryID)::int
                            AND n.purpose = \(target.purpose.rawValue)::text AND n.generation > \(target.generation)::int
                            AND g.removes_older AND \(unescaped: Lineage.counts)) AS is_superseded),
            taken AS (
                INSERT INTO countersign.subject_lease AS l (repository_id, digest, token, job_id, lease_token, expires_at)
                SELECT \(repositoryID)::int, \(target.digest.description)::text,
                    nextval('countersign.lease_token'), id, lease_token, clock_timestamp() + \(ttl)::interval
                FROM own, forbidden f WHERE NOT f.is_revoked AND NOT f.is_superseded
                ON CONFLICT (repository_id, digest) DO UPDATE SET token = excluded.token, job_id = excluded.job_id,
                    lease_token = excluded.lease_token, expires_at = excluded.expires_at
                WHERE l.expires_at <= clock_timestamp() OR l.lease_token = excluded.lease_token
                RETURNING token)
            SELECT (SELECT token FROM taken) AS token, own.id, f.is_revoked, f.is_superseded FROM own, forbidden f
            """
        ).values { row in
            (
                token: try row.decode("token", as: Int64?.self), isRevoked: try row.decode("is_revoked", as: Bool.self),
                isSuperseded: try row.decode("is_superseded", as: Bool.self)
            )
        }
        guard let found = rows.first else { throw .leaseLost(jobID: claim.jobID) }
        if found.isRevoked { throw .revoked(jobID: claim.jobID) }
        if found.isSuperseded { throw .superseded(jobID: claim.jobID) }
        return found.token.map {
            SubjectLease(token: $0, repositoryID: repositoryID, digest: target.digest, pool: pool)
        }
    }

    /// Holds it for so long from now, as long as the attempt that took it still holds its job.
    /// - Returns: false when it is somebody else's, or that attempt is over.
    package func renew(for ttl: Duration) async throws(QueueError) -> Bool {
        let renewed = try await pool.rows(
            """
            UPDATE countersign.subject_lease l SET expires_at = clock_timestamp() + \(ttl)::interval
            WHERE l.repository_id = \(repositoryID)::int AND l.digest = \(digest.description)::text AND l.token = \(token)
                AND EXISTS (SELECT FROM countersign.job j WHERE j.id = l.job_id AND j.lease_token = l.lease_token
                    AND j.leased AND j.lease_expires_at > clock_timestamp())
            RETURNING l.token
            """)
        return !renewed.isEmpty
    }

    /// Gives it up. If it was lost meanwhile nothing happens: the new holder's is not touched.
    package func release() async throws(QueueError) {
        _ = try await pool.rows(
            """
            DELETE FROM countersign.subject_lease
            WHERE repository_id = \(repositoryID)::int AND digest = \(digest.description)::text
                AND token = \(token)
            """)
    }

    /// The id of a repository that the configuration names, entered if it is new.
    private static func id(of repository: Repository, in pool: ConnectionPool) async throws(QueueError) -> Int32 {
        let rows = try await pool.rows(
            """
            WITH made AS (
                INSERT INTO countersign.repository (registry, name)
                VALUES (\(repository.registry)::text, \(repository.name)::text)
                ON CONFLICT DO NOTHING RETURNING id)
            SELECT id FROM made UNION ALL
            SELECT id FROM countersign.repository
            WHERE registry = \(repository.registry)::text AND name = \(repository.name)::text LIMIT 1
            """)
        guard let id = try rows.values({ try $0.decode("id", as: Int32.self) }).first else {
            throw .unreadable(table: "repository", what: "the row just written")
        }
        return id
    }
}
