import FoundationEssentials
import Support
import Testing

@testable import Countersign

@Suite struct ConfigurationReadingTests {
    @Test func `the example sets every key the reader knows, and nothing else`() throws {
        let log = ConfigurationSection.ProblemLog()
        let text = try Example.text()
        _ = Configuration.parse(text, directory: "/etc/countersign", sources: .example, log: log)
        #expect(log.problems == [])
        let written = Example.paths(in: text)
        let missing = log.keys.filter { key in
            // The two ways to give a secret or a token are shown by one of them
            if key.hasSuffix(".file") || key.hasSuffix(".env") {
                return !text.contains("{file:") || !text.contains("{env:")
            }
            return !written.contains(key.split(separator: ".").last.map(String.init) ?? "")
        }
        #expect(missing == [])
        #expect(log.keys.count > 90)
    }

    @Test func `the example is valid and shows the defaults`() throws {
        let configuration = try Configuration.parse(
            Example.text(), directory: "/etc/countersign", sources: .example)
        #expect(configuration.environment == .production)
        #expect(configuration.listeners == ListenerConfiguration())
        #expect(configuration.intake == IntakeConfiguration())
        #expect(configuration.worker == WorkerConfiguration())
        var budgets = configuration.budgets
        #expect(budgets.upstreams.count == 1 && budgets.repositories.count == 1 && configuration.tenants.count == 1)
        (budgets.upstreams, budgets.repositories) = ([], [])
        #expect(budgets == BudgetConfiguration())
        var api = configuration.api
        #expect(api.oidc.count == 1)
        let tenant = try #require(configuration.tenants.first)
        #expect(tenant.globs.first == "registry.example.com/team/payments/**" && tenant.globs.count > 1)
        #expect(tenant.globs.allSatisfy { $0.hasPrefix("registry.example.com/") })
        #expect(api.oidc[0].roles[0].repositories == ["registry.example.com/team/**"] + tenant.globs)
        api.oidc = []
        #expect(api == APIConfiguration())
        #expect(configuration.log == LogConfiguration() && configuration.retention == RetentionConfiguration())
        #expect(configuration.sigstore.window == WindowConfiguration())
        #expect(configuration.sigstore.identity.token == .file("/var/run/secrets/tokens/sigstore"))
        #expect(
            configuration.sigstore.trust
                == .files(
                    trustedRoot: "/etc/countersign/trusted_root.json",
                    signingConfig: "/etc/countersign/signing_config.v0.2.json"))
        #expect(
            configuration.endpoints[0].secrets.map(\.exposed) == Array(repeating: "content of a secret file", count: 2))
        #expect(configuration.database.url.exposed == "postgresql://example/countersign")
        let basic = RegistryConfiguration.Credentials.basic(
            username: "countersign", password: Secret("content of a secret file"))
        #expect(configuration.registries[1].credentials == basic)
    }

    @Test func `what one begins with is complete, and leaves all else at its default`() throws {
        let text = try String(contentsOfFile: packageRoot + "/config/minimal.yaml", encoding: .utf8)
        let configuration = try Configuration.parse(text, directory: "/etc/countersign", sources: .example)
        #expect(configuration.omissions() == [])
        #expect(configuration.environment == .production && configuration.api == APIConfiguration())
        #expect(configuration.budgets == BudgetConfiguration() && configuration.tenants.isEmpty)
        #expect(configuration.notifications.sinks.isEmpty && configuration.sigstore.identities.isEmpty)
        for page in ["README.md", "docs/operations.md"] {
            let text = try String(contentsOfFile: "\(packageRoot)/\(page)", encoding: .utf8)
            #expect(text.contains("config/minimal.yaml"), "\(page)")
        }
    }

    @Test func `every alternative of the example reads`() throws {
        let lines = try Example.text().split(separator: "\n").map { $0.drop { $0 == " " } }
        let alternatives = lines.filter { $0.hasPrefix("#or:") }.map { $0.dropFirst(4).drop { $0 == " " } }
        #expect(!alternatives.isEmpty)
        for alternative in alternatives {
            let identity =
                alternative.hasPrefix("key:")
                ? "{\(alternative)}"
                : "{token: {\(alternative)}, subject_alternative_name: a@b.example, issuer: 'https://issuer.example'}"
            let text = try Example.text().replacing("\n  # As whom we sign.\n  identity:\n", with: "\n  x-unused:\n")
            let found = problems(
                in: text.replacing("\n  x-unused:\n", with: "\n  identity: \(identity)\n  x-unused:\n"))
            #expect(found.map(\.path) == ["sigstore.x-unused"], "\(alternative)")
        }
    }

    @Test func `every alternative source of trust in the example reads`() throws {
        let lines = try Example.text().split(separator: "\n").map { $0.drop { $0 == " " } }
        let alternatives = lines.filter { $0.hasPrefix("#or-trust:") }.map { $0.dropFirst(10).drop { $0 == " " } }
        #expect(alternatives.count == 2)
        for alternative in alternatives {
            let text = try Example.text().replacing(
                "\n  trusted_root: trusted_root.json\n", with: "\n  \(alternative)\n")
            #expect(problems(in: text).map(\.path) == ["sigstore.signing_config"], "\(alternative)")
            let services = ["fulcio", "timestamp_authority", "rekor", "logs"].reduce(text) {
                $0.replacing("\n  \($1):\n", with: "\n  x-\($1):\n")
            }
            let found = problems(in: services.replacing("\n  signing_config:", with: "\n  x-signing_config:"))
            #expect(found.allSatisfy { $0.path.hasPrefix("sigstore.x-") }, "\(alternative): \(found)")
        }
    }

    @Test(arguments: [
        ("trusted_root: a\n  client_trust_config: b", ["sigstore.client_trust_config"]),
        ("trusted_root: a\n  tuf: {root: r, url: 'https://tuf.example'}", ["sigstore.tuf"]),
        ("client_trust_config: a\n  signing_config: b", ["sigstore.signing_config"]),
        ("tuf: {url: 'https://tuf.example'}", ["sigstore.tuf.root"]),
        ("tuf: {root: r, url: 'http://tuf.example'}", ["sigstore.tuf.url"]),
        ("tuf: {root: r, url: 'https://tuf.example', refresh: 1s}", ["sigstore.tuf.refresh"]),
        ("tuf: {root: r, url: 'https://tuf.example', targets_url: nowhere}", ["sigstore.tuf.targets_url"]),
        ("upstreams: {timeout: 0s}\n  trusted_root: a", ["sigstore.upstreams.timeout"]),
    ])
    func `trust comes from one source, completely named`(_ keys: String, _ paths: [String]) {
        #expect(problems(in: minimal.replacing("trusted_root: root.json", with: keys)).map(\.path) == paths)
    }

    @Test func `services may be left to a signing configuration, and only to one`() throws {
        let without = minimal.split(separator: "\n").filter { line in
            !["fulcio:", "timestamp_authority:", "rekor:"].contains { line.contains($0) }
        }.joined(separator: "\n")
        #expect(
            problems(in: without).map(\.path) == ["sigstore.fulcio", "sigstore.rekor"])
        for source in ["trusted_root: a\n  signing_config: b", "client_trust_config: a"] {
            #expect(problems(in: without.replacing("trusted_root: root.json", with: source)) == [], "\(source)")
        }
    }

    @Test func `a rule for a tenant that is not configured is refused by name`() throws {
        let text = try Example.text().replacing("tenants: [payments]", with: "tenants: [paymets]")
        #expect(problems(in: text).map(\.path) == ["api.oidc[0].roles[0].tenants"])
    }

    @Test func `a misspelt key is an error that names its path, line and nearest known key`() {
        #expect(
            problems(in: minimal + "worker:\n  concurency: 4\n")
                == [.init("worker.concurency", "unknown key; did you mean 'concurrency'?", line: 21)])
    }

    @Test func `all problems are told at once`() {
        let paths = problems(in: "environment: prod\nlisteners: {webhooks: nowhere, read_timeout: 5}\nfoo: 1\n").map(
            \.path)
        for path in [
            "environment", "listeners.webhooks", "listeners.read_timeout", "foo", "database.url", "sigstore.fulcio",
            "sigstore.trusted_root",
        ] {
            #expect(paths.contains(path), "\(path) in \(paths)")
        }
    }

    @Test func `what cannot be read and what must not be stand in one list, in the order of the file`() {
        let text = minimal.replacing("environment: development", with: "environment: production")
            .replacing("https://tsa.example.com", with: "http://tsa.example.com")
            .replacing("registry: registry.example.com", with: "registry: elsewhere.example.com")
        let found = problems(in: text + "worker: {lease: soon, heartbeat: 20s, pol: 1s}\nlog: {level: loud}\n")
        #expect(
            found.map(\.path) == [
                "sigstore.timestamp_authority.url", "endpoints[0].registry", "worker.lease", "worker.pol", "log.level",
            ])
        // no heartbeat suits a lease that nobody knows; an unknown key hides nothing
        #expect(found.map(\.line) == [7, 16, 20, 20, 21])
    }

    @Test(arguments: [
        ("environment: development", "environment: prod", ["environment"]),
        ("url: {env: DATABASE_URL}", "url: {env: ABSENT}", ["database.url.env"]),
        (
            "trusted_root: root.json", "client_trust_config: a\n  tuf: {root: r, url: 'https://t.example'}",
            ["sigstore.tuf"]
        ),
        ("name: registry.example.com", "nam: registry.example.com", ["registries[0].name", "registries[0].nam"]),
        ("secret: {file: secret}", "secret: {file: /absent}", ["endpoints[0].secret.file"]),
        ("repositories: [\"**\"]}", "repositories: ['a***']}", ["policy.rules[0].repositories"]),
        ("policy: {", "tenants: [{name: a, endpoints: [none]}]\npolicy: {", ["tenants[0].endpoints"]),
        ("policy: {", "worker: {retry_base: x, retry_ceiling: 1ms}\npolicy: {", ["worker.retry_base"]),
    ])
    func `of a key that could not be read nothing else is said`(_ key: String, _ written: String, _ paths: [String]) {
        #expect(problems(in: minimal.replacing(key, with: written)).map(\.path) == paths)
    }

    @Test func `what a key is judged by are keys, and so is what is judged`() throws {
        let log = ConfigurationSection.ProblemLog()
        _ = Configuration.parse(try Example.text(), directory: "/etc", sources: .example, log: log)
        let named = ConfigurationSection.ProblemLog.judgedBy.keys.flatMap { key in
            [key] + ConfigurationSection.ProblemLog.keys(judging: key)
        }
        #expect(named.count > 40)
        #expect(named.filter { !log.keys.contains($0) } == [])
    }

    @Test func `a configuration that lets nothing be signed is one, and what it lacks is told`() throws {
        let lines = minimal.split(separator: "\n")
        let bare = lines.prefix { !$0.hasPrefix("registries") }.joined(separator: "\n")
        let read = try Configuration.parse(bare, directory: "/etc", sources: .example)
        #expect(read.omissions().map(\.path) == ["registries", "endpoints", "policy"])
        #expect(try Configuration.parse(minimal, directory: "/etc", sources: .example).omissions() == [])
    }

    @Test(arguments: [
        ("database: {url: 'postgresql://in/clear'}", "database.url"),
        ("database: {url: {env: ABSENT}}", "database.url.env"),
        ("database: {url: {file: a, env: DATABASE_URL}}", "database.url.file"),
        ("database: {url: {env: EMPTY}}", "database.url.env"),
        ("database: {url: {file: /absent}}", "database.url.file"),
        ("database: {url: [a, b]}", "database.url"),
        ("database: postgresql", "database"),
        ("endpoints: {name: a}", "endpoints"),
        ("policy: {rules: [{name: a, repositories: ['a***']}]}", "policy.rules[0].repositories"),
        ("policy: {rules: [{name: a, repositories: [[a]]}]}", "policy.rules[0].repositories"),
        (
            "registries: [{name: a.example, url: https://a, credentials: {username: u}}]",
            "registries[0].credentials.username"
        ),
        (
            "registries: [{name: a.example, url: https://a, deletion: {username: u}}]",
            "registries[0].deletion.username"
        ),
        ("registries: [{name: a.example, url: https://a, deletion: {}}]", "registries[0].deletion.username"),
        ("worker: {lease: 30}", "worker.lease"),
        ("worker: {lease: -3s}", "worker.lease"),
        ("worker: {concurrency: many}", "worker.concurrency"),
        ("worker: {concurrency: 4611686018427387904}", "worker.concurrency"),
        ("worker: {crashes_before_alone: 3000000000}", "worker.crashes_before_alone"),
        ("worker: {crashes_alone: 9223372036854775807}", "worker.crashes_alone"),
        ("worker: {missing_manifest_patience: 10001d}", "worker.missing_manifest_patience"),
        ("budgets: {upstreams: [{upstream: rekor, rate: 1e19/s}]}", "budgets.upstreams[0].rate"),
        ("budgets: {upstreams: [{upstream: rekor, rate: 1e-300/h}]}", "budgets.upstreams[0].rate"),
        ("worker: {lease: 30s, lease: 20s}", ""),
        ("log: {level: loud}", "log.level"),
        ("a: [", ""),
        ("- list", ""),
    ]) func `malformed text is refused at its path`(text: String, path: String) {
        #expect(problems(in: text + "\n").map(\.path).contains(path))
    }

    @Test func `a secret never shows itself`() {
        let secret = Secret("hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped] {
            #expect(!text.contains("hunter2"))
        }
    }

    @Test(arguments: [
        ("0", Duration.zero), ("500ms", .milliseconds(500)), ("30s", .seconds(30)), ("5m", .seconds(300)),
        ("1h", .seconds(3600)),
    ]) func `durations have units`(text: String, expected: Duration) {
        #expect(Duration(configured: text) == expected)
    }

    @Test(arguments: ["", "5", "s", "1.5s", "5 s", "-1s", "9223372036854775807h", "5sec", "10001d"])
    func `a duration that is not one is refused`(text: String) {
        #expect(Duration(configured: text) == nil)
    }

    @Test func `sizes are powers of two with a unit, or bytes`() {
        #expect(Int(configuredBytes: "1MiB") == 1_048_576)
        #expect(Int(configuredBytes: "4096") == 4096)
        #expect(Int(configuredBytes: "1MB") == nil)
        for signed in ["+1MiB", "-1", "+", ""] { #expect(Int(configuredBytes: signed) == nil) }
        for signed in ["+5s", "-0s", "s", ""] { #expect(Duration(configured: signed) == nil) }
        #expect(Int(configuredBytes: "9223372036854775807GiB") == nil)
    }

    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:0", "[::1]:0"), ("localhost:8080", "localhost:8080"), ("::1:80", nil),
        ("127.0.0.1", nil), (":80", nil), ("a:70000", nil), ("a b:80", nil), ("", nil),
    ]) func `listen addresses have a host and a port`(text: String, expected: String?) {
        #expect(ListenAddress(text)?.description == expected)
    }

    private func problems(in text: String) -> [ConfigurationProblem] {
        do {
            _ = try Configuration.parse(text, directory: "/etc", sources: .example)
            return []
        } catch {
            return error.problems
        }
    }
}

