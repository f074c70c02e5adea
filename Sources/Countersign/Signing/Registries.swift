package import Curl
package import OCI

/// The registries of the configuration, by canonical name. Nobody else is ever dialled: a host in an event selects one of
/// these or nothing.
package struct Registries: Sendable {
    private let clients: [String: RegistryClient]
    private let deletions: [String: ManifestDeletion]
    /// Where all signatures of a registry's images are kept, for those that keep them apart.
    private let places: [String: Repository]

    /// One client per registry, all on one transfer thread.
    /// - Parameter dependencies: whose gates stand before the requests; nil: none do.
    /// - Throws: ``OCIError`` when an address or a credentials file cannot be used.
    package init(
        _ registries: [RegistryConfiguration], http: HTTPClient, dependencies: Dependencies? = nil
    ) throws(OCIError) {
        var clients: [String: RegistryClient] = [:]
        var deletions: [String: ManifestDeletion] = [:]
        for registry in registries {
            let http = dependencies.map { http.gated(by: $0.gate(.registry, registry.name)) } ?? http
            clients[registry.name] = RegistryClient(try registry.endpoint, http: http)
            if let endpoint = try registry.deletionEndpoint {
                deletions[registry.name] = ManifestDeletion(endpoint, http: http)
            }
        }
        self.clients = clients
        self.deletions = deletions
        places = registries.reduce(into: [:]) { $0[$1.name] = $1.signaturePlace }
    }

    static let unknownCode = "registry.unknown"

    /// Ends a job, of a digest or of a tag, as policy does when it says no: whoever took the registry out of the configuration
    /// meant it, and what waited for it would wait for ever. A push takes it up again. What is signed there nobody can look at
    /// any more, so it is not called signed. Only a removal waits (``place(of:)``): it was promised.
    static func unknown(_ repository: Repository, _ stage: SigningStage) -> Failure {
        let error = SigningError.unknownRegistry(repository.registry)
        return Failure(
            code: error.code, stage: stage.rawValue, observed: "\(error)",
            fix: "add the registry to the configuration, then push or send it again, if it should be signed")
    }

    /// The client of the registry that `repository` names; nil if the configuration has none (any more).
    package subscript(_ repository: Repository) -> RegistryClient? { clients[repository.registry] }

    /// Where signatures of a repository's images are kept: in itself, unless the configuration names another repository.
    package func place(of repository: Repository) throws(SigningError) -> SignaturePlace {
        let place = places[repository.registry] ?? repository
        guard let registry = self[place] else { throw .unknownRegistry(place.registry) }
        return SignaturePlace(registry: registry, repository: place, deletion: deletions[place.registry])
    }

    /// Every client with the canonical name of its registry, in the order of the names.
    package var all: [(name: String, client: RegistryClient)] {
        clients.sorted { $0.key < $1.key }.map { (name: $0.key, client: $0.value) }
    }
}

extension RegistryConfiguration {
    /// What the client needs to know, credentials read from where the configuration says.
    package var endpoint: RegistryEndpoint {
        get throws(OCIError) { try endpoint(as: credentials) }
    }

    /// The same with the credential for deleting; nil if there is none.
    package var deletionEndpoint: RegistryEndpoint? {
        get throws(OCIError) {
            guard let deletion else { return nil }
            return try endpoint(as: deletion)
        }
    }

    private func endpoint(as credentials: Credentials) throws(OCIError) -> RegistryEndpoint {
        try RegistryEndpoint(
            name: name, url: upstream.url, route: upstream.route, credentials: try credentials.source(of: name),
            allowedTokenRealms: tokenRealms)
    }
}

extension RegistryConfiguration.Credentials {
    /// Files are read again whenever credentials are to be presented anew, and once now: what is wrong with them stops a start.
    fileprivate func source(of registry: String) throws(OCIError) -> any CredentialSource {
        switch self {
        case .anonymous: return OCI.Credentials.anonymous
        case .dockerConfig(let path):
            let source = DockerConfigSource(path: path, registry: registry)
            _ = try source.current()
            return source
        case .basic(let username, let password):
            guard let file = password.file else {
                return OCI.Credentials.basic(username: username, password: OCI.Credentials.Secret(password.exposed))
            }
            let source = PasswordFileSource(username: username, path: file)
            _ = try source.current()
            return source
        }
    }
}

extension UpstreamConfiguration {
    /// Time, size, address and TLS bounds of every request to this upstream.
    package var route: HTTPRoute {
        var route = HTTPRoute()
        route.connectTimeout = connectTimeout
        route.totalTimeout = timeout
        route.caFile = caFile
        route.addresses = privateNetwork ? .privateAllowed : .publicOnly
        route.allowPlainHTTP = plainHTTP
        switch proxy {
        case .environment: route.proxy = .environment
        case .none: route.proxy = .none
        case .url(let url): route.proxy = .url(url)
        }
        return route
    }
}
