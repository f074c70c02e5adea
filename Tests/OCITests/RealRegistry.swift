import Curl
import OCI
import Support

/// A `docker-registry` process and clients of it.
struct RealRegistry: Sendable {
    static let program = DockerRegistry.program

    private let registry: DockerRegistry

    /// - Parameter htpasswd: a line `user:bcrypt`; without it the registry is open.
    init(htpasswd: String? = nil, deletes: Bool = true) async throws {
        registry = try await DockerRegistry(htpasswd: htpasswd, deletes: deletes)
    }

    var host: String { "127.0.0.1:\(registry.port)" }

    /// Ends the process.
    func stop() async throws { try await registry.stop() }

    func client(credentials: Credentials = .anonymous) throws -> RegistryClient {
        RegistryClient(try endpoint(credentials), http: HTTPClient())
    }

    func deletion() throws -> ManifestDeletion { ManifestDeletion(try endpoint(.anonymous), http: HTTPClient()) }

    private func endpoint(_ credentials: Credentials) throws -> RegistryEndpoint {
        let route = HTTPRoute.toTestServer
        return try RegistryEndpoint(
            name: "registry.test", url: "http://127.0.0.1:\(registry.port)", route: route, credentials: credentials)
    }
}
