import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Withdrawal over the API.
@Suite struct RevocationsTests {
    private func post(
        _ doors: DoorsFixture, _ path: String, _ body: String, token: String?
    ) async throws -> HTTPResponse {
        try await doors.send(
            .post, .api, path, headers: token.map { ["Authorization": "Bearer \($0)"] } ?? [:],
            body: Array(body.utf8))
    }

    private static let reference = "registry.example.com/team/app@\(sampleDigest("image"))"
    private static let body = #"{"references":["\#(reference)"],"reason":"a hole"}"#

    @Test(arguments: [("/v1/revoke", APITokens.Role.viewer), ("/v1/revoke/release", .operator)])
    func `withdrawing needs the operator, lifting that the admin, and refused it leaves nothing`(
        path: String, less: APITokens.Role
    ) async throws {
        try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = true }) { (doors) async throws in
            #expect(try await post(doors, path, Self.body, token: nil).status == 401)
            let refused = try await post(doors, path, Self.body, token: doors.token(less))
            #expect(refused.status == 403)
            #expect(try JSONValue(parsing: refused.body)["code"]?.text == "api.forbidden")
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.target") == 0)
        }
    }

    @Test(arguments: [
        (#"{"references":[]}"#, 400), (#"{"references":["registry.example.com/team/app:v1"],"reason":"a"}"#, 400),
        (#"{"references":["\#(reference)"]}"#, 400),
        (#"{"references":["\#(reference)"],"reason":"a","delete":true}"#, 400),
        (#"{"references":["elsewhere.example/a@\#(sampleDigest("image"))"],"reason":"a"}"#, 422),
    ])
    func `what is not meant exactly is refused`(body: String, status: Int) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            #expect(try await post(doors, "/v1/revoke", body, token: doors.token(.operator)).status == status)
        }
    }

    @Test func `who is confined revokes within its scope, and lifts nothing`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let inside = try await doors.token(.operator, of: "registry.example.com/team/**")
            let outside = try await doors.token(.operator, of: "registry.example.com/else/**")
            #expect(try await post(doors, "/v1/revoke", Self.body, token: outside).status == 403)
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.revocation") == 0)
            #expect(try await post(doors, "/v1/revoke", Self.body, token: inside).status == 200)
            let confined = try await doors.token(.admin, of: "registry.example.com/team/**")
            for token in [inside, confined] {
                #expect(try await post(doors, "/v1/revoke/release", Self.body, token: token).status == 403)
            }
            #expect(
                try await doors.queue.number("SELECT count(*) FROM countersign.revocation WHERE released_at IS NULL")
                    == 1)
        }
    }

    @Test func `a revoked artifact says so, is not signed by hand, and is released`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await doors.deliver(envelope(notification()))
            #expect(try await post(doors, "/v1/revoke", Self.body, token: token).status == 200)
            #expect(try await doors.queue.jobCount() == 0)
            let status = try JSONValue(
                parsing: try await doors.get("/v1/artifacts?ref=\(Self.reference)", token: token).body)
            #expect(status["state"]?.text == "revoked" && status["revocation"]?["reason"]?.text == "a hole")
            #expect(status["last_error"]?["code"]?.text == "artifact.revoked")

            let signed = try await post(
                doors, "/v1/sign", #"{"references":["\#(Self.reference)"]}"#, token: token)
            guard case .array(let items)? = try JSONValue(parsing: signed.body)["items"] else {
                throw SupportError("no items")
            }
            #expect(items.map { $0["verdict"]?.text } == ["refused"])
            let row = try #require(try await AuditLog(pool: doors.queue.pool).latest(1).first)
            #expect(row.action == "artifact.sign" && row.outcome == .refused && row.code == "artifact.revoked")
            _ = try await doors.deliver(envelope(notification()))
            #expect(try await doors.queue.jobCount() == 0)

            let released = try await post(doors, "/v1/revoke/release", Self.body, token: doors.token(.admin))
            #expect(released.status == 200)
            #expect(try await doors.queue.state(sampleDigest("image")) == "queued")
            #expect(try await doors.queue.jobCount() == 1)
            let actions = try await AuditLog(pool: doors.queue.pool).latest(10).map(\.action)
                .filter { $0 == "artifact.release" || $0 == "artifact.revoke" }
            #expect(actions == ["artifact.release", "artifact.revoke"])
        }
    }
}
