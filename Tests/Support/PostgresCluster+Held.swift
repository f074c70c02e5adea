package import Postgres

/// A database that is dropped when nothing refers to this any more. A whole run makes more than a thousand, ten
/// megabytes each: kept to the end they filled the disk of a machine that had room for everything else.
public final class HeldDatabase: Sendable {
    package let configuration: PostgresConfiguration
    private let name: String
    private let cluster: PostgresCluster

    init(_ configuration: PostgresConfiguration, named name: String, of cluster: PostgresCluster) {
        (self.configuration, self.name, self.cluster) = (configuration, name, cluster)
    }

    deinit {
        Task { [cluster, name] in await cluster.release(name) }
    }
}

extension PostgresCluster {
    /// A database that nothing holds, and when that was first so.
    struct Released {
        let name: String
        let since: ContinuousClock.Instant
    }

    /// A new database of the shared cluster, there for as long as the result is referred to or a session is open on it.
    public static func held(migratedFrom directory: String) async throws -> HeldDatabase {
        let cluster = try await shared()
        let configuration = try await cluster.database(migratedFrom: directory)
        guard let name = configuration.database else { throw SupportError("a database without a name") }
        return HeldDatabase(configuration, named: name, of: cluster)
    }

    func release(_ name: String) {
        released.append(Released(name: name, since: .now))
        guard !isDropping else { return }
        isDropping = true
        Task { await dropReleased() }
    }

    /// Drops what was released, until nothing is left. A pool may outlive the fixture that made it: what has a session
    /// stays, and so does for a while what has none, as a pool between two sessions has none either.
    private func dropReleased() async {
        while !released.isEmpty {
            try? await Task.sleep(for: .seconds(1))
            let due = released.filter { $0.since.duration(to: .now) > .seconds(5) }.map(\.name)
            for name in due {
                do {
                    guard try await drop(name) else { continue }
                } catch {
                    print("test database \(name) is not dropped: \(error)")
                }
                released.removeAll { $0.name == name }
            }
        }
        isDropping = false
    }

    /// - Returns: whether it is gone; false where somebody is still connected.
    private func drop(_ name: String) async throws -> Bool {
        try await dropping.withSession(deadline: .seconds(60)) { session in
            let sessions = try session.query("SELECT 1 FROM pg_stat_activity WHERE datname = \(name)::text LIMIT 1")
            guard sessions.isEmpty else { return false }
            _ = try session.execute(Query(unsafeSQL: "DROP DATABASE \(name)"))
            return true
        }
    }
}
