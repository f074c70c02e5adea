import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import Support

@testable import Countersign

/// What real cosign pushed and printed (Fixtures/README.md), served again by a real registry under its old name.
struct RecordedReference: Decodable, Sendable {
    struct Manifest: Decodable, Sendable {
        let mediaType: String
        let text: String
        let tag: String?
    }

    let reference: String
    let manifests: [Manifest]
    let blobs: [String]
    /// What `cosign verify` or `cosign verify-attestation` printed on standard output.
    let printed: String
    /// What `--type` was, of an attestation.
    let type: String?
    /// The public key, where no certificate signed.
    let key: String?

    static let folder = packageRoot + "/Tests/CountersignTests/Verification/Fixtures"

    init(_ name: String) throws {
        self = try JSONDecoder().decode(
            Self.self, from: Data(contentsOf: URL(filePath: "\(Self.folder)/\(name).json")))
    }

    static func trustedRoot() throws -> TrustedRoot {
        try TrustedRoot(json: [UInt8](Data(contentsOf: URL(filePath: "\(folder)/trusted_root.json"))))
    }

    /// Identity, issuer and demands of every recording.
    func expectation() throws -> VerifyReference.Expectation {
        var expectation: VerifyReference.Expectation
        if let key {
            expectation = .init(.publicKey(try PublicKey(pem: key)))
            var demands = Verifier.Demands.standard
            demands.acceptsUnloggedKeySignatures = true
            expectation.demands = demands
        } else {
            expectation = .init(
                .certificate(
                    try CertificateIdentity(
                        subjectAlternativeName: .exact("https://kubernetes.io/namespaces/ci/serviceaccounts/signer"),
                        issuer: .exact("http://127.0.0.1:47050/k8s"))))
        }
        if let type { expectation.predicateType = try PredicateType(type).uri }
        return expectation
    }

    /// Pushes it, below `suffix` so that tests do not meet.
    func served(suffix: String = "") async throws -> (RegistryClient, Reference) {
        let original = try Reference(reference)
        let repository = try Repository(
            registry: original.repository.registry, name: original.repository.name + suffix)
        let client = RegistryClient(
            try RegistryEndpoint(
                name: repository.registry, url: "http://127.0.0.1:\(try await Self.registry.value.port)",
                route: SigningLine.route),
            http: SigningLine.http)
        // once: a registry answers 500 to whoever reads what another test is just writing again
        try await Self.pushes.once(repository.name) { [blobs, manifests] in
            for blob in blobs { try await client.pushBlob(repository.name, Base64.decode(blob) ?? []) }
            for manifest in manifests {
                _ = try await client.pushManifest(
                    repository.name, bytes: Array(manifest.text.utf8), mediaType: manifest.mediaType,
                    reference: manifest.tag.map { .tag($0) } ?? .digest)
            }
        }
        return (client, try Reference(repository: repository, tag: original.tag, digest: original.digest))
    }

    /// What our verifier says of it.
    func report(
        suffix: String = "", _ change: (inout VerifyReference.Expectation) throws -> Void = { _ in }
    ) async throws -> VerifyReference.Report {
        let (client, reference) = try await served(suffix: suffix)
        var expectation = try expectation()
        try change(&expectation)
        return try await VerifyReference(
            registry: client, verifier: Verifier(root: Self.trustedRoot()), expecting: expectation
        ).verify(reference)
    }

    private static let registry = Task { try await DockerRegistry() }
    private static let pushes = Pushes()

    /// Pushes each repository once, however many tests ask for it.
    private actor Pushes {
        private var pushed: [String: Task<Void, any Error>] = [:]

        func once(_ repository: String, _ push: @escaping @Sendable () async throws -> Void) async throws {
            let task = pushed[repository] ?? Task { try await push() }
            pushed[repository] = task
            try await task.value
        }
    }
}
