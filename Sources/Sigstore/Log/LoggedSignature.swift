import OpenSSL

/// What an entry's body says: digests of what was signed, the signature, and whose. For people and searches; that it is
/// included in a log is said by ``Verifier/verify(_:)-(TlogEntry)``, that it belongs to a signature by verifying that.
public struct LoggedSignature: Sendable {
    /// Something of which the log holds only the digest.
    public struct HashedContent: Sendable, Equatable {
        /// `payload` of an envelope, the `envelope` as it was sent, or what was signed: `artifact` (in Rekor v2 also an
        /// envelope's pre-authentication encoding).
        public let what: String
        /// Such as `sha256`.
        public let algorithm: String
        /// The digest.
        public let digest: [UInt8]
    }

    /// The digests that the body holds, the one of what was signed first.
    public let contents: [HashedContent]
    /// The signatures, in the order of ``signers``; one but for envelopes of several, none of a kind that holds only a digest
    /// of them (intoto 0.0.1).
    public let signatures: [[UInt8]]
    /// The certificate or key that the log checked each of them with.
    public let signers: [LogSubmission.Signer]

    /// Reads an entry's body.
    /// - Throws: ``SigstoreError/unsupported(_:)`` for a kind that is none of a signature's, ``SigstoreError/malformed(_:_:)``.
    public init(_ entry: TlogEntry) throws(SigstoreError) {
        if (entry.kind, entry.version) == ("rekord", "0.0.1") {
            self = try Self(rekord: JSONField(document: "tlog entry body", parsing: entry.canonicalizedBody))
            return
        }
        switch try TlogBody(entry) {
        case .dsse(let body):
            contents = [
                HashedContent(what: "payload", algorithm: "sha256", digest: body.payloadHash),
                HashedContent(what: "envelope", algorithm: "sha256", digest: body.envelopeHash),
            ]
            signatures = body.signatures.map(\.signature)
            var signers: [LogSubmission.Signer] = []
            for signed in body.signatures { signers.append(try TlogBody.Logged.pem(signed.verifierPEM).signer()) }
            self.signers = signers
        case .intotoEnvelope(let hash, let payloadHash, let verifier):
            var contents: [HashedContent] = []
            if let payloadHash {
                contents.append(HashedContent(what: "payload", algorithm: "sha256", digest: payloadHash))
            }
            contents.append(HashedContent(what: "envelope", algorithm: "sha256", digest: hash))
            self.contents = contents
            signatures = []
            signers = [try verifier.signer()]
        case .intoto(let payloadHash, let signature, let verifier):
            contents = [HashedContent(what: "payload", algorithm: "sha256", digest: payloadHash)]
            signatures = [signature]
            signers = [try verifier.signer()]
        case .hashedRekord(_, let algorithm, let digest, let signature, let verifier):
            contents = [HashedContent(what: "artifact", algorithm: algorithm, digest: digest)]
            signatures = [signature]
            signers = [try verifier.signer()]
        }
    }

    /// Rekor v1's `rekord` 0.0.1, for signatures of many formats (rekor/pkg/types/rekord/v0.0.1). We neither make nor accept
    /// one, but cosign takes it for the entry of a signature with a certificate; other formats have none.
    private init(rekord document: JSONField) throws(SigstoreError) {
        let spec = try document.required("spec")
        let (signature, hash) = (try spec.required("signature"), try spec.required("data").required("hash"))
        let format = try signature.required("format").string()
        guard format == "x509" else {
            throw .unsupported("a rekord entry of a \(printable(format, limit: 40)) signature")
        }
        contents = [
            HashedContent(
                what: "artifact", algorithm: try hash.required("algorithm").string(),
                digest: try hash.required("value").hex())
        ]
        signatures = [try signature.required("content").bytes()]
        signers = [try TlogBody.Logged.pem(signature.required("publicKey").required("content").bytes()).signer()]
    }
}

extension TlogBody.Logged {
    fileprivate func signer() throws(SigstoreError) -> LogSubmission.Signer {
        do throws(CryptoError) {
            switch self {
            case .pem(let bytes):
                // the log also takes a chain, which begins with the signer's own; bytes, since what is among them is anybody's
                if let end = bytes.firstRange(of: Array("-----END CERTIFICATE-----".utf8)) {
                    return .certificate(
                        try Certificate(pem: String(decoding: bytes[..<end.upperBound], as: UTF8.self)))
                }
                return .publicKey(try PublicKey(pem: String(decoding: bytes, as: UTF8.self)))
            case .der(let bytes):
                // a certificate is no key and a key no certificate: whichever reads is meant
                if let certificate = try? Certificate(der: bytes) { return .certificate(certificate) }
                return .publicKey(try PublicKey(spki: bytes))
            }
        } catch {
            throw .malformed("tlog entry body", "its verifier is neither certificate nor key: \(error)")
        }
    }
}
