import Support
import Testing

@testable import Postgres

@Suite struct ErrorTests {
    private static let secret = "s3cr3t-value-77"

    /// Each statement fails with the secret as a parameter; the server's own text would repeat it.
    @Test(
        arguments: [
            ("22P02", "SELECT \(secret)::int"),
            ("22007", "SELECT \(secret)::timestamptz"),
            ("22P02", "SELECT \(secret)::jsonb"),
            ("23505", "INSERT INTO secret VALUES (\(secret), 2), (\(secret), 3)"),
            ("23514", "INSERT INTO secret VALUES (\(secret), 0)"),
            ("23502", "INSERT INTO secret VALUES (\(secret), NULL)"),
            ("22001", "INSERT INTO short VALUES (\(secret))"),
            ("P0001", "SELECT raise(\(secret))"),
            ("42601", "SELECT run(\(secret))"),
            ("42P01", "SELECT run('SELECT FROM \"' || \(secret) || '\"')"),
        ] as [(String, Query)])
    func `an error never repeats a value`(state: String, query: Query) async throws {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: 1)
        try await pool.withSession { session in
            try session.execute("CREATE TABLE short (v varchar(3))")
            try session.execute("CREATE TABLE secret (name text PRIMARY KEY, n int NOT NULL CHECK (n > 0))")
            try session.execute(
                """
                CREATE FUNCTION raise(t text) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'bad: %', t USING DETAIL = t, HINT = t; END $$
                """)
            try session.execute(
                "CREATE FUNCTION run(t text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE t; RETURN 1; END $$")
        }
        let error = try #require(await #expect(throws: PostgresError.self) { try await pool.query(query) })
        #expect(error.sqlState == state)
        var dumped = ""
        dump(error, to: &dumped)
        for text in ["\(error)", String(reflecting: error), dumped] { #expect(!text.contains("s3cr3t"), "\(text)") }
        await pool.close()
    }

    @Test func `a constraint's error names the constraint`() async throws {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: 1)
        try await pool.execute("CREATE TABLE thing (n int CONSTRAINT thing_positive CHECK (n > 0))")
        let error = await #expect(throws: PostgresError.self) {
            try await pool.execute("INSERT INTO thing VALUES (\(-5))")
        }
        guard case .server(let report) = error else {
            Issue.record("expected a server error, got \(String(describing: error))")
            return
        }
        #expect(report.constraint == "thing_positive")
        #expect(report.table == "thing")
        #expect(error?.code == "postgres.constraint")
        #expect(error?.isTransient == false)
        await pool.close()
    }

    @Test(arguments: [
        ("53100", "free space"), ("53200", "memory"), ("53300", "max_connections"), ("53400", "limit"),
        ("57P01", "start it"), ("57P02", "start it"), ("57P03", "start it"), ("57P04", "dropped"),
        ("57P05", "idle_session_timeout"), ("42501", "migrate --grant"), ("42P01", "countersign migrate"),
        ("42601", "own log"),
    ])
    func `a fix is what the SQLSTATE asks for`(state: String, fix: String) {
        let report = ServerReport(
            sqlState: state, message: "", constraint: nil, table: nil, column: nil, position: nil, statement: "")
        #expect(PostgresError.server(report).fix.contains(fix))
    }

    @Test func `a server that ends a connection, or takes none, says why, and the fix goes by it`() {
        let dropped = PostgresError.connectionLost(reason: "", sqlState: "57P04", statement: "SELECT 1")
        #expect(dropped.fix.contains("dropped"))
        let full = ConnectFailure("FATAL:  53300: sorry, too many clients already LOCATION:  x, y.c:1", of: 1).error
        #expect(full.code == "postgres.unavailable" && full.fix.contains("max_connections"))
        #expect(PostgresError.unavailable(reason: "refused").fix.contains("see that the database is up"))
    }

    @Test func `a configuration does not show its password`() throws {
        let configuration = try PostgresConfiguration(
            url: "postgresql://me:hunter22@db.example/app", password: "hunter23")
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), "\([configuration])", dumped] {
            #expect(!text.contains("hunter"))
        }
        #expect("\(configuration)".contains("host=db.example"))
    }

    @Test(arguments: [
        "postgresql://u:hunter%zz@host/db", "hunter22", "postgresql://[::1/db",
        "postgresql://h/db?hunter22",
    ])
    func `a malformed URL is refused without repeating it`(url: String) {
        let error = #expect(throws: PostgresError.self) { try PostgresConfiguration(url: url) }
        #expect(error?.code == "postgres.configuration")
        #expect(error.map { !"\($0)".contains("hunter") } == true)
    }

    @Test func `a server that is not there is unavailable`() async throws {
        let port = try freePort()
        let configuration = try PostgresConfiguration(url: "postgresql://nobody@127.0.0.1:\(port)/none")
        let pool = ConnectionPool(configuration, size: 1, waitLimit: .milliseconds(100))
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(error?.code == "postgres.unavailable")
        #expect(error?.isTransient == true)
        #expect(error?.answerMayBeLost == false)
        await pool.close()
    }

    @Test(arguments: [("no_such_database", nil), (nil, "no_such_role")] as [(String?, String?)])
    func `a server that does not want us says so at once`(database: String?, role: String?) async throws {
        let port = try await PostgresCluster.shared().port
        let url = "postgresql://\(role ?? "postgres")@127.0.0.1:\(port)/\(database ?? "postgres")"
        let pool = ConnectionPool(try PostgresConfiguration(url: url), size: 1, waitLimit: .seconds(30))
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(error?.code == "postgres.refused")
        #expect(error?.sqlState == (database == nil ? "28000" : "3D000"))
        #expect(error?.isTransient == false)
        await pool.close()
    }
}
