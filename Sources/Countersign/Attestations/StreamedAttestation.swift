import FailPoints
import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Sigstore

/// The line of a document that is too large to be held: the same steps and the same commits as ``EvidenceLine``, over the
/// digest of what is signed. Only for logs that learn nothing but that digest (Rekor v2), so that its size does not matter
/// to them.
///
/// What is stored of the statement is its head; the rest is the document. What was lost with the database is not adopted:
/// the document was lost with it.
struct StreamedAttestation: Sendable {
    let journal: Journal
    let signers: Signers
    let subjects: SubjectTurns

    /// Whether such a document can go whole into the log that the rule names: as a bundle alone, signed over SHA-256.
    func takes(_ rule: PolicyConfiguration.Rule) throws -> Bool {
        guard rule.formats == [.bundle] else { return false }
        let signer = try signers.signer(for: rule)
        guard try !signer.services.log(for: .bundle, of: rule).datesEntries else { return false }
        switch signer.identity.means {
        case .keyless: return true
        case .key(let key): return key.key.algorithm.defaultScheme.isOverSHA256
        }
    }

    /// - Parameter wanted: the statement as it would be made now. What was begun is finished as it was begun: its log may have it
    ///   already, whatever the rule is called by now.
    func sign(
        _ wanted: StreamedStatement, _ order: SigningOrder, policyVersion: String, _ trace: AttemptTrace
    ) async throws -> SignedRecord {
        let stored = try await journal.liveEvidence(of: order.target)[.bundle]
        let statement = stored.map { wanted.begun(with: $0.prepared.payload) } ?? wanted
        if let stored { try await demand(statement, about: order, of: stored) }
        let digest = try await trace.stage(.prepare) { try await statement.messageDigest() }
        let prepared: Evidence
        if let stored {
            prepared = stored
        } else {
            prepared = try await signers.capped(order.target, signatures: 1) {
                try await prepare(statement, digest, order, trace)
            }
        }
        let signer = try signers.signer(for: order.rule)
        let logged = try await logged(prepared, statement, digest, order, signer, trace)
        try await publish(logged, statement, order, trace)
        return logged.evidence.record(order, manifest: logged.referrer.descriptor.digest, policyVersion: policyVersion)
    }

    /// That the statement of stored evidence approves this artifact in its repository. One that does not is nothing of ours:
    /// unless a log has it, it is put aside.
    private func demand(_ statement: StreamedStatement, about order: SigningOrder, of stored: Evidence) async throws {
        guard !statement.isAbout(order.target, order.content.predicateType) else { return }
        let why = "the statement that was begun is not about \(order.target.digest)"
        if stored.logged == nil { try await journal.abandon(stored, reason: why, for: order.claim) }
        throw SigningError.evidenceUnusable(why)
    }

    private struct Logged {
        let evidence: LoggedEvidence
        /// With an envelope of no payload.
        let bundle: UnverifiedBundle
        let referrer: BundleReferrer
    }

