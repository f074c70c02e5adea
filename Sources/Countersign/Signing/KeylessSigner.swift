import FoundationEssentials
package import OCI
import OpenSSL
package import Sigstore

/// Signs as the configured identity, in steps that can be stored between: nothing here is public until `submit`.
package struct KeylessSigner: Sendable {
    package let window: CertificateWindow
    package let timestamps: TimestampClient
    package let log: any TransparencyLog
    /// What everything must verify against, as of now.
    package let trust: TrustKeeper
    /// What our certificates must say, from the configuration: never derived from the token just used.
    package let identity: ExpectedIdentity

    /// The subject alternative name and the issuer that we sign as, both compared exactly.
    package struct ExpectedIdentity: Sendable, Equatable {
        package let subjectAlternativeName: String
        package let issuer: String

        package init(subjectAlternativeName: String, issuer: String) {
            self.subjectAlternativeName = subjectAlternativeName
            self.issuer = issuer
        }

        package var pattern: CertificateIdentity {
            get throws {
                try CertificateIdentity(
                    subjectAlternativeName: .exact(subjectAlternativeName), issuer: .exact(issuer))
            }
        }
    }

    package init(
        window: CertificateWindow, timestamps: TimestampClient, log: any TransparencyLog, trust: TrustKeeper,
        identity: ExpectedIdentity
    ) {
        self.window = window
        self.timestamps = timestamps
        self.log = log
        self.trust = trust
        self.identity = identity
    }

    /// The verifier of the moment: its anchors rotate while we run.
    package var verifier: Verifier { trust.current.verifier }

    /// The certificate and key of the open window, after a look at whom it names.
    package func credential() async throws -> SigningCredential {
        let credential = try await window.credential()
        let certificate = credential.certificate
        guard certificate.identity == identity.subjectAlternativeName, certificate.issuer == identity.issuer else {
            // the token now names somebody else: the next attempt must not find this certificate in the window
            await window.close(certificate)
            throw SigningError.identityMismatch(
                expected: identity,
                seen: ExpectedIdentity(subjectAlternativeName: certificate.identity, issuer: certificate.issuer))
        }
        return credential
    }

    /// Signs the statement: DSSE over its bytes. In memory only.
    package func sign(_ statement: Statement, with credential: SigningCredential) throws -> Envelope {
        let payload = statement.encoded()
        let encoding = Envelope.preAuthenticationEncoding(type: Statement.payloadType, payload: payload)
        return Envelope(
            payload: payload, payloadType: Statement.payloadType,
            signatures: [.init(sig: try credential.key.sign(encoding))])
    }

    /// Timestamps the signature, and refuses a time at which the certificate does not hold: every verifier would.
    package func timestamp(_ envelope: Envelope, under certificate: SigningCertificate) async throws -> [UInt8] {
        let response = try await timestamps.timestamp(envelope.signatures.first?.sig ?? [])
        let time = try TimestampResponse(der: response).token?.time ?? .distantPast
        guard certificate.leaf.notBefore <= time, time <= certificate.leaf.notAfter else {
            await window.close(certificate)
            throw SigningError.clockSkew(
                authority: time, notBefore: certificate.leaf.notBefore, notAfter: certificate.leaf.notAfter)
        }
        return response
    }

    /// All that can be verified before the log has it: nothing enters a public log that could not be published.
    package func verifyBeforeLogging(
        _ envelope: Envelope, _ certificate: SigningCertificate, timestamp: [UInt8], for digest: OCI.Digest,
        in repository: Repository
    ) async throws {
        do {
            try verifier.verifyBeforeLogging(
                envelope, certificate: certificate.leaf, timestamp: timestamp,
                artifact: try ArtifactDigest(digest.description), identity: try identity.pattern,
                expecting: Statement.cosignSignPredicateType, repositories: [repository.description])
        } catch {
            await window.close(certificate)
            throw error
        }
    }

    /// Everything that is about to become public, in the form that is committed first.
    package func prepared(
        _ envelope: Envelope, _ certificate: SigningCertificate, timestamp: [UInt8]
    ) throws -> Evidence.Prepared {
        Evidence.Prepared(
            payload: envelope.payload, signature: envelope.signatures.first?.sig ?? [],
            certificateChain: ([certificate.leaf] + certificate.chain).map(\.der),
            certificateNotAfter: certificate.notAfter, timestampToken: timestamp, log: log.id,
            logRequest: try log.request(for: LogSubmission(.envelope(envelope), by: .certificate(certificate.leaf))))
    }

    /// Whether the log took the entry at a time when the certificate did not hold: no verifier will ever accept it.
    package func isDatedOutside(_ prepared: Evidence.Prepared, _ entry: TlogEntry) throws -> Bool {
        guard entry.integratedTime > 0, let der = prepared.certificateChain.first else { return false }
        return !(try Certificate(der: der).isValid(at: Date(timeIntervalSince1970: Double(entry.integratedTime))))
    }

    /// The bundle of stored parts: the same parts, the same bytes.
    package func bundle(_ prepared: Evidence.Prepared, _ entry: TlogEntry) throws -> UnverifiedBundle {
        guard let leaf = prepared.certificateChain.first else { throw SigningError.evidenceUnusable("no certificate") }
        let envelope = Envelope(
            payload: prepared.payload, payloadType: Statement.payloadType, signatures: [.init(sig: prepared.signature)])
        return UnverifiedBundle(
            envelope: envelope, certificate: try Certificate(der: leaf), tlogEntry: entry,
            timestamp: prepared.timestampToken)
    }

    /// The whole verification that any client would do, and the two things that only ours does: the statement must be
    /// about this repository, and the identity must be the configured one.
    package func verify(_ bundle: UnverifiedBundle, for digest: OCI.Digest, in repository: Repository) throws
        -> VerifiedBundle
    {
        try verifier.verify(
            bundle, artifact: try ArtifactDigest(digest.description), identity: try identity.pattern,
            expecting: Statement.cosignSignPredicateType, repositories: [repository.description])
    }
}
