import Curl
import OCI
import Support
import Testing

@testable import Countersign
@testable import Postgres

/// What a command says that can be done about it, where no daemon is asked.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct CommandFixTests {
    private static let root = packageRoot + "/Tests/CountersignTests/Verification/Fixtures/trusted_root.json"
    private static let who = ["--certificate-identity", "a", "--certificate-oidc-issuer", "b"]

    /// What was printed on standard error.
    private func failing(_ words: [String], exit: Int) async throws -> String {
        var transcript = try Transcript()
        return try await transcript.type(words, exit: exit).errors
    }

    @Test func `an address that is not dialled names the options that allow it`() async throws {
        let registry = try await failing(
            ["verify", "127.0.0.1:1/team/app:v1", "--trusted-root", Self.root] + Self.who, exit: 3)
        #expect(registry.contains("a loopback address") && registry.contains("[registry.unavailable]"))
        #expect(registry.contains("\n  fix: ") && registry.contains("--private-network and --plain-http"))
        let log = try await failing(["log", "info", "--rekor-url", "http://127.0.0.1:1"], exit: 3)
        #expect(log.contains("[rekor.misconfigured]") && log.contains("`countersign log` --ca-file"), "\(log)")
        #expect(log.contains("--log-plain-http"), "\(log)")
        let folder = try TemporaryDirectory()
        let tuf = try await failing(
            [
                "trust", "update", "--tuf-url", "http://127.0.0.1:1", "--tuf-root",
                packageRoot + "/Tests/TUFTests/Fixtures/sigstore-root-signing/12.root.json", "--tuf-cache", folder.path,
            ], exit: 3)
        #expect(tuf.contains("--tuf-plain-http"), "\(tuf)")
    }

    @Test func `a registry and a database that are away are told with what to look at`() async throws {
        let tree = ["tree", "127.0.0.1:1/team/app:v1", "--private-network"]
        let registry = try await failing(tree, exit: 3)
        #expect(registry.contains("fix: see that the registry is up"), "\(registry)")
        #expect(registry.contains("one without TLS needs plain_http, of a command --plain-http"), "\(registry)")
        let plain = try await failing(tree + ["--plain-http"], exit: 3)
        #expect(plain.contains("fix: see that the registry is up") && !plain.contains("without TLS"), "\(plain)")
        let folder = try TemporaryDirectory()
        try folder.write("postgresql://postgres@127.0.0.1:1/none?sslmode=disable", to: "url")
        try folder.write("secret", to: "secret")
        let configuration = try folder.write(
            minimal.replacing("{env: DATABASE_URL}", with: "{file: url}")
                .replacing("{env: TOKEN}", with: "{file: secret}"), to: "countersign.yaml")
        let database = try await failing(["token", "list", "--config", configuration], exit: 3)
        #expect(database.contains("fix: see that the database is up"), "\(database)")
    }

    @Test func `a log that the trust material does not name is told with those that it does`() async throws {
        let told = try await failing(["log", "info", "--trusted-root", Self.root, "--log", "nope"], exit: 2)
        #expect(told.contains("names no log \"nope\" [log.none_named]"), "\(told)")
        #expect(told.contains("fix: its logs: http://127.0.0.1:47120, http://localhost:47140"), "\(told)")
    }

    @Test func `jobs and commands are told the same`() {
        let away = OCIError.transport(operation: "GET", .plainHTTPRefused(url: "http://r"))
        #expect(AttemptFailure(StageFailure(stage: .fetch, underlying: away)).failure.fix == away.fix)
        let closed = PostgresError.unavailable(reason: "refused")
        #expect(AttemptFailure(QueueError.database(closed)).failure.fix == closed.fix)
        let missing = ServerReport(
            sqlState: "42P01", message: "", constraint: nil, table: nil, column: nil, position: nil, statement: "")
        #expect(PostgresError.server(missing).fix.contains("countersign migrate"))
        let untrusted = PostgresError.untrusted(reason: "certificate verify failed")
        let refused = AttemptFailure(PreflightError.database(untrusted, key: "database.intake")).failure
        #expect(refused.code == untrusted.code && refused.fix == "database.intake: \(untrusted.fix)")
    }
}
