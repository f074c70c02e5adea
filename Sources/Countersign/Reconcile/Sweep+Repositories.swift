import OCI
import Postgres

/// Which repositories a registry has.
extension Sweep {
    /// The registry's row, if its repositories are to be listed now; made at the first look.
    func dueListing(of registry: SweptRegistry) async throws(QueueError) -> SweepRecords.Registry? {
        let isScheduled = settings.isScheduled
        return try await queue.pool.rows(
            """
            \(unescaped: SweepRecords.registryColumns)
            WHERE registry = \(registry.name)::text AND (requested_at IS NOT NULL OR \(isScheduled))
                AND coalesce(due_at, '-infinity') <= now()
            UNION ALL
            SELECT \(registry.name)::text, NULL, NULL, 'unknown', NULL, NULL, 0, NULL, NULL, NULL, 0
            WHERE \(isScheduled)
                AND NOT EXISTS (SELECT FROM countersign.swept_registry WHERE registry = \(registry.name)::text)
            """
        ).values(SweepRecords.Registry.init).first
    }

    /// One page of the catalog, or, where there is none to ask, all the names that are known.
    func list(_ listing: SweepRecords.Registry, _ registry: SweptRegistry) async throws {
        let asked = try await databaseNow()
        if listing.page == nil { registry.course.beginsListing(at: asked) }
        guard plan.needsCatalog(of: registry.name) else {
            return try await write([], listing, of: registry, .notNeeded, error: nil, next: nil)
        }
        try await registry.pacer.pass()
        let page: ListingPage
        do {
            page = try await registry.client.catalogPage(at: listing.page, size: settings.pageSize)
        } catch {
            if listing.page != nil, error.isAboutThePage {
                // a page that is not there any more: from the start, after a pause
                try await restart(registry)
            }
            guard listing.page == nil, error.saysThereIsNoCatalog else { throw error }
            let failure = Failure(
                code: "sweep.no_catalog", stage: Self.stage, observed: "\(error)",
                fix:
                    "nothing, if this registry has no catalog; repositories that pushes never told of have to be written "
                    + "out in an endpoint's list or a rule")
            return try await write([], listing, of: registry, .absent, error: failure, next: nil)
        }
        let found = page.names.compactMap { try? Repository(registry: registry.name, name: $0) }
            .filter { plan.rule(for: $0) != nil }
        try await write(found, listing, of: registry, .listed, error: nil, next: page.next)
    }

    private func restart(_ registry: SweptRegistry) async throws {
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                "UPDATE countersign.swept_registry SET page = NULL WHERE registry = \(registry.name)::text")
        }
    }

    /// Writes down the repositories of one page, and where the listing stands. At its end those come in that no catalog has to
    /// tell: names that are written out, and those that were pushed to. A request is met by a listing that began after it; one
    /// that came meanwhile has the names listed once more.
    private func write(
        _ found: [Repository], _ listing: SweepRecords.Registry, of registry: SweptRegistry,
        _ catalog: SweepRecords.Registry.Catalog, error: Failure?, next: String?
    ) async throws {
        let began = registry.course.listingBegan
        let named = next == nil ? plan.named(in: registry.name) : []
        let (plan, interval) = (plan, settings.isScheduled ? settings.interval : nil)
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                """
                INSERT INTO countersign.swept_registry (registry) VALUES (\(registry.name)::text) ON CONFLICT DO NOTHING
                """)
            var repositories = Set(found + named)
            if next == nil {
                let known = try session.query(
                    "SELECT name FROM countersign.repository WHERE registry = \(registry.name)::text")
                for row in known {
                    guard let repository = try row.validRepository(in: registry.name) else { continue }
                    if plan.rule(for: repository) != nil { repositories.insert(repository) }
                }
            }
            let sorted = repositories.sorted { $0.name < $1.name }
            try SweepRecords.enter(sorted, in: session)
            // what was asked of the registry is asked of each of them, and nobody loses the place in the line that he has; who
            // is not due by then is so by his own time
            _ = try session.execute(
                """
                UPDATE countersign.swept_repository s
                SET requested_at = greatest(g.requested_at, s.requested_at),
                    due_at = CASE WHEN g.requested_at IS NOT NULL THEN least(s.due_at, now()) ELSE coalesce(s.due_at, now()) END
                FROM countersign.swept_registry g, countersign.repository r
                WHERE g.registry = \(registry.name)::text AND r.registry = g.registry
                    AND r.name = ANY(\(sorted.map(\.name))::text[]) AND s.repository_id = r.id
                """)
            _ = try session.execute(
                """
                UPDATE countersign.swept_registry
                SET catalog = \(catalog.rawValue)::text, page = \(next)::text, failures = 0,
                    error = \(try error?.json())::text::jsonb,
                    listed_at = CASE WHEN \(next)::text IS NULL THEN now() ELSE listed_at END,
                    requested_at = CASE WHEN \(next)::text IS NULL AND requested_at <= \(began)::text::timestamptz
                        THEN NULL ELSE requested_at END,
                    due_at = CASE WHEN \(next)::text IS NULL
                        AND (requested_at IS NULL OR requested_at <= \(began)::text::timestamptz)
                        THEN now() + \(interval)::interval ELSE now() END
                WHERE registry = \(registry.name)::text AND page IS NOT DISTINCT FROM \(listing.page)::text
                """)
        }
        if next == nil { registry.course.endsListing() }
    }

    /// A listing that was not asked for, since there was no turn for it at the registry: nothing has failed.
    func putOff(listingOf registry: SweptRegistry, for time: Duration) async throws(QueueError) {
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                """
                INSERT INTO countersign.swept_registry (registry, due_at)
                VALUES (\(registry.name)::text, now() + \(time)::interval)
                ON CONFLICT (registry) DO UPDATE SET due_at = excluded.due_at
                """)
        }
    }

    /// A listing that failed is tried again later; who asked for it hears of it after some times.
    func note(_ failure: Failure, _ registry: SweptRegistry, again pause: Duration) async throws(QueueError) {
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                """
                INSERT INTO countersign.swept_registry AS s (registry, failures, error, due_at)
                VALUES (\(registry.name)::text, 1, \(try failure.json())::text::jsonb, now() + \(pause)::interval)
                ON CONFLICT (registry) DO UPDATE SET failures = s.failures + 1, error = excluded.error,
                    due_at = excluded.due_at,
                    requested_at = CASE WHEN s.failures + 1 < \(Int32(Self.requestPatience))::int THEN s.requested_at END
                """)
        }
    }
}

extension OCIError {
    /// The answers of registries that do not list their repositories to us.
    fileprivate var saysThereIsNoCatalog: Bool { status.map { [401, 403, 404, 405].contains($0) } ?? false }
}
