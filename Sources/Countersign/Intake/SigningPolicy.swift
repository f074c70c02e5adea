package import OCI
import OpenSSL

/// Decides what we sign: pure, without clock or network, so that intake and execution cannot disagree by accident.
///
/// Evaluated at intake, to refuse early, and again when the job runs; that one counts and its `version` is stored.
package struct SigningPolicy: Sendable {
    /// Names the content: equal rules have equal versions on every daemon, whatever the file's comments and order of keys.
    package let version: String
    package let rules: [PolicyConfiguration.Rule]

    package init(_ configuration: PolicyConfiguration) {
        rules = configuration.rules
        version = "p-" + Digest.sha256(of: Array(Self.canonical(configuration.rules).utf8)).hex.prefix(16)
    }

    /// What the policy says about one artifact.
    package enum Decision: Sendable, Equatable {
        /// Sign; of an index, what `index` says.
        case sign(rule: String, index: PolicyConfiguration.IndexSigning)
        case refuse(reason: String)
    }

    /// The first rule whose globs match `registry/repository` decides; without one, nothing is signed.
    /// - Parameter tagged: whether the push carried a tag; nil where nobody can know (a child of an index that policy asked
    ///   for, a look back at execution): the rule's `untagged` is then not applied.
    package func decide(_ repository: Repository, tagged: Bool?) -> Decision {
        let name = repository.description
        guard let rule = rules.first(where: { $0.repositories.contains { $0.matches(name) } }) else {
            return .refuse(reason: "no policy rule matches \(name)")
        }
        switch (rule.effect, rule.untagged, tagged) {
        case (.refuse, _, _): return .refuse(reason: "policy rule '\(rule.name)' refuses \(name)")
        case (.sign, .refuse, false): return .refuse(reason: "policy rule '\(rule.name)' refuses pushes without a tag")
        case (.sign, _, _): return .sign(rule: rule.name, index: rule.index)
        }
    }

    /// One line a rule; globs cannot contain spaces or line ends, names neither.
    private static func canonical(_ rules: [PolicyConfiguration.Rule]) -> String {
        rules.map { rule in
            let globs = rule.repositories.map(\.pattern).joined(separator: " ")
            return "\(rule.name) \(rule.effect.rawValue) \(rule.untagged.rawValue) \(rule.index.rawValue) \(globs)\n"
        }.joined()
    }
}
