import Postgres
import Support
import Testing

/// `sslmode=verify-full`, as operators are told to set it: the server has to prove its name.
@Suite struct TLSTests {
    private static let name = "database.example"

    /// One for all tests here; it has a certificate for ``name``.
    private static let cluster = Task { try await PostgresCluster(provenAs: name) }

    /// A pool whose server has to be `name`, by that root. The address is given beside it, so that nobody is asked for the name.
    private func pool(at port: Int, name: String = name, root: String) throws -> ConnectionPool {
        let url =
            "postgresql://postgres@\(name):\(port)/postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=\(root)"
        return ConnectionPool(try PostgresConfiguration(url: url), size: 1, waitLimit: .seconds(30))
    }

    @discardableResult
    private func expectDistrust(_ pool: ConnectionPool, because reason: String) async throws -> PostgresError {
        let error = try #require(await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") })
        #expect(error.code == "postgres.untrusted" && "\(error)".contains(reason), "\(error)")
        #expect(!error.isTransient && error.isWithoutConnection && !error.answerMayBeLost)
        await pool.close()
        return error
    }

    @Test func `a server that proves its name is spoken to, over TLS`() async throws {
        let cluster = try await Self.cluster.value
        let pool = try pool(at: cluster.port, root: cluster.rootFile)
        let row = try await pool.query("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0]
        #expect(try row.decode("ssl", as: Bool.self))
        #expect(["TLSv1.2", "TLSv1.3"].contains(try row.decode("version", as: String.self)))
        await pool.close()
    }

    @Test func `a certificate for another name is not trusted`() async throws {
        let cluster = try await Self.cluster.value
        let pool = try pool(at: cluster.port, name: "other.example", root: cluster.rootFile)
        try await expectDistrust(pool, because: "does not match host name")
    }

    @Test func `a certificate of another authority is not trusted, nor is any without a root`() async throws {
        let (cluster, other) = (try await Self.cluster.value, try await PostgresCluster(provenAs: Self.name))
        try await expectDistrust(
            try pool(at: cluster.port, root: other.rootFile), because: "certificate verify failed")
        try await expectDistrust(
            try pool(at: cluster.port, root: other.rootFile + ".none"), because: "root certificate file")
    }

    /// libpq says no more than that, so the fix has to name what it may be.
    @Test func `a certificate that has expired is not trusted, and the fix says how to see that`() async throws {
        let cluster = try await PostgresCluster(provenAs: Self.name, isExpired: true)
        let error = try await expectDistrust(
            try pool(at: cluster.port, root: cluster.rootFile), because: "certificate verify failed")
        #expect(error.fix.contains("has expired") && error.fix.contains("openssl s_client -starttls postgres"))
    }

    @Test func `a server without TLS is not spoken to`() async throws {
        let (plain, root) = (try await PostgresCluster.shared(), try await Self.cluster.value.rootFile)
        try await expectDistrust(try pool(at: plain.port, root: root), because: "does not support SSL")
    }

    @Test func `of several servers the one that is not trusted does not speak for the others`() async throws {
        let cluster = try await Self.cluster.value
        // nobody listens at port 1
        for ports in [[1, cluster.port], [cluster.port, 1]] {
            let url =
                "postgresql://postgres@\(ports.map { "other.example:\($0)" }.joined(separator: ","))/postgres"
                + "?hostaddr=127.0.0.1,127.0.0.1&sslmode=verify-full&sslrootcert=\(cluster.rootFile)"
            let pool = ConnectionPool(try PostgresConfiguration(url: url), size: 1, waitLimit: .seconds(1))
            let error = try #require(await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") })
            #expect(error.code == "postgres.unavailable" && "\(error)".contains("does not match host name"), "\(error)")
            #expect(error.isTransient)
            await pool.close()
        }
    }
}