extension SecretSources {
    static var example: SecretSources {
        var environment = ["EMPTY": ""]
        for purpose in ["", "INTAKE_", "MIGRATE_", "DIRECT_"] {
            environment["DATABASE_\(purpose)URL"] = "postgresql://example/countersign"
        }
        return SecretSources(environment: environment) { path in
            guard path != "/absent" else { throw CocoaError(.fileReadNoSuchFile) }
            return Array("content of a secret file\n".utf8)
        }
    }
}

enum Example {
    static func text() throws -> String {
        try String(contentsOfFile: packageRoot + "/config/countersign.example.yaml", encoding: .utf8)
    }

    /// The names of all keys that the text sets. Comments do not count, except `#or:` lines: each is an alternative to what
    /// stands there, and `every alternative of the example reads` puts it in its place.
    static func paths(in text: String) -> Set<String> {
        var names: Set<String> = []
        for line in text.split(separator: "\n").map({ $0.drop { $0 == " " } }) {
            let line =
                line.hasPrefix("#or:") ? line.dropFirst(4) : line.hasPrefix("#or-trust:") ? line.dropFirst(10) : line
            if line.hasPrefix("#") { continue }
            for part in line.split(whereSeparator: { ":,{".contains($0) }) {
                names.insert(String(part.drop { " -".contains($0) }))
            }
        }
        return names
    }
}

let minimal = """
    environment: development
    database:
      url: {env: DATABASE_URL}
    sigstore:
      trusted_root: root.json
      fulcio: {url: https://fulcio.example.com}
      timestamp_authority: {url: https://tsa.example.com}
      rekor: {url: https://rekor.example.com}
      identity:
        token: {env: TOKEN}
        subject_alternative_name: a@example.com
        issuer: https://issuer.example.com
    registries: [{name: registry.example.com, url: https://registry.example.com}]
    endpoints:
      - name: main
        registry: registry.example.com
        secret: {file: secret}
        repositories: ["**"]
    policy: {rules: [{name: all, repositories: ["**"]}]}

    """
