import OCI
import OpenSSL
import Sigstore

/// What is demanded of a document's signature without the document: a signature over the digest of a message is one over the
/// message, so all but the statement, which is of our own making, is verified as that of any client would be.
extension Signer {
    /// All that can be verified before the log has it.
    /// - Parameter digest: SHA-256 of the message, computed by us.
    func verifyBeforeLogging(_ presented: PresentedForm, over digest: [UInt8], datedByLog: Bool) throws {
        try trust.verifier.verifyBeforeLogging(
            try Self.bundle(presented), artifact: try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest)),
            by: try identity.expected, expecting: nil, repositories: nil, datedByLog: datedByLog)
    }

    /// The complete verification of signature, time, identity and log entry.
    /// - Returns: the bundle to be published, its payload left out.
    func verify(
        _ prepared: Evidence.Prepared, _ entry: TlogEntry, over digest: [UInt8]
    ) throws -> (UnverifiedBundle, VerifiedSignature) {
        let message = try Self.bundle(try presented(prepared, entry, .attestation, digest: digest))
        let verified = try trust.verifier.verify(
            message, artifact: try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest)),
            by: try identity.expected)
        let envelope = Envelope(
            payload: [], payloadType: Statement.payloadType, signatures: [.init(sig: prepared.signature)])
        let bundle = UnverifiedBundle(
            .envelope(envelope), message.material, message.tlogEntries, timestamps: message.timestamps)
        return (bundle, verified)
    }

    private static func bundle(_ presented: PresentedForm) throws -> UnverifiedBundle {
        guard case .bundle(let bundle) = presented else {
            throw SigningError.evidenceUnusable("that of a document that is not held is no bundle")
        }
        return bundle
    }
}

extension SignatureScheme {
    /// Whether what is signed by it is a SHA-256.
    var isOverSHA256: Bool {
        switch self {
        case .ecdsa(let digest), .rsaPKCS1(let digest), .rsaPSS(let digest): digest == .sha256
        case .ed25519: false
        }
    }
}
