import Curl
import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// What is to be looked at, with everything in place: a Sigstore, a registry, a database.
struct DoctorPatient {
    let line: SigningLine
    var configuration: Configuration
    let folder: TemporaryDirectory

    init(lab: Lab? = nil) async throws {
        line = try await SigningLine(lab: lab)
        folder = try TemporaryDirectory()
        let root = String(decoding: try await line.lab.trustedRootJSON, as: UTF8.self)
        func upstream(_ url: String) -> UpstreamConfiguration {
            var upstream = UpstreamConfiguration(url: url)
            (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
            return upstream
        }
        let sigstore = SigstoreConfiguration(
            trust: .files(trustedRoot: try folder.write(root, to: "root.json"), signingConfig: nil),
            fulcio: upstream(line.fulcio.url), timestampAuthority: upstream(line.tsa.url + "/api/v1/timestamp"),
            rekor: upstream(line.rekor.url),
            identity: IdentityConfiguration(
                token: .file(line.tokenFile),
                subjectAlternativeName: "https://kubernetes.io/namespaces/ci/serviceaccounts/signer",
                issuer: try await line.lab.endpoints.issuer(.kubernetes)))
        let port = try await PostgresCluster.shared().port
        let database = line.database.configuration.database ?? ""
        configuration = Configuration(
            database: DatabaseConfiguration(
                url: Secret("postgresql://postgres@127.0.0.1:\(port)/\(database)?sslmode=disable")),
            sigstore: sigstore)
        configuration.environment = .development
        configuration.listeners.webhooks = ListenAddress(host: "127.0.0.1", port: 1)  // where nothing listens
        configuration.registries = [.init(name: SigningLine.registryName, upstream: upstream(line.registry.url))]
        var endpoint = EndpointConfiguration(
            name: "main", registry: SigningLine.registryName,
            secrets: [Secret("Bearer 0123456789abcdef0123456789abcdef")])
        endpoint.repositories = [try Glob(line.repository.name)]
        configuration.endpoints = [endpoint]
    }

    /// The file of the trust material.
    func trustedRoot() throws -> String {
        guard case .files(let root, _) = configuration.sigstore.trust else {
            throw SupportError("the trust material is no file")
        }
        return root
    }

    func findings(_ change: (inout Doctor.Options) -> Void = { _ in }) async -> [DoctorFinding] {
        var options = Doctor.Options(migrations: packageRoot + "/migrations")
        change(&options)
        return await Doctor(configuration, options, http: SigningLine.http).findings()
    }

    func finding(_ check: String) async throws -> DoctorFinding {
        let findings = await findings()
        return try #require(findings.first { $0.check.hasPrefix(check) }, "\(findings.map(\.check))")
    }
}
