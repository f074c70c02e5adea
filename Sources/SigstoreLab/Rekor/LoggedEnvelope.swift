import FoundationEssentials
import OpenSSL

/// `dsse` 0.0.1: an envelope comes as a string, of which only hashes and signatures are kept.
struct LoggedEnvelope: Decodable {
    struct Spec: Decodable {
        struct Content: Decodable {
            let envelope: String
            let verifiers: [String]
        }
        let proposedContent: Content?
    }

    let spec: Spec

    init(json: [UInt8]) throws(RekorRefusal) { self = try ProposedEntry.decode(LoggedEnvelope.self, json) }

    func entry() throws -> ProposedEntry {
        guard let content = spec.proposedContent else {
            throw RekorRefusal.entry("proposed content is required")
        }
        let keys = try content.verifiers.map { verifier throws(RekorRefusal) in
            guard let pem = [UInt8](base64: verifier) else { throw .entry("illegal base64 data") }
            return try VerificationKey(pem: pem)
        }
        let envelope = try SignedEnvelope(json: Array(content.envelope.utf8))
        let signatures = try envelope.signers(among: keys)
        // Of the envelope exactly as sent: not of any canonical form of it.
        let envelopeHash = LoggedHash(sha256: Array(content.envelope.utf8))
        let payloadHash = LoggedHash(sha256: envelope.payload)
        let canonical = Canonical(
            envelopeHash: envelopeHash, payloadHash: payloadHash,
            signatures: signatures.map {
                .init(signature: $0.signature.base64, verifier: $0.key.canonicalPEM.base64)
            }.sorted { $0.signature < $1.signature })
        return ProposedEntry(
            canonicalBody: try ProposedEntry.canonical(kind: "dsse", version: "0.0.1", spec: canonical),
            searchKeys: [envelopeHash.searchKey, payloadHash.searchKey]
                + StatementSubjects.searchKeys(payload: envelope.payload, type: envelope.payloadType)
                + keys.flatMap { ["sha256:\($0.fingerprint)"] + $0.subjects })
    }

    private struct Canonical: Encodable {
        struct Signature: Encodable {
            let signature: String
            let verifier: String
        }
        let envelopeHash: LoggedHash
        let payloadHash: LoggedHash
        let signatures: [Signature]
    }
}

/// A DSSE envelope whose signatures are to be checked.
struct SignedEnvelope {
    let payload: [UInt8]
    let payloadType: String
    let signatures: [[UInt8]]

    init(payload: [UInt8], payloadType: String, signatures: [[UInt8]]) {
        self.payload = payload
        self.payloadType = payloadType
        self.signatures = signatures
    }

    init(json: [UInt8]) throws(RekorRefusal) {
        struct Wire: Decodable {
            struct Signature: Decodable { let sig: String }
            let payload: String
            let payloadType: String
            let signatures: [Signature]
        }
        guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(json)),
            let payload = [UInt8](base64: wire.payload) ?? [UInt8](base64URL: wire.payload)
        else { throw .entry("error parsing envelope") }
        self.payload = payload
        payloadType = wire.payloadType
        signatures = wire.signatures.compactMap { [UInt8](base64: $0.sig) ?? [UInt8](base64URL: $0.sig) }
        guard signatures.count == wire.signatures.count, !signatures.isEmpty else {
            throw .entry("envelope must contain at least one signature")
        }
    }

    /// DSSE v1.0.2, "PAE".
    var preAuthenticationEncoding: [UInt8] {
        Array("DSSEv1 \(payloadType.utf8.count) \(payloadType) \(payload.count) ".utf8) + payload
    }

    /// Finds the key of each signature. Every signature needs one: an unverifiable one is not logged.
    func signers(among keys: [VerificationKey]) throws(RekorRefusal) -> [(signature: [UInt8], key: VerificationKey)] {
        let message = preAuthenticationEncoding
        var signers: [(signature: [UInt8], key: VerificationKey)] = []
        for signature in signatures {
            guard let key = keys.first(where: { (try? $0.key.verify(signature, of: message)) != nil }) else {
                throw .entry(
                    "could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1")
            }
            signers.append((signature, key))
        }
        return signers
    }
}
