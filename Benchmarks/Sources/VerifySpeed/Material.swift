import Curl
import FoundationEssentials
import Sigstore

/// Bundles to measure with, made as any client makes them: Fulcio, timestamp authority and Rekor v1 of a lab.
enum Material {
    static let signaturesPerCertificate = 20
    static let repository = "registry.example/team/app"

    static func make(lab: String, in directory: String, count: Int) async throws {
        let root = try TrustedRoot(json: VerifySpeed.read("\(lab)/trusted_root.json"))
        let tokens = FileTokenSource(path: "\(lab)/token")
        let http = HTTPClient()
        defer { http.shutdown() }
        var route = HTTPRoute()
        (route.allowPlainHTTP, route.addresses) = (true, .privateAllowed)
        let services = try KeylessSigner.Services(
            SigningConfig(json: VerifySpeed.read("\(lab)/signing_config.json")), trusting: root, http: http
        ) { _ in route }
        let signer = KeylessSigner(
            services, tokens: tokens, verifier: Verifier(root: root),
            limits: .init(maxSignatures: signaturesPerCertificate, refreshAt: 1))
        for start in stride(from: 0, to: count, by: signaturesPerCertificate) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in start..<min(start + signaturesPerCertificate, count) {
                    group.addTask {
                        let bundle = try await signer.sign(statement(index))
                        let unstamped = UnverifiedBundle(
                            bundle.content, bundle.material, bundle.tlogEntries, timestamps: [])
                        try write(bundle.json(), to: "\(directory)/stamped-\(index).json")
                        try write(unstamped.json(), to: "\(directory)/plain-\(index).json")
                    }
                }
                try await group.waitForAll()
            }
        }
        try write(Array(await tokens.token().claims.issuer.utf8), to: "\(directory)/issuer")
        try write(VerifySpeed.read("\(lab)/trusted_root.json"), to: "\(directory)/trusted_root.json")
    }

    /// The artifact of that number.
    static func digest(_ index: Int) -> ArtifactDigest { ArtifactDigest(sha256Of: Array("\(index)".utf8)) }

    /// That it may be used in ``repository``.
    private static func statement(_ index: Int) -> Statement {
        let digest = digest(index)
        return Statement(subjects: [
            .init(
                name: repository, digest: [digest.algorithm: digest.hex],
                annotations: [Statement.repositoryAnnotation: repository, "dev.countersign/rule": "default"])
        ])
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw VerifySpeed.Unreadable(path: path)
        }
    }
}
