package import OCI

/// Which repositories are swept: those that policy signs, as far as they can be known. Pure.
package struct SweepPlan: Sendable {
    package let policy: SigningPolicy

    package init(policy: SigningPolicy) { self.policy = policy }

    /// The rule that signs what has a tag in that repository; nil if none does.
    package func rule(for repository: Repository) -> PolicyConfiguration.Rule? {
        if case .sign(let rule) = policy.decide(repository, tagged: true) { rule } else { nil }
    }

    /// Repositories of a registry that an endpoint's list or a rule writes out, and that policy signs.
    package func named(in registry: String) -> [Repository] {
        let listed = policy.listed(in: registry).filter(\.isName).map(\.pattern)
        let prefix = registry + "/"
        let ruled = policy.rules.flatMap(\.repositories).filter { $0.isName && $0.pattern.hasPrefix(prefix) }
            .map { String($0.pattern.dropFirst(prefix.count)) }
        return Set(listed + ruled).sorted()
            .compactMap { try? Repository(registry: registry, name: $0) }
            .filter { rule(for: $0) != nil }
    }

    /// Whether there may be more than ``named(in:)``: both the lists and the rules have globs, so only the registry's catalog
    /// can tell.
    package func needsCatalog(of registry: String) -> Bool {
        policy.listed(in: registry).contains { !$0.isName }
            && policy.rules.contains { $0.effect == .sign && $0.repositories.contains { !$0.isName } }
    }
}

extension SigningPolicy {
    /// What the endpoints of a registry list.
    func listed(in registry: String) -> [Glob] { lists[registry] ?? [] }
}

extension Glob {
    /// Whether it matches only itself.
    var isName: Bool { !pattern.contains("*") && !pattern.contains("?") }
}
