package import OCI
import OpenSSL

/// Decides what we sign: pure, without clock or network, so that intake, commands and execution cannot disagree by accident.
///
/// Two questions, both of the configuration: does an endpoint list the repository, and what does the first rule say whose
/// globs match? Asked when a push or a command arrives, to refuse early, and again when the job runs; that one counts and
/// its `version` is stored.
package struct SigningPolicy: Sendable {
    /// Of whatever it refuses, wherever that is said.
    static let refusedCode = "policy.refused"

    /// Names the content: equal rules and lists have equal versions on every daemon, whatever the file's comments and order
    /// of keys.
    package let version: String
    package let rules: [PolicyConfiguration.Rule]
    /// What the endpoints may speak for, by the registry's canonical name.
    let lists: [String: [Glob]]

    package init(_ configuration: Configuration) {
        self.init(configuration.policy, endpoints: configuration.endpoints)
    }

    init(_ policy: PolicyConfiguration, endpoints: [EndpointConfiguration]) {
        rules = policy.rules
        lists = endpoints.reduce(into: [:]) { $0[$1.registry, default: []] += $1.repositories }
        let canonical = Self.canonical(policy.rules) + Self.canonical(endpoints)
        version = "p-" + Digest.sha256(of: Array(canonical.utf8)).hex.prefix(16)
    }

    /// What the policy says about one artifact.
    package enum Decision: Sendable, Equatable {
        /// Sign, as this rule says.
        case sign(PolicyConfiguration.Rule)
        case refuse(reason: String)
    }

    /// Whether the list of any endpoint of its registry has the repository. One that was taken off every list is signed no
    /// more, however it got into the queue.
    package func isListed(_ repository: Repository) -> Bool {
        lists[repository.registry]?.contains { $0.matches(repository.name) } ?? false
    }

    /// Unlisted repositories are refused. Then the first rule whose globs match `registry/repository` decides; without one,
    /// nothing is signed.
    /// - Parameter tagged: whether the push carried a tag; nil where nobody can know (a child of an index that policy asked
    ///   for, a look back at execution): the rule's `untagged` is then not applied.
    package func decide(_ repository: Repository, tagged: Bool?) -> Decision {
        guard isListed(repository) else { return .refuse(reason: "no endpoint lists repository \(repository)") }
        let name = repository.description
        guard let rule = rules.first(where: { $0.repositories.contains { $0.matches(name) } }) else {
            return .refuse(reason: "no policy rule matches \(name)")
        }
        switch (rule.effect, rule.untagged, tagged) {
        case (.refuse, _, _): return .refuse(reason: "policy rule '\(rule.name)' refuses \(name)")
        case (.sign, .refuse, false):
            return .refuse(
                reason:
                    "policy rule '\(rule.name)' does not sign what has no tag (a child of an index, a push by digest); "
                    + "push it with a tag, or set 'untagged: sign'")
        case (.sign, _, _): return .sign(rule)
        }
    }

    /// One line a rule, in order; globs cannot contain spaces or line ends, names neither.
    private static func canonical(_ rules: [PolicyConfiguration.Rule]) -> String {
        rules.map { rule in
            let globs = rule.repositories.map(\.pattern).joined(separator: " ")
            // what a rule leaves at its default does not change the version
            var extras =
                rule.formats == [.bundle] ? "" : " formats=\(rule.formats.map(\.rawValue).joined(separator: ","))"
            if rule.identity != PolicyConfiguration.Rule.defaultIdentity { extras += " identity=\(rule.identity)" }
            if let log = rule.log { extras += " log=\(log)" }
            return
                "\(rule.name) \(rule.effect.rawValue) \(rule.untagged.rawValue) \(rule.index.rawValue)\(extras) \(globs)\n"
        }.joined()
    }

    /// One line a listed glob, sorted: neither the order of the endpoints nor which of them has it changes what is signed.
    private static func canonical(_ endpoints: [EndpointConfiguration]) -> String {
        let listed = endpoints.flatMap { endpoint in
            endpoint.repositories.map { "\(endpoint.registry) \($0.pattern)\n" }
        }
        return "lists\n" + Set(listed).sorted().joined()
    }
}
