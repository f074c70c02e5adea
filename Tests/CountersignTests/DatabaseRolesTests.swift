import FoundationEssentials
import Logging
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

extension QueueFixture {
    /// A new role of that kind, and a pool for it.
    func role(_ kind: DatabaseRoles.Kind) async throws -> (name: String, pool: ConnectionPool) {
        let name = "cs_\(kind.rawValue)_" + UUID().uuidString.prefix(8).lowercased()
        try await pool.execute(Query(unsafeSQL: "CREATE ROLE \(name) LOGIN"))
        _ = try await DatabaseRoles(connection: self.configuration).grant([(kind, name)])
        return (name, try await pool(of: name))
    }

    /// A pool for that role.
    func pool(of role: String) async throws -> ConnectionPool {
        let port = try await PostgresCluster.shared().port
        let database = try #require(self.configuration.database)
        var configuration = try PostgresConfiguration(
            url: "postgresql://\(role)@127.0.0.1:\(port)/\(database)?sslmode=disable")
        configuration.sessionSettings = JobQueue.sessionSettings
        return ConnectionPool(configuration, size: 2)
    }
}

/// Whether whoever has that pool may not do it.
func isDenied(_ pool: ConnectionPool, _ sql: String) async throws -> Bool {
    do {
        _ = try await pool.query(Query(unsafeSQL: sql))
        return false
    } catch PostgresError.server(let report) {
        // insufficient_privilege
        guard report.sqlState == "42501" else { throw PostgresError.server(report) }
        return true
    }
}

/// What roles that do not own the database can do in it, and what not.
@Suite struct DatabaseRolesTests {
    private func queue(_ pool: ConnectionPool) -> JobQueue {
        let notifier = JobNotifier(signal: JobSignal(), pool: nil, logger: Logger(label: "test"))
        return JobQueue(pool: pool, notifier: notifier, settings: .init())
    }

    @Test func `the intake can store pushes, and neither read nor write what was signed`() async throws {
        let fixture = try await QueueFixture()
        let (_, pool) = try await fixture.role(.intake)
        let intake = queue(pool)
        // twice, refused, and by tag: every path that a delivery takes
        for _ in 0..<2 { _ = try await intake.enqueue([samplePush(sampleDigest("app"), tag: "1.0")]) }
        _ = try await intake.enqueue([samplePush(nil, tag: "latest")])
        var refused = samplePush(sampleDigest("other"))
        refused.verdict = .refused(reason: "not on the list")
        _ = try await intake.enqueue([refused])
        #expect(try await fixture.jobCount() == 2)
        // a push during an attempt
        let claims = try await fixture.claim()
        _ = try await intake.enqueue([samplePush(sampleDigest("app"))])
        #expect(claims.count == 2)
        for sql in [
            "SELECT payload FROM countersign.evidence", "SELECT * FROM countersign.api_token",
            "SELECT * FROM countersign.audit", "UPDATE countersign.target SET log_index = 1",
            "UPDATE countersign.target SET state = 'signed'", "UPDATE countersign.job SET lease_token = 1",
            "DELETE FROM countersign.job",
            "DELETE FROM countersign.target", "INSERT INTO countersign.evidence (format) VALUES ('bundle')",
            "INSERT INTO countersign.revocation (reason) VALUES ('x')",
            "SELECT countersign.drop_event_partitions('0 s')",
            "DROP TABLE countersign.job", "SELECT countersign.tell('t', 's', '{}')",
        ] { #expect(try await isDenied(pool, sql), "\(sql)") }
        await pool.close()
    }

    @Test func `a member of the intake's role may no more than that role`() async throws {
        let fixture = try await QueueFixture()
        let (group, own) = try await fixture.role(.intake)
        await own.close()
        try await fixture.pool.execute(Query(unsafeSQL: "CREATE ROLE \(group)_member LOGIN IN ROLE \(group)"))
        let pool = try await fixture.pool(of: "\(group)_member")
        let member = queue(pool)
        _ = try await member.enqueue([samplePush(sampleDigest("app"))])
        for state in ["signed", "revoked", "cancelled"] {
            #expect(try await isDenied(pool, "UPDATE countersign.target SET state = '\(state)'"), "\(state)")
        }
        // what failed it may queue again, and everybody else goes on
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .failed(sampleFailure))
        _ = try await member.enqueue([samplePush(sampleDigest("app"))])
        #expect(try await fixture.state(sampleDigest("app")) == "queued")
        await pool.close()
    }

