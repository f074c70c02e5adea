import ArgumentParser
import Countersign
import FoundationEssentials
import Postgres

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "API tokens: who may read and command.",
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a token and print it: this once, only its hash is kept.",
            discussion: """
                viewer reads; operator also asks for signatures, revokes and sends documents; admin also lifts revocations \
                and approves batches. attester sends documents, and reads, only of the repositories and predicate types \
                that are given. A token of any other role is confined with the same options; without them it is for all.
                """)

        @OptionGroup var configuration: ConfigurationOption
        @OptionGroup var output: OutputOption
        @Option(help: "viewer, attester, operator or admin.") var role: APITokens.Role
        @Option(
            parsing: .upToNextOption,
            help: "Only these: globs over registry/repository, such as 'registry.example.com/team/**'.")
        var repositories: [String] = []
        @Option(
            help:
                "Only what this tenant has, as the daemon's configuration says; may be repeated, and stand beside --repositories."
        )
        var tenant: [String] = []
        @Option(
            parsing: .upToNextOption,
            help: "Only documents of these predicate types: cosign's names (spdxjson, openvex, …) or URIs; '*' for all."
        )
        var predicateTypes: [String] = []
        @Option(help: "What it is for; shown in lists. Made up if not given.") var name: String?
        @Option(
            help: "Whose it is: nobody approves what his own token asked for. Without it, a person by its own name.")
        var person: String?
        @Option(help: "How long it is valid, such as 720h; without it, until it is revoked.") var expires:
            DurationArgument?

        private struct Answer: Encodable {
            let name: String
            let role: String
            let person: String?
            let token: String
            let expiresAt: Date?
        }

        func validate() throws {
            if let person, !APITokens.isPerson(person) {
                throw ValidationError("--person is 1 to 128 printable characters, no space at either end")
            }
            guard role != .attester || (!(repositories + tenant).isEmpty && !predicateTypes.isEmpty) else {
                throw ValidationError("an attester needs --repositories or --tenant, and --predicate-types")
            }
            guard predicateTypes.isEmpty || !(repositories + tenant).isEmpty else {
                throw ValidationError("--predicate-types needs --repositories or --tenant; '**' is every repository")
            }
            _ = try scope()
        }

        /// What it is confined to; nil: nothing.
        private func scope() throws(ValidationError) -> TokenScope? {
            guard !(repositories + tenant).isEmpty else { return nil }
            for pattern in repositories {
                do { _ = try Glob(pattern) } catch { throw ValidationError("--repositories '\(pattern)': \(error)") }
            }
            do {
                return try TokenScope(
                    repositories: repositories, tenants: tenant,
                    predicateTypes: predicateTypes.isEmpty ? ["*"] : predicateTypes)
            } catch {
                throw ValidationError("--predicate-types: \(CommandFailure(describing: error).observed)")
            }
        }

        /// A name that nobody has would be a token for nothing.
        private func checkTenants() throws {
            guard !tenant.isEmpty else { return }
            let known = try configuration.load().tenants.map(\.name)
            for name in tenant where !known.contains(name) {
                throw ValidationError(
                    "no tenant '\(name)' in the configuration: "
                        + (known.isEmpty ? "it has none (tenants)" : known.joined(separator: ", ")))
            }
        }

        private func create(_ name: String, _ scope: TokenScope?, _ tokens: APITokens) async throws -> String {
            do throws(QueueError) {
                return try await tokens.create(
                    name: name, role: role, lifetime: expires?.duration, scope: scope, person: person, by: unixUser)
            } catch {
                guard case .unstorable("23505", "api_token_name") = error else { throw error }
                throw CommandFailure(
                    code: "token.exists", observed: "a token that is not revoked is named \(name)",
                    fix: "Take another name, or end that one: `countersign token revoke --name NAME`.", status: 1)
            }
        }

        func run() async throws {
            try checkTenants()
            let scope = try scope()
            try await withTokens(configuration) { tokens in
                let end = expires.map { Date().addingTimeInterval(Double($0.duration.components.seconds)) }
                let name = name ?? "\(role.rawValue)-\(UUID().uuidString.prefix(8).lowercased())"
                let token = try await create(name, scope, tokens)
                switch output.output {
                case .json:
                    try Console.json(
                        Answer(name: name, role: role.rawValue, person: person, token: token, expiresAt: end))
                case .text: print(token)
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List tokens, never their text.")

        @OptionGroup var configuration: ConfigurationOption
        @OptionGroup var output: OutputOption

        private struct Listed: Encodable {
            let name: String
            let role: String
            /// What it is confined to; absent where it is not.
            let repositories, tenants, predicateTypes: [String]?
            let person: String?
            let createdAt: Date
            let expiresAt: Date?
            let revokedAt: Date?
            let lastUsedAt: Date?

            init(_ entry: APITokens.Entry) {
                name = entry.name
                role = entry.role.rawValue
                repositories = entry.scope?.repositories.map(\.pattern)
                tenants = entry.scope?.tenants
                predicateTypes = entry.scope?.predicateTypes
                person = entry.person
                createdAt = entry.createdAt
                expiresAt = entry.expiresAt
                revokedAt = entry.revokedAt
                lastUsedAt = entry.lastUsedAt
            }
        }

        func run() async throws {
            try await withTokens(configuration) { tokens in
                let list = try await tokens.list()
                switch output.output {
                case .json: try Console.json(list.map(Listed.init))
                case .text:
                    for token in list {
                        let end =
                            token.revokedAt.map { "revoked \($0.formatted(.iso8601))" }
                            ?? token.expiresAt.map { "until \($0.formatted(.iso8601))" } ?? "no end"
                        let scope = token.scope.map { "\($0)" } ?? "everything"
                        let person = token.person.map { "  person \($0)" } ?? ""
                        print(token.name, token.role.rawValue, end, scope + person, separator: "  ")
                    }
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "revoke", abstract: "End a token now.")

        @OptionGroup var configuration: ConfigurationOption
        @OptionGroup var output: OutputOption
        @Option(help: "Its name.") var name: String

        private struct Answer: Encodable {
            let name: String
            let revoked: Bool
        }

        func run() async throws {
            try await withTokens(configuration) { tokens in
                guard try await tokens.revoke(name: name, by: unixUser) else {
                    throw CommandFailure(code: "token.unknown", observed: "no valid token is named \(name)", status: 1)
                }
                if output.output == .json { try Console.json(Answer(name: name, revoked: true)) }
            }
        }
    }
}

extension APITokens.Role: ExpressibleByArgument {}

/// Opens the database for one command.
private func withTokens(_ configuration: ConfigurationOption, _ body: (APITokens) async throws -> Void) async throws {
    // tokens are the owner's: the daemon's role cannot give itself one
    let pool = ConnectionPool(
        try configuration.load().database.connection(for: .migrate, applicationName: "countersign token"), size: 1)
    do {
        try await body(APITokens(pool: pool))
    } catch {
        await pool.close()
        throw error
    }
    await pool.close()
}
