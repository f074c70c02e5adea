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
        guard try !signer.services.logs(for: .bundle, of: rule).all.contains(where: \.datesEntries) else {
            return false
        }
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
            try await signers.caps.ask(order.target, signatures: 1)
            prepared = try await prepare(statement, digest, order, trace)
        }
        let signer = try signers.signer(of: prepared, order.content.kind, digest: digest, for: order.rule)
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
        let logs = try signer.services.logs(for: .bundle, of: order.rule)
        do { for log in logs.all { try signer.check(log, byDigest: true) } } catch {
            throw StageFailure(stage: .log, underlying: error)
        }
        let credential = try await trace.stage(.certificate) { try await signer.identity.credential() }
        guard credential.key.algorithm.defaultScheme.isOverSHA256 else {
            throw SigstoreError.identity(
                .key("a \(credential.key.algorithm) key does not sign over SHA-256; use a P-256 key"))
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
                    digest, signature, timestamps: stamps, by: credential.signer, signer,
                    datedByLog: logs.dateEntries)
            } catch {
                await signer.identity.discard(credential)
                throw error
            }
        }
        let submission = LogSubmission(.message(digest: digest, signature: signature), by: credential.signer)
        let prepared = Evidence.Prepared(
            format: .bundle, payload: statement.head, signature: signature,
            certificateChain: credential.certificate.map { ([$0.leaf] + $0.chain).map(\.der) } ?? [],
            certificateNotAfter: credential.certificate?.notAfter, timestamps: stamps,
            log: logs.first.id, logRequest: try logs.first.request(for: submission),
            further: try logs.further(of: submission))
        let stored = try await trace.stage(.prepare) {
            try await journal.prepare([prepared], for: order.claim, within: signers.caps)
        }
        guard let evidence = stored.first else {
            throw QueueError.unreadable(table: "evidence", what: "the row just written")
        }
        return evidence
    }

    private func entered(
        _ evidence: Evidence, _ order: SigningOrder, _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> Evidence.Entered {
        try await trace.stage(.log, { ["tlog.index": "\($0.entry.logIndex)"] }) {
            try await Submission(journal: journal, signer: signer).submit(evidence, order.claim)
        }
    }

    private func logged(
        _ begun: Evidence, _ statement: StreamedStatement, _ digest: [UInt8], _ order: SigningOrder,
        _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> Logged {
        // another attempt was faster, under another rule: the next one finds what that has begun
        guard begun.prepared.payload == statement.head else { throw SigningError.overtaken }
        let (prepared, entry): (Evidence, TlogEntry)
        if let known = begun.logged {
            (prepared, entry) = (begun, try TlogEntry(json: known.entry))
        } else {
            if !begun.isAdmitted {
                try await trace.stage(.verify) { try verifyStored(begun.prepared, digest, signer) }
            }
            (prepared, entry) = try await entered(begun, order, signer, trace)
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
            guard case .ownOutputRejected(_, let observed, _) = error, evidence.logged == nil else { throw error }
            if try signer.isNeverVerified(evidence.prepared, entry) {
                try await journal.abandon(
                    evidence, reason: observed, entry: Evidence.Logged(entry, bundle: nil), for: claim)
            } else {
                let logs = evidence.prepared.furtherLogs { _ = try verify($0, $1, digest, signer) }
                try await journal.forget(answersOf: logs, to: evidence, for: claim)
            }
            throw error
        }
    }

    private func publish(
        _ logged: Logged, _ statement: StreamedStatement, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        let (referrer, blob) = (logged.referrer, logged.referrer.bundle)
        // a first publication cannot be there already
        if logged.evidence.evidence.attachment?.pushedAt != nil {
            let isServed = try await trace.stage(.readBack) {
                try await registry.serves(
                    blob.digest, blob.size, by: referrer.descriptor, of: order.target.digest, name)
            }
            guard !isServed else { return }
            try FailPoint.recordMissing.before(QueueError.injected)
            try await journal.missing(logged.evidence.evidence, for: order.claim)
            try FailPoint.recordMissing.after(QueueError.injected)
        }
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
}

extension SignatureScheme {
    fileprivate var isOverSHA256: Bool {
        switch self {
        case .ecdsa(let digest), .rsaPKCS1(let digest), .rsaPSS(let digest): digest == .sha256
        case .ed25519: false
        }
    }
}
