import Postgres

extension JobQueue {
    /// Ids of the repositories, adding those that are pushed to for the first time. Reading comes first, so that the
    /// identity column is not used up by conflicts.
    static func repositoryIDs(
        of pushes: [AcceptedPush], in session: Session
    ) throws -> [AcceptedPush.RepositoryKey: Int32] {
        let keys = Set(pushes.map(\.repository)).sorted { ($0.registry, $0.name) < ($1.registry, $1.name) }
        var ids = try knownRepositoryIDs(keys, in: session)
        let missing = keys.filter { ids[$0] == nil }
        if !missing.isEmpty {
            _ = try session.execute(
                """
                INSERT INTO countersign.repository (registry, name)
                SELECT * FROM unnest(\(missing.map(\.registry))::text[], \(missing.map(\.name))::text[])
                ON CONFLICT (registry, name) DO NOTHING
                """)
            ids.merge(try knownRepositoryIDs(missing, in: session)) { $1 }
        }
        return ids
    }

    private static func knownRepositoryIDs(
        _ keys: [AcceptedPush.RepositoryKey], in session: Session
    ) throws -> [AcceptedPush.RepositoryKey: Int32] {
        guard !keys.isEmpty else { return [:] }
        let rows = try session.query(
            """
            SELECT r.id, r.registry, r.name
            FROM unnest(\(keys.map(\.registry))::text[], \(keys.map(\.name))::text[]) AS k(registry, name)
            JOIN countersign.repository r ON r.registry = k.registry AND r.name = k.name
            """)
        var ids: [AcceptedPush.RepositoryKey: Int32] = [:]
        for row in rows {
            ids[AcceptedPush.RepositoryKey(registry: try row.decode("registry"), name: try row.decode("name"))] =
                try row.decode("id")
        }
        return ids
    }
}
