package import FoundationEssentials
package import OCI
import Postgres

/// Which artifacts a batch is about, by what our own records say of them (targets, the ledger of tags, refused pushes), or
/// by the tags that registries list, of which we may never have heard.
///
/// All that is given must hold.
package struct BatchSelector: Sendable, Equatable {
    package enum Source: String, Sendable, CaseIterable {
        case records
        /// Tags as they are listed now; where each points is asked when it comes up. Conditions on signatures do not apply:
        /// a batch signs nothing that is signed.
        case registry
    }

    package var source = Source.records
    /// Canonical name.
    package var registry: String?
    /// Over `registry/name`.
    package var repository: Glob?
    /// Over the tags that our ledger has at the digest now; each match is a member of its own.
    package var tag: Glob?
    package var digests: Set<Digest>?
    /// Without a signature of ours, whatever the reason: refused pushes among them.
    package var unsigned = false
    /// Signed, and that before.
    package var signedBefore: Date?
    /// Signed, and with this name in the certificate.
    package var identity: String?

    /// What its asker is confined to: nothing else is selected, and nothing else is listed for it.
    package var scope: TokenScope?

    package init() {}

    func allows(_ repository: Repository) -> Bool {
        (self.repository?.matches(repository.description) ?? true) && scope?.allows(repository) ?? true
    }

    /// Whether only signed artifacts can match.
    var wantsSigned: Bool { signedBefore != nil || identity != nil }
}

/// Reads the selection, page by page.
struct BatchSelection: Sendable {
    let pool: ConnectionPool
    private static let page = 2_000

    /// - Parameter signedOnly: for a re-signing: what has no signature cannot have another.
    /// - Returns: in the order of digest and repository, one row for each tag where tags were asked for; `nil` when there
    ///   are more than `limit`.
    func subjects(
        _ selector: BatchSelector, signedOnly: Bool, limit: Int = BatchRequest.memberLimit
    ) async throws(QueueError) -> [BatchSubject]? {
        var found: [BatchSubject] = []
        var after: Int64 = 0
        repeat {
            let rows = try await page(selector, signedOnly: signedOnly, after: after)
            after = rows.count < Self.page ? -1 : rows.last?.targetID ?? -1
            for row in rows where selector.allows(row.repository) {
                if let tag = selector.tag {
                    for name in row.tags where tag.matches(name) {
                        found.append(BatchSubject(repository: row.repository, tag: name, digest: row.digest))
                    }
                } else {
                    found.append(BatchSubject(repository: row.repository, tag: nil, digest: row.digest))
                }
            }
            guard found.count <= limit else { return nil }
        } while after >= 0
        if selector.unsigned, !signedOnly {
            let known = Set(found)
            found += try await refusedPushes(selector, limit: limit).filter { !known.contains($0) }
            guard found.count <= limit else { return nil }
        }
        return found
    }

    private struct Selected {
        let targetID: Int64
        let repository: Repository
        let digest: Digest
        let tags: [String]
    }

    /// Newest generations, by the id of their target. A revoked one is never selected.
    private func page(
        _ selector: BatchSelector, signedOnly: Bool, after: Int64
    ) async throws(QueueError) -> [Selected] {
        let digests: [String]? = selector.digests?.map(\.description).sorted()
        let signed = signedOnly || selector.wantsSigned
        let wantsTags = selector.tag != nil
        return try await pool.rows(
            """
            SELECT t.id, t.digest, r.registry, r.name,
                CASE WHEN \(wantsTags) THEN ARRAY(
                    SELECT DISTINCT h.tag FROM countersign.tag_history h
                    WHERE h.repository_id = t.repository_id AND h.digest = t.digest
                        AND NOT EXISTS (SELECT FROM countersign.tag_history newer
                            WHERE newer.repository_id = h.repository_id AND newer.tag = h.tag AND newer.id > h.id)
                    ORDER BY h.tag) ELSE ARRAY[]::text[] END AS tags
            FROM countersign.target t JOIN countersign.repository r ON r.id = t.repository_id
            WHERE t.id > \(after) AND t.purpose = \(Purpose.signature.rawValue)::text AND t.state <> 'revoked'
                AND NOT EXISTS (SELECT FROM countersign.target newer
                    WHERE newer.digest = t.digest AND newer.repository_id = t.repository_id AND newer.purpose = t.purpose
                        AND newer.generation > t.generation)
                AND (\(selector.registry)::text IS NULL OR r.registry = \(selector.registry)::text)
                AND (\(digests)::text[] IS NULL OR t.digest = ANY(\(digests)::text[]))
                AND (NOT \(signed) OR t.state = 'signed')
                AND (NOT \(selector.unsigned) OR t.state <> 'signed')
                AND (\(selector.signedBefore)::timestamptz IS NULL OR t.signed_at < \(selector.signedBefore)::timestamptz)
                AND (\(selector.identity)::text IS NULL OR t.identity = \(selector.identity)::text)
            ORDER BY t.id LIMIT \(Int64(Self.page))
            """
        ).values { row in
            Selected(
                targetID: try row.decode("id"),
                repository: try Repository(registry: try row.decode("registry"), name: try row.decode("name")),
                digest: try Digest(try row.decode("digest", as: String.self)), tags: try row.decode("tags"))
        }
    }

    /// Pushes that never became a target, for as long as events are kept. What they name is what a payload claimed: the
    /// policy judges it like everything else.
    private func refusedPushes(_ selector: BatchSelector, limit: Int) async throws(QueueError) -> [BatchSubject] {
        let digests: [String]? = selector.digests?.map(\.description).sorted()
        let rows = try await pool.rows(
            """
            SELECT DISTINCT e.registry, e.repository, e.digest,
                CASE WHEN \(selector.tag != nil) THEN e.tag END AS tag
            FROM countersign.event e
            WHERE e.verdict = 'refused' AND e.digest IS NOT NULL
                AND (\(selector.registry)::text IS NULL OR e.registry = \(selector.registry)::text)
                AND (\(digests)::text[] IS NULL OR e.digest = ANY(\(digests)::text[]))
                AND NOT EXISTS (SELECT FROM countersign.target t JOIN countersign.repository r ON r.id = t.repository_id
                    WHERE t.digest = e.digest AND r.registry = e.registry AND r.name = e.repository)
            ORDER BY 1, 2, 3 LIMIT \(Int64(limit + 1))
            """
        ).values { row -> BatchSubject? in
            guard
                let repository = try? Repository(
                    registry: try row.decode("registry"), name: try row.decode("repository")),
                let digest = try? Digest(try row.decode("digest", as: String.self)),
                selector.allows(repository)
            else { return nil }
            let tag: String? = try row.decode("tag")
            if let glob = selector.tag {
                guard let tag, glob.matches(tag) else { return nil }
            }
            return BatchSubject(repository: repository, tag: tag, digest: digest)
        }
        return rows.compactMap { $0 }
    }
}
