import FoundationEssentials
package import Postgres
package import TUF

/// The cache of trusted metadata that all daemons share: a rollback that one of them would notice, all notice.
///
/// Rows are fenced by (root version, version), so a replica that read an older state cannot bring it back; the turn keeps
/// replicas from fetching the same things side by side, correctness does not rest on it.
package struct TUFDatabaseCache: TUFCache {
    private static let turnLength: Duration = .seconds(60)
    private static let turnPatience: Duration = .seconds(120)

    private let pool: ConnectionPool
    private let repository: String
    private let holder = UUID()

    /// - Parameter repository: tells repositories apart: URL and pinned root.
    package init(pool: ConnectionPool, repository: String) {
        self.pool = pool
        self.repository = repository
    }

    package func root(version: Int64) async throws(TUFError) -> [UInt8]? {
        try await bytes(
            "SELECT content FROM countersign.tuf_root WHERE repository = \(repository) AND version = \(version)")
    }

    package func storeRoot(_ bytes: [UInt8], version: Int64) async throws(TUFError) {
        // a stored root that does not verify is replaced by one that does
        try await run(
            """
            INSERT INTO countersign.tuf_root (repository, version, content) VALUES (\(repository), \(version), \(bytes))
            ON CONFLICT (repository, version) DO UPDATE SET content = EXCLUDED.content, stored_at = now()
            """)
    }

    package func metadata(of role: String) async throws(TUFError) -> [UInt8]? {
        try await bytes(
            "SELECT content FROM countersign.tuf_metadata WHERE repository = \(repository) AND role = \(role)")
    }

    package func store(_ bytes: [UInt8], of role: String, version: Int64, under root: Int64) async throws(TUFError) {
        try await run(
            """
            INSERT INTO countersign.tuf_metadata AS known (repository, role, root_version, version, content)
            VALUES (\(repository), \(role), \(root), \(version), \(bytes))
            ON CONFLICT (repository, role) DO UPDATE
            SET root_version = EXCLUDED.root_version, version = EXCLUDED.version, content = EXCLUDED.content,
                stored_at = now()
            WHERE (EXCLUDED.root_version, EXCLUDED.version) >= (known.root_version, known.version)
            """)
    }

    package func forget(_ role: String, under root: Int64) async throws(TUFError) {
        try await run(
            """
            DELETE FROM countersign.tuf_metadata
            WHERE repository = \(repository) AND role = \(role) AND root_version < \(root)
            """)
    }

    package func target(_ path: String) async throws(TUFError) -> [UInt8]? {
        try await bytes(
            "SELECT content FROM countersign.tuf_target WHERE repository = \(repository) AND path = \(path)")
    }

    package func storeTarget(_ bytes: [UInt8], path: String) async throws(TUFError) {
        try await run(
            """
            INSERT INTO countersign.tuf_target (repository, path, content) VALUES (\(repository), \(path), \(bytes))
            ON CONFLICT (repository, path) DO UPDATE SET content = EXCLUDED.content, stored_at = now()
            """)
    }

    package func exclusively<Result: Sendable>(
        _ update: @Sendable () async throws(TUFError) -> Result
    ) async throws(TUFError) -> Result {
        let deadline = ContinuousClock.now + Self.turnPatience
        while try await !takeTurn() {
            guard ContinuousClock.now < deadline else { throw .cache("another daemon's update does not end") }
            do { try await Task.sleep(for: .milliseconds(250)) } catch { throw .cache("cancelled") }
        }
        let result: Swift.Result<Result, TUFError>
        do throws(TUFError) { result = .success(try await update()) } catch { result = .failure(error) }
        // a turn that cannot be given back ends by itself
        try? await run("DELETE FROM countersign.tuf_turn WHERE repository = \(repository) AND holder = \(holder)")
        return try result.get()
    }

    private func takeTurn() async throws(TUFError) -> Bool {
        do {
            let rows = try await pool.query(
                """
                INSERT INTO countersign.tuf_turn AS known (repository, holder, until)
                VALUES (\(repository), \(holder), now() + \(Self.turnLength))
                ON CONFLICT (repository) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until
                WHERE known.until < now()
                RETURNING holder
                """)
            return !rows.isEmpty
        } catch {
            throw .cache("\(error)")
        }
    }

    private func bytes(_ query: Query) async throws(TUFError) -> [UInt8]? {
        do { return try await pool.query(query).first?.decode("content") } catch { throw .cache("\(error)") }
    }

    private func run(_ query: Query) async throws(TUFError) {
        do { try await pool.execute(query) } catch { throw .cache("\(error)") }
    }
}
