import Curl
import OCI
import Postgres
import StrictJSON
import Testing

@testable import Countersign

@Suite struct ReconcileAPITests {
    private func post(_ doors: DoorsFixture, _ query: String, _ token: String) async throws -> HTTPResponse {
        try await doors.send(.post, .api, "/v1/reconcile\(query)", headers: ["Authorization": "Bearer \(token)"])
    }

    @Test func `a sweep is asked for by operators, of what policy signs, and written down`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let inside = try await doors.token(.operator, of: "registry.example.com/team/**")
            let repository = "?repository=registry.example.com/team/app"
            #expect(try await post(doors, repository, doors.token(.viewer)).status == 403)
            #expect(try await post(doors, "?repository=registry.example.com/team/app:v1", token).status == 400)
            #expect(try await post(doors, "?repository=nothing", token).status == 400)
            #expect(try await post(doors, "?repository=registry.example.com/outside/app", token).status == 422)
            #expect(try await post(doors, "?repository=elsewhere.example/team/app", token).status == 422)
            #expect(try await post(doors, "", inside).status == 403)
            #expect(try await SweepRecords(pool: doors.queue.pool).pending() == 0)

            let asked = try await post(doors, repository, inside)
            #expect(asked.status == 202)
            let answer = try JSONValue(parsing: asked.body)
            #expect(answer["repository"]?.text == "registry.example.com/team/app" && answer["pending"]?.integer == 1)
            #expect(try await post(doors, "", token).status == 202)
            let shown = try JSONValue(parsing: try await doors.get("/v1/reconcile", token: token).body)
            #expect(shown["pending"]?.integer == 2)
            guard case .array(let sweeps)? = shown["repositories"], case .array(let registries)? = shown["registries"]
            else {
                Issue.record("no lists")
                return
            }
            #expect(sweeps.map { $0["repository"]?.text } == ["registry.example.com/team/app"])
            #expect(
                sweeps.map { $0["state"]?.text } == ["due"] && registries.map { $0["catalog"]?.text } == ["unknown"])
            let confined = try JSONValue(parsing: try await doors.get("/v1/reconcile", token: inside).body)
            #expect(confined["registries"] == .array([]) && confined["pending"]?.integer == 1)
            // what others asked for is not told to who does not see it
            let elsewhere = try await doors.token(.viewer, of: "registry.example.com/other/**")
            let told = try JSONValue(parsing: try await doors.get("/v1/reconcile", token: elsewhere).body)
            #expect(told["pending"]?.integer == 0)
            let narrowed = try await doors.get("/v1/reconcile?repository=registry.example.com/team/b", token: token)
            #expect(try JSONValue(parsing: narrowed.body)["pending"]?.integer == 0)
            let acts = try await AuditLog(pool: doors.queue.pool).latest(20).filter { $0.action == "reconcile.request" }
            #expect(
                acts.filter { $0.outcome == .accepted }.map(\.repository) == [nil, "registry.example.com/team/app"])
            // what is no repository stands in the detail alone
            #expect(
                acts.filter { $0.outcome == .refused }.map(\.repository) == [
                    nil, "elsewhere.example/team/app", "registry.example.com/outside/app", nil, nil,
                    "registry.example.com/team/app",
                ])
        }
    }
}
