public import Curl
import OpenSSL

/// Signs as whoever an identity token names, in one call: certificate, signature, timestamps, log entries, and a look at the
/// bundle as every verifier will take it (client specification, section 2).
///
/// ```swift
/// let signer = try KeylessSigner(ClientTrustConfig(json: bytes), tokens: FileTokenSource(path: path), http: http)
/// let bundle = try await signer.sign(Statement(subjects: [.init(digest: ["sha256": hex])]))
/// ```
///
/// One certificate serves many signatures (``CertificateWindow``), so a signer is kept for hours, and used by any number of tasks; not
/// for days: its services and its trust material are those of the moment at which it was made.
/// Nothing is stored between the steps: whoever is stopped on the way and signs again makes a second log entry. Who must not
/// takes the steps one by one, and stores what ``TransparencyLog/request(for:)`` gave before it is submitted.
public struct KeylessSigner: Sendable {
    private let services: Services
    private let certificates: CertificateWindow
    private let verifier: Verifier
    private let identity: CertificateIdentity?

    /// A signer over these services.
    /// - Parameters:
    ///   - tokens: whose tokens say who signs.
    ///   - audience: that Fulcio wants of them.
    ///   - verifier: what every bundle is held against before it is handed out.
    ///   - identity: who must be signing; nil for whoever the token names.
    ///   - limits: how long, and for how many signatures, one certificate is used.
    public init(
        _ services: Services, tokens: any IdentityTokenSource, audience: String = "sigstore", verifier: Verifier,
        as identity: CertificateIdentity? = nil, limits: CertificateWindow.Limits = .init()
    ) {
        self.services = services
        self.verifier = verifier
        self.identity = identity
        certificates = CertificateWindow(
            fulcio: services.fulcio, source: tokens, audience: audience, limits: limits)
    }

    /// A signer at the instance that a client trust configuration describes, with the services that it names now.
    /// - Parameter route: how the service of that URL is reached.
    /// - Throws: as ``Services/init(_:trusting:audience:http:route:at:)``.
    public init(
        _ instance: ClientTrustConfig, tokens: any IdentityTokenSource, audience: String = "sigstore",
        as identity: CertificateIdentity? = nil, http: HTTPClient,
        route: (_ url: String) -> HTTPRoute = { _ in .init() }
    ) throws(SigstoreError) {
        self.init(
            try Services(
                instance.signingConfig, trusting: instance.trustedRoot, audience: audience, http: http, route: route),
            tokens: tokens, audience: audience, verifier: Verifier(root: instance.trustedRoot), as: identity)
    }

    /// Signs a statement.
    /// - Returns: a bundle with a DSSE envelope, verified for the first subject that has a SHA-2 digest.
    /// - Throws: ``SigstoreError``; ``VerificationError`` if the bundle would not verify. What is known of that before it is
    ///   logged is found before.
    public func sign(_ statement: Statement) async throws -> UnverifiedBundle {
        try await sign(statement: statement.encoded())
    }

    /// Signs the exact bytes of a statement: one that somebody else wrote.
    /// - Throws: as ``sign(_:)-(Statement)``.
    public func sign(statement json: [UInt8]) async throws -> UnverifiedBundle {
        let subjects = try Statement(json: json, limits: UnverifiedBundle.attestationLimits).subjects
        guard let artifact = subjects.lazy.compactMap(\.artifact).first else {
            throw SigstoreError.malformed("statement", "none of its subjects has a SHA-2 digest")
        }
        let encoding = Envelope.preAuthenticationEncoding(type: Statement.payloadType, payload: json)
        return try await bundle(of: artifact) { (key) throws(CryptoError) in
            .envelope(
                Envelope(
                    payload: json, payloadType: Statement.payloadType, signatures: [.init(sig: try key.sign(encoding))])
            )
        }
    }

    /// Signs an artifact by its digest, which is all that has to be known of it.
    /// - Parameter artifact: its SHA-256, which is what the keys of certificates sign.
    /// - Returns: a bundle with a message signature.
    /// - Throws: as ``sign(_:)-(Statement)``.
    public func sign(_ artifact: ArtifactDigest) async throws -> UnverifiedBundle {
        guard artifact.algorithm == "sha256" else {
            throw SigstoreError.unsupported("signing a \(artifact.algorithm) digest with a P-256 key")
        }
        return try await bundle(of: artifact) { (key) throws(CryptoError) in
            .messageSignature(
                digestAlgorithm: "SHA2_256", digest: artifact.bytes,
                signature: try key.sign(prehashed: artifact.bytes, .ecdsa(.sha256)))
        }
    }

    /// The line that both forms take.
    private func bundle(
        of artifact: ArtifactDigest, signed sign: (PrivateKey) throws(CryptoError) -> UnverifiedBundle.Content
    ) async throws -> UnverifiedBundle {
        let credential = try await certificates.credential()
        let leaf = credential.certificate.leaf
        let expected = Verifier.ExpectedSigner.certificate(try identity ?? credential.certificate.own)
        let content: UnverifiedBundle.Content
        do throws(CryptoError) { content = try sign(credential.key) } catch {
            throw SigstoreError.crypto("signature", error)
        }
        var timestamps: [[UInt8]] = []
        for authority in services.timestampAuthorities {
            timestamps.append(try await authority.timestamp(content.signature))
        }
        do {
            try verifier.verifyBeforeLogging(
                UnverifiedBundle(content, .certificate(leaf.der), [], timestamps: timestamps), artifact: artifact,
                by: expected, datedByLog: services.logs.contains { $0.datesEntries })
        } catch {
            // the next signature gets another certificate: this one may be the reason
            await certificates.close(credential.certificate)
            throw error
        }
        let submission = LogSubmission(content.logged(as: artifact), by: .certificate(leaf))
        var entries: [TlogEntry] = []
        for log in services.logs { entries.append(try await log.enter(log.request(for: submission))) }
        let bundle = UnverifiedBundle(content, .certificate(leaf.der), entries, timestamps: timestamps)
        // nothing is handed out that would not verify
        _ = try verifier.verify(bundle, artifact: artifact, by: expected)
        return bundle
    }
}

extension SigningCertificate {
    /// Exactly whom it names.
    fileprivate var own: CertificateIdentity {
        get throws(SigstoreError) {
            try CertificateIdentity(subjectAlternativeName: .exact(identity), issuer: .exact(issuer))
        }
    }
}

extension UnverifiedBundle.Content {
    /// What a log gets of it.
    fileprivate func logged(as artifact: ArtifactDigest) -> LogSubmission.Content {
        switch self {
        case .envelope(let envelope): .envelope(envelope)
        case .messageSignature(_, _, let signature): .message(digest: artifact.bytes, signature: signature)
        }
    }
}

extension Statement.Subject {
    /// Its digest, of the algorithms that artifacts are known by; nil if it has none of these.
    fileprivate var artifact: ArtifactDigest? {
        for algorithm in ["sha256", "sha384", "sha512"] {
            if let hex = digest[algorithm], let artifact = try? ArtifactDigest(algorithm: algorithm, hex: hex) {
                return artifact
            }
        }
        return nil
    }
}

extension TransparencyLog {
    /// Submits the request; once more if the answer to it may have been lost, which finds the entry that it made.
    fileprivate func enter(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry {
        do throws(SigstoreError) { return try await submit(request) } catch {
            guard error.answerMayBeLost, !Task.isCancelled else { throw error }
            return try await submit(request)
        }
    }
}
