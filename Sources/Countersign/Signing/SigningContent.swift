package import OCI
import OpenSSL
package import Sigstore

/// What is signed for one target: the same claim in the form of each format.
package struct SigningContent: Sendable {
    /// What kind of claim it is; our verifier demands it of our own output.
    package let predicateType: String
    /// Under which legacy tag it belongs.
    package let kind: LegacyKind
    private let statement: [UInt8]
    private let legacy: [UInt8]

    /// That the repository may use the image, by a rule of the policy.
    package static func approval(
        of digest: ArtifactDigest, in repository: Repository, rule: String, generation: Int32 = 0
    ) -> SigningContent {
        let repository = repository.description
        return SigningContent(
            predicateType: Statement.cosignSignPredicateType, kind: .signature,
            statement: Statement.approval(of: digest, in: repository, rule: rule, generation: generation).encoded(),
            legacy: SimpleSigningPayload.approval(
                of: digest, in: repository, rule: rule, generation: generation
            ).encoded())
    }

    /// The same for several images at once, in one statement. In the bundle format only: the older document is about one.
    package static func approval(of approved: [Statement.Approved]) -> SigningContent {
        SigningContent(
            predicateType: Statement.cosignSignPredicateType, kind: .signature,
            statement: Statement.approval(of: approved).encoded(), legacy: [])
    }

    /// A statement with a predicate about the image.
    /// - Parameters:
    ///   - statement: the statement's exact bytes.
    ///   - legacy: those for the `.att` tag. They must differ: a key whose signatures repeat would else make one log entry
    ///     of both formats, and each needs its own.
    package static func attestation(
        _ statement: [UInt8], legacy: [UInt8], predicateType: String
    ) -> SigningContent {
        SigningContent(predicateType: predicateType, kind: .attestation, statement: statement, legacy: legacy)
    }

    /// What is signed in this format.
    package func document(_ format: SignatureFormat) -> SignedDocument {
        SignedDocument(format: format, kind: kind, payload: format == .bundle ? statement : legacy)
    }
}

/// The bytes of one format, and what of them is signed: a DSSE envelope's payload, except that a legacy image signature
/// is over its simple-signing document itself.
package struct SignedDocument: Sendable {
    package let format: SignatureFormat
    package let kind: LegacyKind
    /// What is stored of it: all, or the head of a statement whose document is not held.
    package let payload: [UInt8]
    /// Of such a statement, SHA-256 of what is signed.
    var digest: [UInt8]?

    /// Whether the log gets a DSSE envelope with it; else it learns its digest alone.
    var isEnveloped: Bool { digest == nil && (format == .bundle || kind == .attestation) }

    /// What the signature is over.
    enum Message {
        case bytes([UInt8])
        /// Of bytes that are not held.
        case digest([UInt8])
    }

    var message: Message {
        if let digest { return .digest(digest) }
        return .bytes(
            isEnveloped
                ? Envelope.preAuthenticationEncoding(type: Statement.payloadType, payload: payload) : payload)
    }

    private func envelope(_ signature: [UInt8]) -> Envelope {
        Envelope(payload: payload, payloadType: Statement.payloadType, signatures: [.init(sig: signature)])
    }

    /// What a timestamp authority gets: the raw signature, but for a legacy attestation its whole layer, since that is
    /// what cosign compares (``LegacySignature/stamped``).
    func stamped(_ signature: [UInt8]) -> [UInt8] {
        format == .legacy && kind == .attestation ? envelope(signature).encoded() : signature
    }

    /// What the log gets.
    func submission(_ signature: [UInt8], by signer: LogSubmission.Signer) -> LogSubmission {
        guard !isEnveloped else { return LogSubmission(.envelope(envelope(signature)), by: signer) }
        let digest =
            switch message {
            case .bytes(let bytes): signer.key.digest(of: bytes)
            case .digest(let digest): digest
            }
        return LogSubmission(.message(digest: digest, signature: signature), by: signer)
    }

    /// The signature as a bundle. Of a statement that is not held, over the digest of its message, which verifies as it does.
    /// - Parameter entries: none before it is logged.
    func bundle(
        _ signature: [UInt8], by signer: LogSubmission.Signer, entries: [TlogEntry] = [], timestamps: [[UInt8]]
    ) -> UnverifiedBundle {
        let material: UnverifiedBundle.Material =
            switch signer {
            case .certificate(let certificate): .certificate(certificate.der)
            case .publicKey(let key): .publicKey(hint: key.hint)
            }
        let content: UnverifiedBundle.Content =
            if let digest {
                .messageSignature(digestAlgorithm: "SHA2_256", digest: digest, signature: signature)
            } else {
                .envelope(envelope(signature))
            }
        return UnverifiedBundle(content, material, entries, timestamps: timestamps)
    }

    /// The signature as its readers will meet it: the same parts, the same bytes.
    /// - Parameter entries: none before it is logged.
    func presented(
        _ signature: [UInt8], by signer: LogSubmission.Signer, entries: [TlogEntry] = [], timestamps: [[UInt8]]
    ) -> PresentedForm {
        switch format {
        case .bundle: return .bundle(bundle(signature, by: signer, entries: entries, timestamps: timestamps))
        case .legacy:
            let certificate: Certificate? =
                if case .certificate(let certificate) = signer { certificate } else { nil }
            return .legacy(
                LegacySignature(
                    isEnveloped ? .envelope(envelope(signature)) : .payload(payload, signature: signature),
                    certificate: certificate, entry: entries.first, timestamp: timestamps.first))
        }
    }
}

/// A signature in the form of its format, not yet believed.
package enum PresentedForm: Sendable {
    case bundle(UnverifiedBundle)
    case legacy(LegacySignature)

    var format: SignatureFormat {
        switch self {
        case .bundle: .bundle
        case .legacy: .legacy
        }
    }

    /// The log entries that it brings.
    var entries: [TlogEntry] {
        switch self {
        case .bundle(let bundle): bundle.tlogEntries
        case .legacy(let legacy): legacy.entry.map { [$0] } ?? []
        }
    }

    /// What was signed, out of its envelope; nil for a signature over something that is not in it.
    var payload: [UInt8]? {
        switch self {
        case .bundle(let bundle): if case .envelope(let envelope) = bundle.content { envelope.payload } else { nil }
        case .legacy(let legacy):
            switch legacy.content {
            case .envelope(let envelope): envelope.payload
            case .payload(let payload, _): payload
            }
        }
    }
}

extension PublicKey {
    /// The digest that this key signs over.
    fileprivate func digest(of message: [UInt8]) -> [UInt8] {
        switch algorithm.defaultScheme {
        case .ecdsa(let digest), .rsaPKCS1(let digest), .rsaPSS(let digest): Hash.digest(digest, message)
        // signs the message itself; the log is told of SHA-256
        case .ed25519: Hash.sha256(message)
        }
    }
}
