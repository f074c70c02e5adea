import FoundationEssentials
import OCI

extension Doctor {
    /// One registry: reachable with its credentials, push in the repositories that are known, and how it lists referrers.
    func registryFindings(_ registry: RegistryConfiguration) async -> [DoctorFinding] {
        let name = "registry \(registry.name)"
        let client: RegistryClient
        do { client = RegistryClient(try registry.endpoint, http: http) } catch {
            return [await look(name, fix: "see url and credentials of the registry") { throw error }]
        }
        var findings = [
            await look(name, fix: "see url, credentials and TLS of the registry") {
                try await client.ping()
                return .good("answers at \(registry.upstream.url) to \(registry.credentials.words)")
            }
        ]
        guard findings.allSatisfy({ $0.verdict == .ok }) else { return findings }
        let repositories = repositories(of: registry)
        for repository in repositories {
            findings.append(await pushFinding(client, "\(registry.name)/\(repository)", repository))
            findings.append(await referrersFinding(client, "\(registry.name)/\(repository)", repository))
            if options.writes {
                findings.append(await tagFinding(client, registry, "\(registry.name)/\(repository)", repository))
            }
            if registry.deletion != nil {
                findings.append(await deletionFinding(registry, "\(registry.name)/\(repository)", repository))
            }
        }
        if repositories.isEmpty {
            findings.append(
                DoctorFinding(
                    "\(name) push",
                    .doubtful(
                        "not tried: the configuration names repositories by pattern only",
                        fix: "name one that exists: `doctor --repository \(registry.name)/…`")))
        }
        return findings
    }

    /// A session is opened, which needs the right to push, and cancelled: nothing is stored.
    private func pushFinding(_ client: RegistryClient, _ name: String, _ repository: String) async -> DoctorFinding {
        await look("push \(name)", fix: "give the daemon pull and push on this repository") {
            switch try await client.probePush(repository) {
            case .cancelled: .good("an upload session was opened and cancelled")
            case .left:
                .good("an upload session was opened; the registry does not cancel sessions, and will expire it")
            }
        }
    }

    /// A digest that nothing has is deleted: what the registry answers to that tells whether it would delete.
    private func deletionFinding(
        _ registry: RegistryConfiguration, _ name: String, _ repository: String
    ) async -> DoctorFinding {
        await look("deletion \(name)", fix: "see `deletion` of the registry") {
            guard let endpoint = try registry.deletionEndpoint else {
                return .good("nothing is deleted")
            }
            let nothing = Digest.sha256(of: Array("countersign doctor".utf8))
            _ = try await ManifestDeletion(endpoint, http: http).delete(repository, nothing)
            return .good("\(registry.deletion?.words ?? "") is not refused; tried with a digest that nothing has")
        }
    }

    private func referrersFinding(_ client: RegistryClient, _ name: String, _ repository: String) async -> DoctorFinding
    {
        await look("referrers \(name)", fix: "give the daemon pull on this repository") {
            // a digest that nothing has: the answer tells only whether there is an API
            let nothing = Digest.sha256(of: Array("countersign doctor".utf8))
            switch try await client.referrers(repository, of: nothing) {
            case .api: return .good("the registry has the referrers API", facts: ["referrers": "api"])
            case .fallback:
                return .good(
                    "no referrers API: signatures are listed under the tag sha256-<hex>, which is rewritten for each one. "
                        + "If tags are immutable there, exempt sha256-*; `doctor --write` tries it",
                    facts: ["referrers": "fallback"])
            }
        }
    }

    /// Repositories of the registry that somebody named: on the command line, or in a list without a pattern.
    private func repositories(of registry: RegistryConfiguration) -> [String] {
        let prefix = registry.name + "/"
        var names = options.repositories.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        for endpoint in configuration.endpoints where endpoint.registry == registry.name {
            names += endpoint.repositories.map(\.pattern).filter { !$0.isPattern }
        }
        for rule in configuration.policy.rules where rule.effect == .sign {
            names += rule.repositories.map(\.pattern).filter { $0.hasPrefix(prefix) && !$0.isPattern }
                .map { String($0.dropFirst(prefix.count)) }
        }
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }.prefix(8).map(\.self)
    }
}

extension String {
    fileprivate var isPattern: Bool { contains { "*?".contains($0) } }
}

extension RegistryConfiguration.Credentials {
    fileprivate var words: String {
        switch self {
        case .anonymous: "anonymous requests"
        case .dockerConfig(let path): "the credentials of \(path)"
        case .basic(let username, _): "user \(username)"
        }
    }
}