    @Test func `the work role changes nothing of a signed head that a log took`() async throws {
        let fixture = try await QueueFixture()
        let (_, pool) = try await fixture.role(.work)
        let anchors = AuditAnchors(pool: pool)
        let head = try #require(try await anchors.head())  // the grant
        let vain = try await anchors.prepare(
            samplePrepared("vain"), position: head.position, head: head.hash, since: nil)
        try await anchors.abandon(vain, reason: "it never verifies", entry: sampleLogged(8))
        let good = try await anchors.prepare(
            samplePrepared("good"), position: head.position, head: head.hash, since: nil)
        try await anchors.log(sampleLogged(7), of: good)
        for anchor in [vain, good] {
            for change in [
                "abandoned_at = now() + interval '1 hour', abandon_reason = 'x'", "payload = 'x'", "signature = 'x'",
                "bundle = 'x'", "log_index = 9", "log_request = ''", "logged_at = NULL, log_entry = NULL",
            ] {
                let error = await #expect(throws: PostgresError.self) {
                    try await pool.execute(
                        Query(unsafeSQL: "UPDATE countersign.evidence SET \(change) WHERE id = \(anchor.evidenceID)"))
                }
                #expect(error?.refusal == "23001 ", "\(change)")
            }
        }
        #expect(try await anchors.logged().map(\.evidenceID) == [good.evidenceID])
        #expect(try await anchors.hidden().isEmpty)
        await pool.close()
    }

    @Test func `the work role signs, and changes neither history nor the schema`() async throws {
        let fixture = try await QueueFixture()
        let (name, pool) = try await fixture.role(.work)
        let work = queue(pool)
        _ = try await work.enqueue([samplePush(sampleDigest("app"))])
        let claim = try #require(try await work.claim(limit: 1, cursor: ClaimCursor()).first)
        _ = try await Journal(pool: pool).prepare(samplePrepared(), for: claim)
        _ = try await work.settle(claim, as: .signed(sampleRecord()))
        #expect(try await fixture.state(sampleDigest("app")) == "signed")
        #expect(try await work.maintain() == 0)
        let today = try #require(
            try await fixture.pool.query(
                """
                SELECT inhrelid::regclass::text AS name FROM pg_inherits
                WHERE inhparent = 'countersign.event'::regclass AND inhrelid <> 'countersign.event_default'::regclass LIMIT 1
                """
            ).first?.decode("name", as: String.self))
        let token = try await APITokens(pool: fixture.pool).create(name: "t", role: .viewer, lifetime: nil)
        #expect(try await APITokens(pool: pool).authenticate(token) != nil)
        for sql in [
            "UPDATE countersign.audit SET action = 'x'", "DELETE FROM countersign.audit",
            "DELETE FROM countersign.event_default", "UPDATE \(today) SET source = 'x'", "DELETE FROM \(today)",
            "TRUNCATE \(today)", "DELETE FROM countersign.audit_anchor", "DELETE FROM countersign.revocation",
            "INSERT INTO countersign.api_token (name, role, hash) VALUES ('x', 'admin', '')",
            "UPDATE countersign.api_token SET role = 'admin'", "UPDATE countersign.api_token SET revoked_at = NULL",
            "DELETE FROM countersign.api_token", "DELETE FROM countersign.evidence",
            "DELETE FROM countersign.evidence_target", "DELETE FROM countersign.further_entry",
            "DELETE FROM countersign.attestation", "DELETE FROM countersign.repository",
            "DELETE FROM countersign.alert", "UPDATE countersign.log_alarm SET cleared_at = now()",
            "SELECT countersign.clear_log_alarm('https://log.example', 'me')",
            "UPDATE countersign.event SET source = 'x'", "DROP TABLE countersign.target",
            "ALTER TABLE countersign.target DISABLE TRIGGER ALL", "TRUNCATE countersign.audit",
            "INSERT INTO countersign.role_grant (kind, role) VALUES ('work', '\(name)')",
            "SELECT countersign.drop_event_partitions('-1 year')", "SELECT countersign.create_event_partitions(1000)",
            "SELECT countersign.own_drop_event_partitions('30 days')", "SELECT countersign.grant_roles()",
            "CREATE TABLE countersign.mine (id int)",
        ] { #expect(try await isDenied(pool, sql), "\(sql)") }
        await pool.close()
    }

    @Test func `a reader reads everything but tokens, and writes nothing`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("app")))
        let (_, pool) = try await fixture.role(.read)
        #expect(try await pool.query("SELECT state FROM countersign.target").count == 1)
        for sql in [
            "SELECT * FROM countersign.api_token", "UPDATE countersign.target SET state = 'queued'",
            "INSERT INTO countersign.repository (registry, name) VALUES ('a', 'b')", "DELETE FROM countersign.job",
        ] { #expect(try await isDenied(pool, sql), "\(sql)") }
        await pool.close()
    }

    @Test func `a role that does not exist is refused by name, and one that went is forgotten`() async throws {
        let fixture = try await QueueFixture()
        let roles = DatabaseRoles(connection: fixture.configuration)
        await #expect(throws: PostgresError.configuration("the server has no role nobody_here")) {
            try await roles.grant([(.work, "nobody_here")])
        }
        let (name, pool) = try await fixture.role(.read)
        await pool.close()
        try await fixture.pool.execute(Query(unsafeSQL: "DROP OWNED BY \(name)"))
        try await fixture.pool.execute(Query(unsafeSQL: "DROP ROLE \(name)"))
        #expect(try await roles.grant([]) == 0)
    }

    @Test func `a grant and a lifted alarm stand in the audit log`() async throws {
        let fixture = try await QueueFixture()
        let (name, pool) = try await fixture.role(.read)
        await pool.close()
        _ = try await DatabaseRoles(connection: fixture.configuration).grant([])  // as each later migration does
        try await fixture.pool.execute(
            """
            INSERT INTO countersign.log_alarm (log, origin, detail, first_note, second_note)
            VALUES ('https://log.example', 'log.example', 'two roots', 'a', 'b')
            """)
        let records = LogRecords(pool: fixture.pool)
        #expect(try await records.clear("https://log.example", by: "alice"))
        #expect(try await !records.clear("https://log.example", by: "alice"))
        let acts = try await fixture.pool.query("SELECT actor, action, detail FROM countersign.audit ORDER BY position")
            .map {
                try [$0.decode("actor"), $0.decode("action"), $0.decode("detail", as: String.self)] as [String]
            }
        #expect(
            acts == [
                ["command line: unknown", "role.grant", "read to \(name)"],
                ["database: alice", "log.clear_alarm", "log https://log.example"],
            ])
    }

    @Test func `a server that is too old is refused by name`() throws {
        #expect(throws: PreflightError.databaseTooOld(version: "14.9")) {
            try Preflight.check(serverVersion: 140_009, "14.9")
        }
        try Preflight.check(serverVersion: 150_000, "15.0")
    }

    @Test func `behind a pooler nothing is prepared or set for a session, and LISTEN goes past it`() throws {
        var database = DatabaseConfiguration(url: Secret("postgresql://work@pooler/cs"))
        database.intake = .init(url: Secret("postgresql://intake@pooler/cs"))
        database.direct = .init(url: Secret("postgresql://work@primary/cs"))
        database.pooler = true
        let settings = JobQueue.sessionSettings
        let work = try database.connection(sessionSettings: settings)
        let intake = try database.connection(for: .intake, sessionSettings: settings)
        let listen = try database.connection(for: .direct)
        #expect(!work.preparesStatements && work.sessionSettings.isEmpty && !intake.preparesStatements)
        #expect("\(intake)".contains("user=intake") && "\(listen)".contains("host=primary"))
        #expect(listen.preparesStatements)
        #expect("\(try database.connection(for: .migrate))".contains("host=primary"))
    }
}
