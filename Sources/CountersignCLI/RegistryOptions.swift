import ArgumentParser
import Countersign
import Curl
import OCI

/// How a command that asks a registry itself reaches it. Without a daemon there is no configuration that would say so.
struct RegistryOptions: ParsableArguments {
    @Option(help: "Docker's config.json with the credentials for the registry.") var dockerConfig: String?
    @Option(help: "PEM certificates that the registry's certificate must chain to.") var caFile: String?
    @Flag(help: "Speak http with the registry.") var plainHttp = false
    @Flag(help: "The registry may be on a private or loopback address.") var privateNetwork = false

    /// A client of the registry `host`; nothing is sent yet.
    func client(for host: String, http: HTTPClient) throws -> RegistryClient {
        var route = HTTPRoute()
        route.allowPlainHTTP = plainHttp
        route.addresses = privateNetwork ? .privateAllowed : .publicOnly
        route.caFile = caFile
        let credentials: any CredentialSource =
            dockerConfig.map { DockerConfigSource(path: $0, registry: host) } ?? Credentials.anonymous
        return RegistryClient(
            try RegistryEndpoint(
                name: host, url: "\(plainHttp ? "http" : "https")://\(host)", route: route, credentials: credentials),
            http: http)
    }

    /// Runs `body` with a client of the registry that `reference` names, and closes its connections.
    func with<Answer>(
        _ reference: Reference, _ body: (RegistryClient) async throws -> Answer
    ) async throws -> Answer {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        return try await body(client(for: reference.repository.registry, http: http))
    }

    /// The same with where the reference's signatures are kept; nil: beside it.
    func with<Answer>(
        _ reference: Reference, _ options: PlaceOptions,
        _ body: (RegistryClient, SignaturePlace?) async throws -> Answer
    ) async throws -> Answer {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let configuration = try options.config.map { try ConfigurationOption.load($0) }
        let (client, place) = try places(
            of: reference.repository, signatures: options.signatures, configuration, http: http)
        return try await body(client, place)
    }

    /// The image's registry and where its signatures are: as the daemon's configuration says, if one is named and knows it.
    /// - Parameter signatures: the repository that the command line names for them.
    func places(
        of image: Repository, signatures: SignatureRepositoryOption, _ configuration: Configuration?, http: HTTPClient
    ) throws -> (RegistryClient, SignaturePlace?) {
        let known = try configuration.map { try Registries($0.registries, http: http) }
        let client = try known?[image] ?? client(for: image.registry, http: http)
        if let named = try signatures.signatureRepository.map({ try Reference(argument: $0).repository }) {
            let there =
                try named.registry == image.registry
                ? client : known?[named] ?? self.client(for: named.registry, http: http)
            return (client, SignaturePlace(registry: there, repository: named))
        }
        return (client, known?[image] == nil ? nil : try known?.place(of: image))
    }
}

/// Where signatures are kept, if not beside their images.
struct SignatureRepositoryOption: ParsableArguments {
    @Option(help: "Where signatures are kept, if not beside their images (host/name; cosign's COSIGN_REPOSITORY).")
    var signatureRepository: String?
}

/// The same for commands that need no trust material: said, or as the daemon does it.
struct PlaceOptions: ParsableArguments {
    @OptionGroup var signatures: SignatureRepositoryOption
    @Option(
        name: .shortAndLong,
        help: "The daemon's configuration file: how its registries are reached, and where their signatures are kept.")
    var config: String?
}

extension Reference {
    /// A reference as it was written on the command line.
    /// - Throws: ``CommandFailure`` with exit status 2: misuse.
    init(argument: String) throws {
        do {
            try self.init(argument)
        } catch {
            throw CommandFailure(
                code: error.code, observed: "\(error)",
                fix: "write host/repository@sha256:… or host/repository:tag; no registry is assumed", status: 2)
        }
    }
}
