import FoundationEssentials
import OCI

extension Doctor {
    /// One registry: reachable with its credentials, pull of the images that are known, and push where their signatures are
    /// kept, with how it lists them.
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
        let images = images(of: registry)
        if let place = registry.signaturePlace {
            for image in images {
                findings.append(await pullFinding(client, "\(registry.name)/\(image)", image, signatures: place))
            }
        }
        let places = places(in: registry, images)
        for place in places { findings += await placeFindings(client, registry, place) }
        // one that keeps signatures of other registries' images may have no images of its own
        let hasImages = places.isEmpty || configuration.endpoints.contains { $0.registry == registry.name }
        if images.isEmpty, hasImages {
            findings.append(
                DoctorFinding(
                    "\(name) \(registry.signaturePlace == nil ? "push" : "pull")",
                    .doubtful(
                        "not tried: the configuration names repositories by pattern only",
                        fix: "name one that exists: `doctor --repository \(registry.name)/…`")))
        }
        return findings
    }

    /// All that is done with a repository in which signatures are kept.
    private func placeFindings(
        _ client: RegistryClient, _ registry: RegistryConfiguration, _ repository: String
    ) async -> [DoctorFinding] {
        let name = "\(registry.name)/\(repository)"
        let referrers = await referrersFinding(client, name, repository)
        let needsTags = signsLegacy || referrers.facts["referrers"] == "fallback"
        var findings = [await pushFinding(client, name, repository), referrers]
        if options.writes {
            findings.append(await tagFinding(client, registry, name, repository, needsTags: needsTags))
        } else if needsTags {
            findings.append(
                DoctorFinding(
                    "tags \(name)",
                    .doubtful(
                        "signatures are kept under tags sha256-… here, which are written again and again; whether the registry "
                            + "lets them be is not tried",
                        fix: "see that tags sha256-* are exempt from immutability; `doctor --write` tries it")))
        }
        if registry.deletion != nil { findings.append(await deletionFinding(registry, name, repository)) }
        return findings
    }

    /// Something that nothing has is asked for: the answer that it is not there needs the right to pull.
    private func pullFinding(
        _ client: RegistryClient, _ name: String, _ repository: String, signatures place: Repository
    ) async -> DoctorFinding {
        await look("pull \(name)", fix: "give the daemon pull on this repository") {
            _ = try await client.serves(repository, .sha256(of: Array("countersign doctor".utf8)))
            return .good("manifests may be asked for; signatures are kept in \(place)")
        }
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
                    "no referrers API: signatures are listed under the tag sha256-<hex>, which is rewritten for each one",
                    facts: ["referrers": "fallback"])
            }
        }
    }

    /// Whether a rule puts signatures under tags, whatever the registry can do.
    private var signsLegacy: Bool {
        configuration.policy.rules.contains { $0.effect == .sign && $0.formats.contains(.legacy) }
    }

    /// Repositories of the registry in which signatures are kept: those of the images, unless these are kept elsewhere, and
    /// what other registries' images have theirs in (``Registries/place(of:)``).
    private func places(in registry: RegistryConfiguration, _ images: [String]) -> [String] {
        let others = configuration.registries.compactMap(\.signaturePlace).filter { $0.registry == registry.name }
        var seen: Set<String> = []
        return ((registry.signaturePlace == nil ? images : []) + others.map(\.name)).filter { seen.insert($0).inserted }
    }

    /// Repositories of the registry's images that somebody named: on the command line, or in a list without a pattern.
    private func images(of registry: RegistryConfiguration) -> [String] {
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
