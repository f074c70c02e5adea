import FoundationEssentials
package import OCI
import OpenSSL
package import Sigstore

/// Signs as one identity, in steps that can be stored between: nothing here is public until its log entry is.
package struct Signer: Sendable {
    package let identity: SigningIdentity
    package let services: SigningServices
    /// What everything must verify against: taken once, for all checks of one artifact.
    package let trust: Trust

    package init(identity: SigningIdentity, services: SigningServices, trust: Trust) {
        self.identity = identity
        self.services = services
        self.trust = trust
    }

    /// The logs for a new signature of the document: each takes it, and an entry that verifiers will trust.
    /// - Throws: ``StageFailure`` of the log with ``SigningError/noLog(_:)`` and what ``check(_:byDigest:)`` throws.
    func logs(
        for document: SignedDocument, of rule: PolicyConfiguration.Rule
    ) throws(StageFailure) -> ChosenLogs {
        do {
            let logs = try services.logs(for: document.format, of: rule)
            for log in logs.all { try check(log, byDigest: !document.isEnveloped) }
            return logs
        } catch {
            throw StageFailure(stage: .log, underlying: error)
        }
    }

    /// Refuses to sign for a log what it would not take, or what nobody would date: a verifier trusts the log as of some
    /// time only, also under a key.
    /// - Throws: ``SigningError/noTimestamp(log:)``, `SigstoreError` of code `identity.key`.
    func check(_ log: any TransparencyLog, byDigest: Bool) throws {
        guard log.datesEntries || !services.authorities.isEmpty else { throw SigningError.noTimestamp(log: log.id) }
        if case .key(let key) = identity.means {
            try key.checkLoggable(in: log.api, byDigest: byDigest)
        }
    }

    /// Signs the document. In memory only.
    func sign(_ document: SignedDocument, with credential: Credential) throws -> [UInt8] {
        switch document.message {
        case .bytes(let message): return try credential.key.sign(message)
        case .digest(let digest):
            let (key, scheme) = (credential.key, credential.key.algorithm.defaultScheme)
            guard scheme.isOverSHA256 else {
                throw SigstoreError.identity(.key("a \(key.algorithm) key does not sign over SHA-256; use a P-256 key"))
            }
            return try key.sign(prehashed: digest, scheme)
        }
    }

    /// Timestamps a signature (the bytes that its format has stamped), by every authority that is in use for its format, and
    /// refuses a time at which the certificate does not hold: every verifier would.
    func timestamps(
        of stamped: [UInt8], in format: SignatureFormat, under credential: Credential
    ) async throws -> [[UInt8]] {
        var responses: [[UInt8]] = []
        for authority in services.authorities(for: format) {
            let response = try await authority.client.timestamp(stamped)
            try await check(response, under: credential)
            responses.append(response)
        }
        return responses
    }

    private func check(_ response: [UInt8], under credential: Credential) async throws {
        guard let leaf = credential.certificate?.leaf else { return }
        let time = try TimestampResponse(der: response).token?.time ?? .distantPast
        guard leaf.notBefore <= time, time <= leaf.notAfter else {
            await identity.discard(credential)
            throw SigningError.clockSkew(authority: time, notBefore: leaf.notBefore, notAfter: leaf.notAfter)
        }
    }

    /// All that can be verified before the log has it: nothing enters a public log that could not be published.
    func verifyBeforeLogging(
        _ document: SignedDocument, _ signature: [UInt8], timestamps: [[UInt8]], by credential: Credential,
        for order: SigningOrder, in logs: ChosenLogs
    ) async throws {
        let presented = document.presented(signature, by: credential.signer, timestamps: timestamps)
        do {
            if let digest = document.digest {
                try verifyBeforeLogging(presented, over: digest, datedByLog: logs.dateEntries)
            } else {
                try verifyBeforeLogging(presented, for: order, datedByLog: logs.dateEntries)
            }
        } catch {
            await identity.discard(credential)
            throw error
        }
    }

    /// The same of a signature that somebody made.
    func verifyBeforeLogging(_ presented: PresentedForm, for order: SigningOrder, datedByLog: Bool) throws {
        let artifact = try ArtifactDigest(order.target.digest.description)
        let repositories = [order.target.repository.description]
        switch presented {
        case .bundle(let bundle):
            try trust.verifier.verifyBeforeLogging(
                bundle, artifact: artifact, by: try identity.expected, expecting: order.content.predicateType,
                repositories: repositories, datedByLog: datedByLog)
        case .legacy(let legacy):
            try trust.verifier.verifyBeforeLogging(
                legacy, image: artifact, by: try identity.expected, expecting: order.content.predicateType,
                repositories: repositories, datedByLog: datedByLog)
        }
    }

    /// Everything that is about to become public, in the form that is committed first.
    func prepared(
        _ document: SignedDocument, _ signature: [UInt8], timestamps: [[UInt8]], by credential: Credential,
        for logs: ChosenLogs
    ) throws -> Evidence.Prepared {
        let submission = document.submission(signature, by: credential.signer)
        return Evidence.Prepared(
            format: document.format, payload: document.payload, signature: signature,
            certificateChain: credential.certificate.map { ([$0.leaf] + $0.chain).map(\.der) } ?? [],
            certificateNotAfter: credential.certificate?.notAfter, timestamps: timestamps, log: logs.first.id,
            logRequest: try logs.first.request(for: submission), further: try logs.further(of: submission))
    }

    /// Whether no verifier will ever accept it: a log took the entry at a time when the certificate did not hold, or
    /// neither the log nor an authority said when.
    func isNeverVerified(_ prepared: Evidence.Prepared, _ entry: TlogEntry) throws -> Bool {
        try prepared.entries(with: entry).contains { try isNeverVerified(prepared, by: $0) }
    }

    private func isNeverVerified(_ prepared: Evidence.Prepared, by entry: TlogEntry) throws -> Bool {
        guard entry.integratedTime > 0 else {
            return prepared.timestamps.isEmpty && services.log(id: prepared.log)?.datesEntries == false
        }
        return try isDatedOutside(prepared, by: entry)
    }

    /// Whether its log took the entry at a time when the certificate did not hold; false where nobody says when.
    func isDatedOutside(_ prepared: Evidence.Prepared, by entry: TlogEntry) throws -> Bool {
        guard entry.integratedTime > 0, let der = prepared.certificateChain.first else { return false }
        return
            !(try Certificate.remembered(der: der).isValid(
                at: Date(timeIntervalSince1970: Double(entry.integratedTime))))
    }

    /// Stored parts as their readers will meet them: the same parts, the same bytes.
    /// - Parameter digest: SHA-256 of the message, where the stored payload is only the head of it.
    func presented(
        _ prepared: Evidence.Prepared, _ entry: TlogEntry, _ kind: LegacyKind, digest: [UInt8]? = nil
    ) throws -> PresentedForm {
        SignedDocument(format: prepared.format, kind: kind, payload: prepared.payload, digest: digest)
            .presented(
                prepared.signature, by: try submitter(of: prepared), entries: try prepared.entries(with: entry),
                timestamps: prepared.timestamps)
    }

    /// The whole verification that any client would do, and the two things that only ours does: the claim must be about
    /// this repository, and the signer must be the configured one.
    package func verify(
        _ presented: PresentedForm, _ predicateType: String, for digest: OCI.Digest, in repository: Repository
    ) throws -> VerifiedSignature {
        let artifact = try ArtifactDigest(digest.description)
        switch presented {
        case .bundle(let bundle):
            return try trust.verifier.verify(
                bundle, artifact: artifact, by: try identity.expected, expecting: predicateType,
                repositories: [repository.description])
        case .legacy(let legacy):
            return try trust.verifier.verify(
                legacy, image: artifact, by: try identity.expected, expecting: predicateType,
                repositories: [repository.description])
        }
    }
}
