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
