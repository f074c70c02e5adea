import FoundationEssentials
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// `countersign token`: the program itself, on a database of the tests.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct TokenCommandTests {
    private let database: QueueFixture
    private let folder: TemporaryDirectory
    private let configuration: String

    init() async throws {
        database = try await QueueFixture()
        folder = try TemporaryDirectory()
        let name = try #require(database.configuration.database)
        let url = "postgresql://postgres@127.0.0.1:\(try await PostgresCluster.shared().port)/\(name)?sslmode=disable"
        try folder.write(url, to: "url")
        try folder.write("secret", to: "secret")
        configuration = try folder.write(
            minimal.replacing("{env: DATABASE_URL}", with: "{file: url}").replacing(
                "{env: TOKEN}", with: "{file: secret}")
                + "tenants: [{name: payments, repositories: [\"registry.example.com/pay/**\"]}]\n",
            to: "countersign.yaml")
    }

    /// What was printed, and `exit N` as the last line.
    private func run(_ words: String...) async throws -> (text: String, status: String) { try await run(words) }

    private func run(_ words: [String]) async throws -> (text: String, status: String) {
        let program = try #require(CountersignProgram.path)
        let whole = try await ChildProcess(
            ["/bin/sh", "-c", "\"$@\" 2>&1; echo \"exit $?\"", "sh", program, "token"] + words
                + ["--config", configuration]
        ).finish()
        let lines = whole.split(separator: "\n").map(String.init)
        return (lines.dropLast().joined(separator: "\n"), lines.last ?? "")
    }

    @Test func `a list says what each token is confined to, for people and programs`() async throws {
        #expect(try await run("create", "--role", "admin", "--name", "all").status == "exit 0")
        #expect(
            try await run(
                "create", "--role", "attester", "--name", "ci", "--tenant", "payments", "--repositories",
                "registry.example.com/own/**", "--predicate-types", "openvex"
            ).status == "exit 0")
        #expect(
            try await run("create", "--role", "viewer", "--name", "desk", "--tenant", "payments").status == "exit 0")
        let unknown = try await run("create", "--role", "viewer", "--tenant", "paymants")
        #expect(unknown.status == "exit 2", "\(unknown)")
        #expect(unknown.text.contains("no tenant 'paymants' in the configuration: payments"))
        #expect(unknown.text.contains("Usage: countersign token create ["))

        let text = try await run("list").text.split(separator: "\n")
        #expect(
            text == [
                "all  admin  no end  everything",
                "ci  attester  no end  repositories registry.example.com/own/**, tenants payments, types https://openvex.dev/ns",
                "desk  viewer  no end  tenants payments",
            ])
        let list = try JSONValue(parsing: Array(try await run("list", "--output", "json").text.utf8))
        guard case .array(let tokens) = list else { throw SupportError("no list") }
        func texts(_ token: JSONValue, _ name: String) -> [String]? {
            guard case .array(let items)? = token[name] else { return nil }
            return items.compactMap(\.text)
        }
        #expect(tokens.map { texts($0, "tenants") } == [nil, ["payments"], ["payments"]])
        #expect(tokens.map { texts($0, "repositories") } == [nil, ["registry.example.com/own/**"], []])
        #expect(tokens.map { texts($0, "predicate_types") } == [nil, ["https://openvex.dev/ns"], ["*"]])
    }

    @Test func `a list says whose a token is, where its maker said so`() async throws {
        let created = try await run(
            "create", "--role", "admin", "--name", "desk", "--person", "Alice A.", "--output", "json")
        #expect(created.status == "exit 0", "\(created)")
        #expect(try JSONValue(parsing: Array(created.text.utf8))["person"]?.text == "Alice A.")
        #expect(try await run("create", "--role", "viewer", "--name", "screen").status == "exit 0")
        #expect(
            try await run("list").text.split(separator: "\n") == [
                "desk  admin  no end  everything  person Alice A.", "screen  viewer  no end  everything",
            ])
        for person in ["", " Alice", "Alice\u{202E}", "Al\tice", String(repeating: "a", count: 129)] {
            let refused = try await run("create", "--role", "admin", "--person", person)
            #expect(refused.status == "exit 2", "\(refused)")
            #expect(refused.text.contains("--person is 1 to 128 printable characters"), "\(refused)")
        }
    }

    @Test func `what confines to nothing that there can be is misuse`() async throws {
        for (repository, type, told) in [
            ("a b", "openvex", "--repositories 'a b': the pattern has spaces"),
            ("registry.example.com/***", "openvex", "--repositories 'registry.example.com/***': '***' means nothing"),
            ("**", "open vex", "--predicate-types: predicate type: \"open vex\" is none of spdx,"),
            ("**", "https://sigstore.dev/x", "is reserved for signatures"),
        ] {
            let refused = try await run(
                "create", "--role", "attester", "--repositories", repository, "--predicate-types", type)
            #expect(refused.status == "exit 2", "\(refused)")
            #expect(refused.text.contains(told), "\(refused)")
        }
        #expect(try await run("list").text.isEmpty)
    }

    @Test func `a name is taken until its token is revoked`() async throws {
        let create = ["create", "--role", "viewer", "--name", "desk"]
        #expect(try await run(create).status == "exit 0")
        let again = try await run(create)
        #expect(again.status == "exit 1", "\(again)")
        #expect(again.text.contains("named desk [token.exists]") && again.text.contains("  fix: "), "\(again)")
        #expect(try await run("revoke", "--name", "desk").status == "exit 0")
        #expect(try await run(create).status == "exit 0")
    }

    @Test func `revoking says so, and that nobody has the name`() async throws {
        _ = try await run("create", "--role", "viewer", "--name", "a")
        let revoked = try await run("revoke", "--name", "a", "--output", "json")
        let answer = try JSONValue(parsing: Array(revoked.text.utf8))
        #expect(revoked.status == "exit 0")
        #expect(answer["name"]?.text == "a" && answer["revoked"] == .bool(true))
        let again = try await run("revoke", "--name", "a", "--output", "json")
        #expect(again.status == "exit 1" && again.text.contains("[token.unknown]"))
    }
}