    private func prepare(
        _ statement: StreamedStatement, _ digest: [UInt8], _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> Evidence {
        let signer = try signers.signer(for: order.rule)
        return try await signer.services.admitted([.bundle], of: order.rule, isUnused: { !$0.isAdmitted }) {
            try await sign(statement, digest, order, signer, trace)
        }
    }

    private func sign(
        _ statement: StreamedStatement, _ digest: [UInt8], _ order: SigningOrder, _ signer: Signer,
        _ trace: AttemptTrace
    ) async throws -> Evidence {
        let log = try signer.services.log(for: .bundle, of: order.rule)
        do { try signer.check(log, byDigest: true) } catch { throw StageFailure(stage: .log, underlying: error) }
        let credential = try await trace.stage(.certificate) { try await signer.identity.credential() }
        guard credential.key.algorithm.defaultScheme.isOverSHA256 else {
            throw SigningError.evidenceUnusable("a \(credential.key.algorithm) key does not sign over SHA-256")
        }
        let signature = try await trace.stage(.sign) {
            try credential.key.sign(prehashed: digest, credential.key.algorithm.defaultScheme)
        }
        let stamps = try await trace.stage(.timestamp) {
            try await signer.timestamps(of: signature, in: .bundle, under: credential)
        }
        // a signature over this digest is a signature over the message that has it: everything but the statement, which is
        // of our own making, is verified as that of any client would be
        try await trace.stage(.verify) {
            do {
                try Self.verifyBeforeLogging(
                    digest, signature, timestamps: stamps, by: credential.signer, signer, datedByLog: log.datesEntries)
            } catch {
                await signer.identity.discard(credential)
                throw error
            }
        }
        let prepared = Evidence.Prepared(
            format: .bundle, payload: statement.head, signature: signature,
            certificateChain: credential.certificate.map { ([$0.leaf] + $0.chain).map(\.der) } ?? [],
            certificateNotAfter: credential.certificate?.notAfter, timestamps: stamps, log: log.id,
            logRequest: try log.request(
                for: LogSubmission(.message(digest: digest, signature: signature), by: credential.signer)))
        let stored = try await trace.stage(.prepare) { try await journal.prepare([prepared], for: order.claim) }
        guard let evidence = stored.first else { throw SigningError.evidenceUnusable("nothing was stored") }
        return evidence
    }

    private func entered(
        _ evidence: Evidence, _ order: SigningOrder, _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> TlogEntry {
        try await trace.stage(.log, { ["tlog.index": "\($0.logIndex)"] }) {
            try await Submission(journal: journal, services: signer.services, trust: signer.trust).submit(
                evidence, order.claim)
        }
    }

    private func logged(
        _ prepared: Evidence, _ statement: StreamedStatement, _ digest: [UInt8], _ order: SigningOrder,
        _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> Logged {
        // another attempt was faster, under another rule: the next one finds what that has begun
        guard prepared.prepared.payload == statement.head else {
            throw SigningError.evidenceUnusable("the statement is not the one that was signed")
        }
        let entry: TlogEntry
        if let known = prepared.logged {
            entry = try TlogEntry(json: known.entry)
        } else {
            if !prepared.isAdmitted {
                try await trace.stage(.verify) { try verifyStored(prepared.prepared, digest, signer) }
            }
            entry =
                prepared.isAdmitted
                ? try await entered(prepared, order, signer, trace)
                : try await signer.services.admitted(toLog: prepared.prepared.log) {
                    try await entered(prepared, order, signer, trace)
                }
        }
        return try await trace.stage(.verify) {
            let (bundle, verified) = try await judged(prepared, entry, digest, signer, order.claim)
            let (blob, size) = try await statement.blob(of: bundle)
            let referrer: BundleReferrer
            var evidence = prepared
            if let kept = prepared.attachment {
                referrer = try BundleReferrer(manifest: kept.manifest, digest: blob, size: size)
                try referrer.belongs(to: order.target.digest)
            } else {
                referrer = BundleReferrer.render(
                    digest: blob, size: size, subject: order.subject, predicateType: order.content.predicateType,
                    created: verified.time ?? Date(timeIntervalSince1970: 0))
                try FailPoint.recordEntry.before(QueueError.injected)
                evidence = try await journal.log(
                    Evidence.Logged(entry, bundle: nil),
                    attachment: Evidence.Attachment(
                        manifest: referrer.manifest, mediaType: MediaType.ociManifest,
                        digest: referrer.descriptor.digest), of: prepared, for: order.claim)
                try FailPoint.recordEntry.after(QueueError.injected)
            }
            return Logged(
                evidence: LoggedEvidence(
                    evidence: evidence, verified: verified, entry: entry, artefact: .referrer(referrer, bundle: [])),
                bundle: bundle, referrer: referrer)
        }
    }

    /// What no verifier will ever accept is put aside with its entry, unless it was published: the next attempt signs anew.
    private func judged(
        _ evidence: Evidence, _ entry: TlogEntry, _ digest: [UInt8], _ signer: Signer, _ claim: Claim
    ) async throws -> (UnverifiedBundle, VerifiedSignature) {
        do {
            return try verify(evidence.prepared, entry, digest, signer)
        } catch let error as SigningError {
            if case .ownOutputRejected(_, let observed) = error, evidence.logged == nil,
                try signer.isNeverVerified(evidence.prepared, entry)
            {
                try await journal.abandon(
                    evidence, reason: observed, entry: Evidence.Logged(entry, bundle: nil), for: claim)
            }
            throw error
        }
    }

    private static func verifyBeforeLogging(
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
    private func verifyStored(_ prepared: Evidence.Prepared, _ digest: [UInt8], _ signer: Signer) throws {
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
        let message = UnverifiedBundle(
            .messageSignature(digestAlgorithm: "SHA2_256", digest: digest, signature: prepared.signature), material,
            [entry], timestamps: prepared.timestamps)
        do {
            let verified = try signer.trust.verifier.verify(
                message, artifact: try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(digest)),
                by: try signer.identity.expected)
            let envelope = Envelope(
                payload: [], payloadType: Statement.payloadType, signatures: [.init(sig: prepared.signature)])
            return (
                UnverifiedBundle(.envelope(envelope), material, [entry], timestamps: prepared.timestamps), verified
            )
        } catch let error as VerificationError {
            throw SigningError.ownOutputRejected(code: error.code, observed: error.observed)
        }
    }

    private func publish(
        _ logged: Logged, _ statement: StreamedStatement, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        let (referrer, blob) = (logged.referrer, logged.referrer.bundle)
        // the blob is addressed by its content: it needs nobody's turn, and stands for nothing until it is listed
        try await trace.stage(.publish) {
            guard try await !registry.hasBlob(name, blob.digest) else { return }
            var upload = try await registry.beginUpload(name)
            try await statement.bundle(logged.bundle) { part in try await registry.append(part, to: &upload) }
            try await registry.finish(upload, as: blob.digest)
        }
        try await trace.stage(.publish) {
            try await subjects.taking(order.target, at: order.place.repository, for: order.claim) {
                () async throws -> Void in
                _ = try await registry.attach(referrer, to: name)
                try await registry.dropFromFallbackIndex(
                    name, subject: order.target.digest,
                    referrers: order.superseded.subtracting([referrer.descriptor.digest]))
            }
        }
        try await trace.stage(.readBack) {
            try await registry.verifyBlob(name, blob.digest, size: blob.size)
            try FailPoint.recordPush.before(QueueError.injected)
            try await journal.published(logged.evidence.evidence, for: order.claim)
            try FailPoint.recordPush.after(QueueError.injected)
        }
    }

    private static func material(_ signer: LogSubmission.Signer) -> UnverifiedBundle.Material {
        switch signer {
        case .certificate(let certificate): .certificate(certificate.der)
        case .publicKey(let key): .publicKey(hint: key.hint)
        }
    }
}

extension SignatureScheme {
    fileprivate var isOverSHA256: Bool {
        switch self {
        case .ecdsa(let digest), .rsaPKCS1(let digest), .rsaPSS(let digest): digest == .sha256
        case .ed25519: false
        }
    }
}
