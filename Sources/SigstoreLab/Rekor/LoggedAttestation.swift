import OpenSSL

/// `intoto` 0.0.2: an envelope whose payload and signatures are base64 of base64, each signature with its key.
struct LoggedAttestation: Decodable {
    struct Spec: Decodable {
        struct Content: Decodable {
            struct Envelope: Decodable {
                struct Signature: Decodable {
                    let sig: String
                    let publicKey: String
                }
                let payload: String?
                let payloadType: String
                let signatures: [Signature]
            }
            let envelope: Envelope
            let hash: LoggedHash?
        }
        let content: Content
    }

    let spec: Spec

    init(json: [UInt8]) throws(RekorRefusal) { self = try ProposedEntry.decode(LoggedAttestation.self, json) }

    func entry() throws -> ProposedEntry {
        let envelope = spec.content.envelope
        guard let payload = envelope.payload.flatMap(Self.twice), let hash = spec.content.hash else {
            throw RekorRefusal.entry("payload and hash are required")
        }
        var keys: [VerificationKey] = []
        var kept: [Canonical.Signature] = []
        for signature in envelope.signatures {
            guard let bytes = Self.twice(signature.sig), let pem = [UInt8](base64: signature.publicKey) else {
                throw RekorRefusal.entry("illegal base64 data")
            }
            let key = try VerificationKey(pem: pem)
            let signed = SignedEnvelope(payload: payload, payloadType: envelope.payloadType, signatures: [bytes])
            _ = try signed.signers(among: [key])
            keys.append(key)
            kept.append(.init(publicKey: signature.publicKey, sig: signature.sig))
        }
        guard !keys.isEmpty else { throw RekorRefusal.entry("no signatures") }
        let payloadHash = LoggedHash(sha256: payload)
        let canonical = Canonical(
            content: .init(
                envelope: .init(payloadType: envelope.payloadType, signatures: kept), hash: hash,
                payloadHash: payloadHash))
        return ProposedEntry(
            canonicalBody: try ProposedEntry.canonical(kind: "intoto", version: "0.0.2", spec: canonical),
            searchKeys: [hash.searchKey, payloadHash.searchKey]
                + StatementSubjects.searchKeys(payload: payload, type: envelope.payloadType)
                + keys.flatMap { ["sha256:\($0.fingerprint)"] + $0.subjects })
    }

    private static func twice(_ text: String) -> [UInt8]? {
        [UInt8](base64: text).flatMap { [UInt8](base64: String(decoding: $0, as: UTF8.self)) }
    }

    /// The payload itself is not kept.
    private struct Canonical: Encodable {
        struct Content: Encodable {
            let envelope: Envelope
            let hash: LoggedHash
            let payloadHash: LoggedHash
        }
        struct Envelope: Encodable {
            let payloadType: String
            let signatures: [Signature]
        }
        struct Signature: Encodable {
            let publicKey: String
            let sig: String
        }
        let content: Content
    }
}
