import FoundationEssentials
import Yams

/// Where secrets come from while a configuration is read.
package struct SecretSources: Sendable {
    package var environment: [String: String]
    /// The content of a file; throws what the operator should read.
    package var file: @Sendable (String) throws -> [UInt8]

    /// The process's own environment and file system.
    package static var process: SecretSources {
        SecretSources(environment: ProcessInfo.processInfo.environment) { path in
            try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    package init(environment: [String: String], file: @escaping @Sendable (String) throws -> [UInt8]) {
        self.environment = environment
        self.file = file
    }
}

extension Configuration {
    /// The most bytes of a configuration file.
    private static let sizeLimit = 16 << 20

    /// Reads a configuration file. Relative paths inside it start at the file's own folder.
    /// - Throws: every problem of the file at once.
    package static func read(path: String, sources: SecretSources = .process) throws(ConfigurationError)
        -> Configuration
    {
        let file = URL(fileURLWithPath: path)
        let bytes: [UInt8]
        do throws(BundleFileError) {
            bytes = try NamedFile(path: path).contents(atMost: sizeLimit)
        } catch {
            let isMissing = !FileManager.default.fileExists(atPath: path)
            let problem =
                error.limit != nil
                ? "the file has \(error.why)" : isMissing ? "there is no such file" : "the file cannot be read"
            throw ConfigurationError(problems: [.init("", problem)])
        }
        guard let text = String(bytes: bytes, encoding: .utf8) else {
            throw ConfigurationError(problems: [.init("", "the file is not UTF-8 text")])
        }
        return try parse(text, directory: file.deletingLastPathComponent().path, sources: sources)
    }

    /// Parses and validates the text of a configuration file.
    /// - Throws: every problem at once, in the order of the file: YAML, unknown keys, unreadable values and secrets, and what
    ///   `validate()` says of the rest.
    package static func parse(
        _ text: String, directory: String, sources: SecretSources
    ) throws(ConfigurationError) -> Configuration {
        let log = ConfigurationSection.ProblemLog()
        let configuration = parse(text, directory: directory, sources: sources, log: log)
        guard let configuration else { throw ConfigurationError(problems: log.problems) }
        let problems = log.problems(with: configuration.validate())
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        return configuration
    }

    /// Reads without judging; the log collects problems and the keys that were asked for.
    static func parse(
        _ text: String, directory: String, sources: SecretSources, log: ConfigurationSection.ProblemLog
    ) -> Configuration? {
        do {
            let node = try Yams.compose(yaml: text)
            let root = ConfigurationSection(node, at: "", log: log)
            let reading = ConfigurationReading(directory: directory, sources: sources)
            defer { root.finish() }
            return reading.configuration(root)
        } catch {
            log.problems.append(.init("", "not YAML: \(String(describing: error).prefix(500))"))
            return nil
        }
    }
}

/// The sections of the file, in the order of the example; the keys of each are in files of their own.
struct ConfigurationReading {
    let directory: String
    let sources: SecretSources

    func configuration(_ root: ConfigurationSection) -> Configuration {
        var configuration = Configuration(
            database: root.section("database", database), sigstore: root.section("sigstore", sigstore))
        root.read("environment", into: &configuration.environment)
        configuration.listeners = root.section("listeners", listeners)
        configuration.intake = root.section("intake", intake)
        configuration.registries = root.sections("registries", registry)
        configuration.endpoints = root.sections("endpoints", endpoint)
        configuration.policy = root.section("policy") { PolicyConfiguration(rules: $0.sections("rules", rule)) }
        configuration.attestations = root.section("attestations") { AttestationConfiguration(reading: $0) }
        configuration.reconcile = root.section("reconcile") { ReconcileConfiguration(reading: $0) }
        configuration.worker = root.section("worker", worker)
        configuration.budgets = root.section("budgets") { BudgetConfiguration(reading: $0) }
        let endpoints = configuration.endpoints
        configuration.tenants = root.sections("tenants") { tenant($0, endpoints) }
        let tenants = configuration.tenants
        configuration.api = root.section("api") { api($0, tenants) }
        configuration.batches = root.section("batches") { section in
            var batches = BatchConfiguration()
            section.read("approval", into: &batches.approval)
            return batches
        }
        configuration.retention = root.section("retention") { RetentionConfiguration(reading: $0) }
        configuration.notifications = root.section("notifications", notifications)
        configuration.log = root.section("log", log)
        return configuration
    }

    // MARK: Paths and secrets

    func path(_ text: String) -> String {
        text.isEmpty || text.hasPrefix("/") ? text : "\(directory)/\(text)"
    }

    /// A secret is never in the file itself: a plain value is a problem, so that it is not committed by mistake.
    func secret(_ section: ConfigurationSection, _ key: String) -> Secret? {
        guard section.has(key) else { return section.section(key, secretValue) }
        return section.section(key, secretValue) ?? Secret("")
    }

    func requiredSecret(_ section: ConfigurationSection, _ key: String, _ meaning: String) -> Secret {
        if !section.has(key) { section.complain(key, "is missing: \(meaning), as {file: path} or {env: NAME}") }
        return secret(section, key) ?? Secret("")
    }

    private func secretValue(_ section: ConfigurationSection) -> Secret? {
        let file = section.string("file").map(path)
        let variable = section.string("env")
        switch (file, variable) {
        case (nil, nil): return nil
        case (let file?, nil):
            guard let bytes = try? sources.file(file), bytes.count <= 64 << 10 else {
                section.complain("file", "cannot read '\(file)' (or it is larger than 64 KiB)")
                return nil
            }
            return usable(String(decoding: bytes, as: UTF8.self), section, "file", at: file)
        case (nil, let variable?):
            guard let value = sources.environment[variable] else {
                section.complain("env", "the environment has no \(variable)")
                return nil
            }
            return usable(value, section, "env")
        default:
            section.complain("file", "give exactly one of 'file' and 'env'")
            return nil
        }
    }

    /// The value without the line end that editors add; an empty secret would let everybody in.
    private func usable(
        _ value: String, _ section: ConfigurationSection, _ key: String, at file: String? = nil
    ) -> Secret? {
        var value = value[...]
        while value.last?.isNewline == true { value.removeLast() }
        guard !value.isEmpty else {
            section.complain(key, "the secret is empty")
            return nil
        }
        return Secret(String(value), file: file)
    }
}
