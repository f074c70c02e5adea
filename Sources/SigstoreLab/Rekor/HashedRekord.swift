import OpenSSL

/// `hashedrekord` 0.0.1: a signature over a digest.
struct HashedRekord: Decodable {
    struct Spec: Decodable {
        struct Content: Decodable { let hash: LoggedHash }
        struct Signature: Decodable {
            struct Key: Decodable { let content: String }
            let content: String
            let publicKey: Key
        }
        let data: Content
        let signature: Signature
    }

    let spec: Spec

    init(json: [UInt8]) throws(RekorRefusal) { self = try ProposedEntry.decode(HashedRekord.self, json) }

    func entry() throws -> ProposedEntry {
        guard let pem = [UInt8](base64: spec.signature.publicKey.content),
            let signature = [UInt8](base64: spec.signature.content)
        else { throw RekorRefusal.entry("illegal base64 data") }
        let key = try VerificationKey(pem: pem)
        try check(signature, by: key.key)
        let body = Canonical(
            data: .init(hash: spec.data.hash),
            signature: .init(content: signature.base64, publicKey: .init(content: key.canonicalPEM.base64)))
        return ProposedEntry(
            canonicalBody: try ProposedEntry.canonical(kind: "hashedrekord", version: "0.0.1", spec: body),
            searchKeys: [key.fingerprint, spec.data.hash.searchKey] + key.subjects)
    }

    /// Rekor has only the digest: the signature is checked over it, with the algorithm that the entry names.
    private func check(_ signature: [UInt8], by key: PublicKey) throws {
        let algorithms: [String: DigestAlgorithm] = ["sha256": .sha256, "sha384": .sha384, "sha512": .sha512]
        guard let algorithm = algorithms[spec.data.hash.algorithm], let digest = [UInt8](hex: spec.data.hash.value),
            digest.count == algorithm.byteCount
        else { throw RekorRefusal.entry("invalid value for hash") }
        let scheme: SignatureScheme
        switch key.algorithm {
        case .rsa: scheme = .rsaPKCS1(algorithm)
        case .ed25519: throw RekorRefusal.entry("verifying signature: unsupported public key type: ed25519.PublicKey")
        default: scheme = .ecdsa(algorithm)
        }
        do {
            try key.verify(signature, prehashed: digest, scheme)
        } catch {
            throw RekorRefusal.entry("verifying signature: invalid signature when validating ASN.1 encoded signature")
        }
    }

    private struct Canonical: Encodable {
        struct Content: Encodable { let hash: LoggedHash }
        struct Key: Encodable { let content: String }
        struct Signature: Encodable {
            let content: String
            let publicKey: Key
        }
        let data: Content
        let signature: Signature
    }
}
