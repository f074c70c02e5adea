import OpenSSL

/// A key of a TUF role: Ed25519 in hex, or ECDSA P-256 in PEM, as python-tuf writes them.
struct MetadataKey: Sendable {
    private let key: PrivateKey
    /// The key as `root.json` lists it.
    let description: MetadataValue
    /// SHA-256 of the canonical description.
    let id: String

    /// - Throws: `LabError.configuration` for a key of another kind.
    init(_ key: PrivateKey) throws {
        self.key = key
        let (type, scheme, text): (String, String, String)
        switch key.algorithm {
        case .ed25519: (type, scheme, text) = ("ed25519", "ed25519", (key.publicKey.ed25519Bytes ?? []).hex)
        case .ecdsaP256: (type, scheme, text) = ("ecdsa", "ecdsa-sha2-nistp256", key.publicKey.pem)
        default: throw LabError.configuration("TUF roles have Ed25519 or P-256 keys here")
        }
        description = .object([
            "keytype": .text(type), "scheme": .text(scheme), "keyval": .object(["public": .text(text)]),
        ])
        id = Hash.sha256(description.canonical).hex
    }

    /// A member of `signatures`.
    func signature(over signed: [UInt8]) throws -> MetadataValue {
        .object(["keyid": .text(id), "sig": .text(try key.sign(signed).hex)])
    }
}

/// The keys of all top-level roles at one time.
struct MetadataKeys: Sendable {
    /// Any two of these sign a root.
    let root: [MetadataKey]
    let timestamp: MetadataKey
    let snapshot: MetadataKey
    let targets: MetadataKey

    static let rootThreshold = 2

    /// - Parameters:
    ///   - root: generation of the root keys, counted from 1.
    ///   - online: generation of the other three.
    init(_ store: KeyStore, root rootNumber: Int, online: Int) throws {
        root = try (1...3).map {
            try MetadataKey(try store.key(KeyStore.name("tuf-root\($0)", rootNumber), .ecdsaP256))
        }
        func key(_ role: String, _ algorithm: KeyAlgorithm) throws -> MetadataKey {
            try MetadataKey(try store.key(KeyStore.name("tuf-\(role)", online), algorithm))
        }
        timestamp = try key("timestamp", .ed25519)
        snapshot = try key("snapshot", .ed25519)
        targets = try key("targets", .ecdsaP256)
    }
}
