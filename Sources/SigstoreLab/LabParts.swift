import Dispatch
import FoundationEssentials
import OpenSSL

/// What is kept in a lab's folder, loaded: keys, certificates, logs, each with its generations.
struct LabParts: Sendable {
    let tokens: IdentityTokens
    let authorities: Lineage<CertificateAuthority>
    let certificateLogs: Lineage<CertificateLog>
    let rekor: RekorShards
    let tiledLogs: Lineage<TiledLog>
    let timestamps: Lineage<TimestampAuthority>
    let witnesses: [NoteSigner]
    let repository: MetadataRepository

    /// Making keys and reading logs block: they have a thread of their own.
    static func load(_ configuration: LabConfiguration) async throws -> LabParts {
        try await onOwnThread { try LabParts(configuration) }
    }

    /// Runs what blocks off the cooperative pool.
    static func onOwnThread<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "lab.keys").async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    private init(_ configuration: LabConfiguration) throws {
        let folder = configuration.directory
        for part in [folder, "\(folder)/keys", "\(folder)/log"] { try AtomicFile.makeFolder(part) }
        let store = try KeyStore(folder: "\(folder)/keys")
        let chronicle = try Chronicle(path: "\(folder)/keys/generations.json", validFrom: store.validFrom)
        tokens = IdentityTokens(
            rsa: try store.key("oidc-rsa", .rsa(bits: 2048)), ec: try store.key("oidc-ec", .ecdsaP256))
        authorities = try Lineage(.fulcio, chronicle) { number, _ in try CertificateAuthority(store, number) }
        certificateLogs = try Lineage(.ct, chronicle) { number, _ in
            let name = KeyStore.name("ct", number)
            return try CertificateLog(path: "\(folder)/log/\(name)", key: try store.key(name, .ecdsaP256))
        }
        let host = configuration.logHost
        rekor = RekorShards(
            lineage: try Lineage(.rekor, chronicle) { number, earlier in
                let name = KeyStore.name("rekor", number)
                return try RekorLog(
                    path: "\(folder)/log/\(name)", key: try store.key(name, .ecdsaP256),
                    treeID: try store.treeID(number), firstIndex: earlier.reduce(0) { $0 + $1.size }, host: host)
            })
        // a verifier takes the host of the log's URL for its name
        let origin = configuration.externalHost ?? configuration.host
        let interval = configuration.checkpointInterval
        let witnesses = try (0..<configuration.witnesses).map { index in
            try NoteSigner(
                name: "witness\(index + 1).countersign.lab", role: .witness,
                key: try store.key("witness-\(index + 1)", .ed25519))
        }
        self.witnesses = witnesses
        tiledLogs = try Lineage(.rekor2, chronicle) { number, _ in
            let name = KeyStore.name("rekor2", number)
            return try TiledLog(
                path: "\(folder)/log/\(name)", key: try store.key(name, .ed25519), origin: origin,
                interval: interval, witnesses: witnesses)
        }
        repository = try MetadataRepository(folder: "\(folder)/tuf", store: store)
        let curve: KeyAlgorithm = configuration.timestampCurve == .p256 ? .ecdsaP256 : .ecdsaP384
        timestamps = try Lineage(.tsa, chronicle) { number, _ in try TimestampAuthority(store, number, curve) }
    }
}
