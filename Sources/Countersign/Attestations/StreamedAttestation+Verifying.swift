import OpenSSL
import Sigstore

/// What is demanded of a document's signature without the document: a signature over the digest of a message is one over the
/// message, so all but the statement, which is of our own making, is verified as that of any client would be.
extension StreamedAttestation {
    static func verifyBeforeLogging(
        _ digest: [UInt8], _ signature: [UInt8], timestamps: [[UInt8]], by submitter: LogSubmission.Signer,
        _ signer: Signer, datedByLog: Bool
    ) throws {
        let presented = UnverifiedBundle(
            .messageSignature(digestAlgorithm: "SHA2_256", digest: digest, signature: signature),
            material(submitter), [], timestamps: timestamps)
        try signer.trust.verifier.verifyBeforeLogging(
            presented, artifact: try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest)),
            by: try signer.identity.expected, expecting: nil, repositories: nil,
            datedByLog: datedByLog)
    }

    /// What an earlier attempt left behind, before the log gets it (``Signer/verifyStored(_:_:by:)``).
    func verifyStored(_ prepared: Evidence.Prepared, _ digest: [UInt8], _ signer: Signer) throws {
        let submitter = try signer.submitter(of: prepared)
        do {
            // the log may have it already: whether anybody dated it is judged with the entry
            try Self.verifyBeforeLogging(
                digest, prepared.signature, timestamps: prepared.timestamps, by: submitter, signer, datedByLog: true)
        } catch let error as VerificationError {
            throw SigningError.ownOutputRejected(
                code: error.code, observed: "what was stored for the log: \(error.observed)")
        }
        try signer.verifyRequest(
            of: prepared, LogSubmission(.message(digest: digest, signature: prepared.signature), by: submitter))
    }

    /// The complete verification of signature, time, identity and log entry, over the digest of the message.
    /// - Returns: the bundle to be published, its payload left out.
    func verify(
        _ prepared: Evidence.Prepared, _ entry: TlogEntry, _ digest: [UInt8], _ signer: Signer
    ) throws -> (UnverifiedBundle, VerifiedSignature) {
        let material: UnverifiedBundle.Material
        switch (prepared.certificateChain.first, signer.identity.means) {
        case (let leaf?, _): material = .certificate(leaf)
        case (nil, .key(let key)): material = .publicKey(hint: key.publicKey.hint)
        case (nil, .keyless): throw SigningError.evidenceUnusable("no certificate")
        }
        let entries = try prepared.entries(with: entry)
        let message = UnverifiedBundle(
            .messageSignature(digestAlgorithm: "SHA2_256", digest: digest, signature: prepared.signature), material,
            entries, timestamps: prepared.timestamps)
        do {
            let verified = try signer.trust.verifier.verify(
                message, artifact: try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest)),
                by: try signer.identity.expected)
            let envelope = Envelope(
                payload: [], payloadType: Statement.payloadType, signatures: [.init(sig: prepared.signature)])
            return (
                UnverifiedBundle(.envelope(envelope), material, entries, timestamps: prepared.timestamps), verified
            )
        } catch let error as VerificationError {
            throw SigningError.ownOutputRejected(code: error.code, observed: error.observed)
        }
    }

    private static func material(_ signer: LogSubmission.Signer) -> UnverifiedBundle.Material {
        switch signer {
        case .certificate(let certificate): .certificate(certificate.der)
        case .publicKey(let key): .publicKey(hint: key.hint)
        }
    }
}
