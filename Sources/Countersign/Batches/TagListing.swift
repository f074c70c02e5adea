import OCI
import Postgres

/// Asks registries which tags they have: for pushes that nobody told us of, and for images from before our time.
///
/// A repository is listed if we know it, or if it is named in full; a registry's catalogue is not asked for. Only
/// repositories in which policy signs: our credentials are not there to look around for others.
struct TagListing: Sendable {
    let registries: Registries
    let plan: BatchPlan

    /// No repository that policy signs in matches.
    struct NoRepository: Error, CustomStringConvertible {
        let pattern: String

        var description: String {
            "'\(pattern)' matches no repository in which policy signs and that we know; name it in full"
        }
    }

    /// A member for each tag, repository by repository, in the order of the registry's list.
    /// - Returns: `nil` when there are more than `limit`.
    /// - Throws: ``NoRepository``; `OCIError` when one of the lists cannot be read whole: a part of it would look like all.
    func subjects(
        _ selector: BatchSelector, limit: Int = BatchRequest.memberLimit
    ) async throws -> [BatchSubject]? {
        let repositories = try await repositories(selector)
        guard !repositories.isEmpty else { throw NoRepository(pattern: selector.repository?.pattern ?? "") }
        var found: [BatchSubject] = []
        for repository in repositories {
            guard let registry = registries[repository] else { continue }
            let tags: [String]
            do {
                // signatures and fallback indexes lie under tags, too: up to several for each image
                tags = try await Lane.$ofAttempt.withValue(.bulk) {
                    try await registry.tags(repository.name, limit: limit * 10)
                }
            } catch OCIError.tooLarge {
                return nil
            }
            for tag in tags where selector.tag?.matches(tag) ?? true {
                guard !SignatureTag.matches(tag) else { continue }
                found.append(BatchSubject(repository: repository, tag: tag, digest: nil))
            }
            guard found.count <= limit else { return nil }
        }
        return found
    }

    private func repositories(_ selector: BatchSelector) async throws(QueueError) -> [Repository] {
        let known = try await plan.pool.rows(
            """
            SELECT registry, name FROM countersign.repository
            WHERE \(selector.registry)::text IS NULL OR registry = \(selector.registry)::text
            ORDER BY registry, name
            """
        ).values { try $0.validRepository() }.compactMap(\.self)
        var matching = known.filter(selector.allows)
        if let named = selector.repository?.literal(amongst: plan.registries), !matching.contains(named),
            selector.allows(named), selector.registry.map({ $0 == named.registry }) ?? true
        {
            matching.append(named)
        }
        return matching.filter { plan.refusal($0, formats: nil) == nil }
    }
}

extension Glob {
    /// The one repository that a pattern without wildcards names; `nil` for others.
    fileprivate func literal(amongst registries: Set<String>) -> Repository? {
        guard !pattern.contains(where: { $0 == "*" || $0 == "?" }) else { return nil }
        guard let registry = registries.first(where: { pattern.hasPrefix($0 + "/") }) else { return nil }
        return try? Repository(registry: registry, name: String(pattern.dropFirst(registry.count + 1)))
    }
}
