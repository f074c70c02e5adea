package import OCI

/// What becomes of one push event.
package enum EventVerdict: Sendable, Equatable {
    /// Sign this digest.
    case sign(Repository, Digest, rule: String)
    /// Ask the registry what the tag points at, then sign that.
    case resolve(Repository, tag: String, rule: String)
    /// Counted, not written down.
    case ignored(IgnoredReason)
    /// Not ours to sign: written down with the reason, under the canonical name where the host is ours, else under the
    /// name that was claimed. Never dialled.
    case refused(registry: String, reason: String)
}

/// What one endpoint may say, and what we do about it. Pure: the whole table can be tested without a server.
package struct EndpointRules: Sendable {
    private let endpoint: EndpointConfiguration
    private let registry: RegistryConfiguration
    private let policy: SigningPolicy

    package init(endpoint: EndpointConfiguration, registry: RegistryConfiguration, policy: SigningPolicy) {
        self.endpoint = endpoint
        self.registry = registry
        self.policy = policy
    }

    /// The checks, in the order that answers a signer's own push before anything else (webhooks README, rule 6).
    package func verdict(on event: PushEvent) -> EventVerdict {
        // A tag that holds a digest (Harbor, zot) is no tag.
        let tag = event.tag.flatMap { $0.isTag ? $0 : nil }
        if let reason = signersPush(event) { return .ignored(reason) }
        guard !endpoint.trustHost || registry.isCalled(event.registryHost) else {
            return .refused(
                registry: event.registryHost,
                reason: "host '\(event.registryHost.prefix(100))' is not \(registry.name) or an alias of it")
        }
        guard let repository = try? Repository(registry: registry.name, name: event.repository) else {
            return refused("'\(event.repository.prefix(100))' is not a repository name")
        }
        guard endpoint.repositories.contains(where: { $0.matches(repository.name) }) else {
            return refused("repository is outside the list of endpoint '\(endpoint.name)'")
        }
        let digest = event.digest.flatMap { try? Digest($0) }
        guard digest != nil || tag != nil else { return .ignored(.nothingToResolve) }
        switch policy.decide(repository, tagged: tag != nil) {
        case .refuse(let reason): return refused(reason)
        case .sign(let rule, _):
            if let digest { return .sign(repository, digest, rule: rule) }
            if let tag { return .resolve(repository, tag: tag, rule: rule) }
            return .ignored(.nothingToResolve)
        }
    }

    /// Signing answers a push with a push; without these checks the daemon would answer itself for ever.
    private func signersPush(_ event: PushEvent) -> IgnoredReason? {
        if let tag = event.tag, SignatureTag.matches(tag) { return .signerTag }
        if let agent = event.userAgent {
            // As our HTTP client introduces itself to registries.
            if agent == "countersign" || agent.hasPrefix("countersign/") { return .ownPush }
            if endpoint.ignoredUserAgents.contains(where: { $0.matches(agent) }) { return .otherSigner }
        }
        if let actor = event.actor, endpoint.ignoredActors.contains(actor) { return .ownPush }
        if event.references.contains(where: MediaType.isSignatureLayer) { return .signatureMaterial }
        return nil
    }

    private func refused(_ reason: String) -> EventVerdict { .refused(registry: registry.name, reason: reason) }
}

extension RegistryConfiguration {
    /// Whether this is the registry that `host` names: its name or an alias, compared without case and without a port that
    /// the scheme implies.
    package func isCalled(_ host: String) -> Bool {
        let host = normal(host)
        return ([name] + aliases).contains { normal($0) == host }
    }

    private func normal(_ host: String) -> String {
        let implied = upstream.url.hasPrefix("http://") ? ":80" : ":443"
        let lower = host.lowercased()
        return lower.hasSuffix(implied) ? String(lower.dropLast(implied.count)) : lower
    }
}

extension String {
    /// The distribution specification's tag grammar: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    fileprivate var isTag: Bool {
        guard (1...128).contains(utf8.count), let first = utf8.first, first != 0x2E, first != 0x2D else { return false }
        return allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
    }
}
