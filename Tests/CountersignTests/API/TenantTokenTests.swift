import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Tokens that are confined to tenants of the configuration.
@Suite struct TenantTokenTests {
    private static func tenant(_ name: String, _ patterns: String...) -> TenantConfiguration {
        TenantConfiguration(name: name, repositories: patterns.map(glob))
    }

    private func repository(_ name: String) throws -> Repository {
        try Repository(registry: "registry.example.com", name: name)
    }

    @Test func `a token of a tenant is for what the running configuration says that it has`() async throws {
        let fixture = try await QueueFixture()
        let token = try await APITokens(pool: fixture.pool).create(
            name: "payments", role: .operator, lifetime: nil,
            scope: TokenScope(
                repositories: ["registry.example.com/own/**"], tenants: ["payments"], predicateTypes: ["*"]))
        func allowed(_ tenants: TenantConfiguration...) async throws -> [String] {
            let tokens = APITokens(pool: fixture.pool, tenants: tenants)
            let scope = try #require(try await tokens.authenticate(token)?.scope)
            return try ["own/app", "pay/app", "shop/app", "other/app"].filter { scope.allows(try repository($0)) }
        }
        let others = Self.tenant("others", "registry.example.com/other/**")
        #expect(
            try await allowed(Self.tenant("payments", "registry.example.com/pay/**"), others) == ["own/app", "pay/app"])
        #expect(try await allowed(others, Self.tenant("payments", "**/shop/**")) == ["own/app", "shop/app"])
        let endpoint = TenantConfiguration.Scope(registry: "registry.example.com", repositories: [glob("pay/*")])
        #expect(
            try await allowed(TenantConfiguration(name: "payments", repositories: [], endpoints: [endpoint]))
                == ["own/app", "pay/app"])
        // a tenant that is not configured any more has nothing
        #expect(try await allowed(others) == ["own/app"])
        #expect(try await allowed() == ["own/app"])
    }

    @Test func `a token of a tenant alone is for nothing where nobody knows tenants, and never for everything`()
        async throws
    {
        let fixture = try await QueueFixture()
        let tokens = APITokens(pool: fixture.pool)
        let token = try await tokens.create(
            name: "t", role: .viewer, lifetime: nil,
            scope: TokenScope(repositories: [], tenants: ["payments"], predicateTypes: ["*"]))
        // what a daemon of the version before reads: a scope with no repository in it
        #expect(try await fixture.text("SELECT repositories::text FROM countersign.api_token") == "{}")
        let scope = try #require(try await tokens.authenticate(token)?.scope)
        #expect(try !scope.allows(repository("pay/app")))
        let listed = try #require(try await tokens.list().first?.scope)
        #expect(listed.tenants == ["payments"] && listed.repositories.isEmpty && "\(listed)" == "tenants payments")
        #expect(try await AuditLog(pool: fixture.pool).latest(1).first?.detail == "t: viewer of tenants payments")
    }

    @Test(arguments: [
        ("'viewer', NULL, '{a}', NULL"), ("'viewer', '{}', '{}', NULL"), ("'viewer', '{}', NULL, NULL"),
        ("'attester', '{}', '{a}', NULL"), ("'attester', '{}', '{}', '{*}'"), ("'operator', '{}', '{a}', '{}'"),
    ])
    func `a scope that could be read as none is not stored`(columns: String) async throws {
        let fixture = try await QueueFixture()
        await #expect(throws: PostgresError.self) {
            try await fixture.pool.execute(
                Query(
                    unsafeSQL: """
                        INSERT INTO countersign.api_token (name, hash, role, repositories, tenants, predicate_types)
                        VALUES ('t', decode(repeat('00', 32), 'hex'), \(columns))
                        """))
        }
    }

    @Test func `a batch that was asked for when the tenant had more is not there any more`() async throws {
        let configuration = Configuration.doors { $0.tenants = [Self.tenant("team", "registry.example.com/team/**")] }
        try await DoorsFixture.withDoors(configuration) { (doors) async throws in
            let tokens = APITokens(pool: doors.queue.pool)
            let token = try await tokens.create(
                name: "team", role: .operator, lifetime: nil,
                scope: TokenScope(repositories: [], tenants: ["team"], predicateTypes: ["*"]))
            let principal = try #require(try await tokens.authenticate(token))
            func stored(_ names: String...) async throws -> Int64 {
                let subjects = try names.map {
                    BatchSubject(repository: try repository($0), tag: nil, digest: sampleDigest("image"))
                }
                let storing = try await BatchRecords(pool: doors.queue.pool).store(
                    subjects, BatchRequest(subjects: .list(subjects), action: .sign), selector: nil,
                    from: .init(
                        principal: principal, key: names.joined(), fingerprint: Array(repeating: 7, count: 32)))
                guard case .stored(let batch) = storing else { throw SupportError("not stored") }
                return batch.id
            }
            let (own, wider) = (try await stored("team/app"), try await stored("team/app", "other/app"))
            #expect(try await doors.get("/v1/batches/\(own)", token: token).status == 200)
            #expect(try await doors.get("/v1/batches/\(wider)", token: token).status == 404)
            let list = try JSONValue(parsing: try await doors.get("/v1/batches", token: token).body)
            guard case .array(let batches)? = list["batches"] else { throw SupportError("no list") }
            #expect(batches.map { $0["id"]?.integer } == [Int(own)])
        }
    }
}
