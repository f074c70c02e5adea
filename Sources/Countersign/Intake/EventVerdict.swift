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
        if let reason = signersPush(event) { return .ignored(reason) }
        if endpoint.trustHost {
            guard let host = event.registryHost else { return refused("the event names no host") }
            guard registry.isCalled(host) else {
                return .refused(
                    registry: host, reason: "host '\(host.prefix(100))' is not \(registry.name) or an alias of it")
            }
        }
        guard let name = event.repository else { return refused("the event names no repository") }
        guard let repository = try? Repository(registry: registry.name, name: name) else {
            return refused("'\(name.prefix(100))' is not a repository name")
        }
        guard endpoint.speaks(for: repository) else {
            return refused("repository is outside the list of endpoint '\(endpoint.name)'")
        }
        guard event.mediaType.map(PushEvent.isSchema1) != true else {
            return refused("Docker schema 1: its digest does not name its bytes; push it as schema 2 or OCI")
        }
        let digest = event.digest.flatMap { try? Digest($0) }
        let tag = event.usableTag
        switch (policy.decide(repository, tagged: tag != nil), digest, tag) {
        case (_, nil, nil): return refused("the event names neither a valid digest nor a tag")
        case (.refuse(let reason), _, _): return refused(reason)
        case (.sign(let rule), let digest?, _): return .sign(repository, digest, rule: rule.name)
        case (.sign(let rule), nil, let tag?): return .resolve(repository, tag: tag, rule: rule.name)
        }
    }

    /// Signing answers a push with a push; without these checks the daemon would answer itself for ever.
    private func signersPush(_ event: PushEvent) -> IgnoredReason? {
        let tag = event.usableTag
        if let tag, SignatureTag.matches(tag) { return .signerTag }
        if let agent = event.userAgent {
            // As our HTTP client introduces itself to registries. We push referrers by digest and indexes by their fallback
            // tag; under any other tag it is somebody's image, pushed with our library.
            if tag == nil, agent == "countersign" || agent.hasPrefix("countersign/") { return .ownPush }
            if endpoint.ignoredUserAgents.contains(where: { $0.matches(agent) }) { return .otherSigner }
        }
        if let actor = event.actor, endpoint.ignoredActors.contains(actor) { return .ownPush }
        if event.hasOnlySignatureLayers { return .signatureMaterial }
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
