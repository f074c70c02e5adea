public import OpenSSL

/// A key of a root or of a delegation (4.2 "Key objects").
public struct TUFKey: Sendable {
    /// The name signatures call it by. Not recomputed: repositories exist whose ids come from older forms of the key.
    public let id: String
    /// `ed25519`, `ecdsa` or `rsa`, as the file says it.
    public let type: String
    /// How it signs, as the file says it.
    public let scheme: String
    /// The key; nil if it is of a kind that we do not verify with: what it signs does not count.
    public let publicKey: PublicKey?
    private let signatureScheme: SignatureScheme?

    init(id: String, _ field: MetadataField) throws(TUFError) {
        self.id = id
        type = try field.required("keytype").string()
        scheme = try field.required("scheme").string()
        let text = try field.required("keyval").required("public").string()
        (publicKey, signatureScheme) = Self.key(text, type: type, scheme: scheme)
    }

    /// The three kinds of the specification, and go-tuf's older spelling of the second: its type named like the scheme, its
    /// point in hexadecimal.
    private static func key(_ text: String, type: String, scheme: String) -> (PublicKey?, SignatureScheme?) {
        switch (type, scheme) {
        case ("ed25519", "ed25519"):
            guard let bytes = Hex.decode(text), let key = try? PublicKey(ed25519: bytes) else { break }
            return (key, .ed25519)
        case ("ecdsa", "ecdsa-sha2-nistp256"), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"):
            guard let key = try? PublicKey(pem: text), key.algorithm == .ecdsaP256 else {
                // 0x04 ‖ X ‖ Y, SEC 1 §2.3.3
                guard let point = Hex.decode(text), point.count == 65, point[0] == 4,
                    let key = try? PublicKey(.ecdsaP256, x: Array(point[1...32]), y: Array(point[33...]))
                else { break }
                return (key, .ecdsa(.sha256))
            }
            return (key, .ecdsa(.sha256))
        case ("rsa", "rsassa-pss-sha256"):
            guard let key = try? PublicKey(pem: text), case .rsa = key.algorithm else { break }
            return (key, .rsaPSS(.sha256))
        default: break
        }
        return (nil, nil)
    }

    func hasSigned(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
        guard let publicKey, let signatureScheme else { return false }
        return (try? publicKey.verify(signature, of: message, signatureScheme)) != nil
    }

    /// The keys of an object `{id: key}`.
    static func all(_ field: MetadataField) throws(TUFError) -> [String: TUFKey] {
        var keys: [String: TUFKey] = [:]
        for (id, field) in try field.members(atMost: 1024) { keys[id] = try TUFKey(id: id, field) }
        return keys
    }
}

/// Who must sign a role, and how many of them.
public struct RoleKeys: Sendable {
    /// The ids, each once, in the order of the file.
    public let keyIDs: [String]
    /// How many different keys must sign.
    public let threshold: Int
    /// The keys that go by these ids; an id without a key cannot sign.
    public let keys: [String: TUFKey]

    init(_ field: MetadataField, keys known: [String: TUFKey]) throws(TUFError) {
        let list = try field.required("keyids")
        var keyIDs: [String] = []
        for element in try list.elements(atMost: 1024) {
            let id = try element.string()
            guard !keyIDs.contains(id) else { throw list.malformed("key \(printable(id, limit: 70)) is listed twice") }
            keyIDs.append(id)
        }
        self.keyIDs = keyIDs
        threshold = Int(try field.required("threshold").integer(atLeast: 1))
        keys = known.filter { keyIDs.contains($0.key) }
    }

    /// How many different keys of the role signed the message.
    ///
    /// Keys are told apart by what they are, not by their ids: one key under two ids is one signer, as is one that signed
    /// twice (5.3.4: "each KEY MUST only contribute one SIGNATURE").
    func signers(of message: [UInt8], _ signatures: [MetadataFile.Signature]) -> Int {
        var signers: Set<[UInt8]> = []
        for signature in signatures where signers.count < threshold {
            guard let key = keys[signature.keyID], let spki = key.publicKey?.spki, !signers.contains(spki),
                key.hasSigned(message, signature.bytes)
            else { continue }
            signers.insert(spki)
        }
        return signers.count
    }

    /// Whether the same keys may sign: what a rotation is measured by.
    func isSigned(bySameKeysAs other: RoleKeys) -> Bool {
        func material(_ role: RoleKeys) -> Set<[UInt8]> { Set(role.keys.values.compactMap { $0.publicKey?.spki }) }
        return material(self) == material(other)
    }
}
