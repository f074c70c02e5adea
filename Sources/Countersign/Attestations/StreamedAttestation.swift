import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

/// A document that is too large to be held, on the line of every signature (``EvidenceLine``), over the digest of what is
/// signed. Only for logs that learn nothing but that digest (Rekor v2), so that its size does not matter to them.
///
/// What is stored of the statement is its head; the rest is the document. What was lost with the database is not adopted:
/// the document was lost with it.
struct StreamedAttestation: Sendable {
    let line: EvidenceLine
    let publication: Publication

    /// Whether such a document can go whole into the log that the rule names: as a bundle alone, signed over SHA-256.
    func takes(_ order: SigningOrder) throws -> Bool {
        guard order.formats == [.bundle] else { return false }
        let signer = try line.signers.signer(for: order.rule)
        guard try !signer.services.logs(for: .bundle, of: order.rule).all.contains(where: \.datesEntries) else {
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
        _ wanted: StreamedStatement, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> SignedRecord {
        let stored = try await line.journal.liveEvidence(of: order.target)[.bundle]
        let statement = stored.map { wanted.begun(with: $0.prepared.payload) } ?? wanted
        if let stored { try await demand(statement, about: order, of: stored) }
        let digest = try await trace.stage(.prepare) { try await statement.messageDigest() }
        let prepared: Evidence
        if let stored { prepared = stored } else { prepared = try await prepare(statement, digest, order, trace) }
        let logged = try await logged(prepared, statement, digest, order, trace)
        let manifest = try await publication.publish(logged, order, trace)
        return logged.record(order, manifest: manifest, policyVersion: line.policy.version)
    }

    /// That the statement of stored evidence approves this artifact in its repository. One that does not is nothing of ours:
    /// unless a log has it, it is put aside.
    private func demand(_ statement: StreamedStatement, about order: SigningOrder, of stored: Evidence) async throws {
        guard !statement.isAbout(order.target, order.content.predicateType) else { return }
        let why = "the statement that was begun is not about \(order.target.digest)"
        if stored.logged == nil { try await line.journal.abandon(stored, reason: why, for: order.claim) }
        throw SigningError.evidenceUnusable(why)
    }

    private func prepare(
        _ statement: StreamedStatement, _ digest: [UInt8], _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> Evidence {
        let signer = try line.signers.signer(for: order.rule)
        let document = SignedDocument(
            format: .bundle, kind: order.content.kind, payload: statement.head, digest: digest)
        guard let evidence = try await line.make([document], order, signer, trace).first else {
            throw QueueError.unreadable(table: "evidence", what: "the row just written")
        }
        return evidence
    }

    private func logged(
        _ begun: Evidence, _ statement: StreamedStatement, _ digest: [UInt8], _ order: SigningOrder,
        _ trace: AttemptTrace
    ) async throws -> LoggedEvidence {
        let signer = try line.signers.signer(of: begun, order.content.kind, digest: digest, for: order.rule)
        // another attempt was faster, under another rule: the next one finds what that has begun
        guard begun.prepared.payload == statement.head else { throw SigningError.overtaken }
        let (prepared, entry): (Evidence, TlogEntry)
        if let known = begun.logged {
            (prepared, entry) = (begun, try TlogEntry(json: known.entry))
        } else {
            if begun.isFoundUnlogged {
                // the log may have it already: whether anybody dated it is judged with the entry
                try await trace.stage(.verify) {
                    try signer.verifyStored(begun.prepared, order.content.kind, digest: digest) {
                        try signer.verifyBeforeLogging($0, over: digest, datedByLog: true)
                    }
                }
            }
            (prepared, entry) = try await line.entry(of: begun, order.claim, signer, trace)
        }
        return try await trace.stage(.verify) { () async throws -> LoggedEvidence in
            let (bundle, verified) = try await judged(prepared, entry, digest, signer, order.claim)
            let blob = try await statement.blob(of: bundle)
            if let kept = prepared.attachment {
                let referrer = try BundleReferrer(manifest: kept.manifest, digest: blob.digest, size: blob.size)
                try referrer.belongs(to: order.target.digest)
                return LoggedEvidence(
                    evidence: prepared, verified: verified, entry: entry, artefact: .streamed(referrer, bundle: blob))
            }
            let referrer = BundleReferrer.render(
                digest: blob.digest, size: blob.size, subject: order.subject,
                predicateType: order.content.predicateType, created: verified.time ?? Date(timeIntervalSince1970: 0))
            return try await line.record(.streamed(referrer, bundle: blob), verified, entry, of: prepared, order)
        }
    }

    /// What no verifier will ever accept is put aside with its entry, unless it was published: the next attempt signs anew.
    private func judged(
        _ evidence: Evidence, _ entry: TlogEntry, _ digest: [UInt8], _ signer: Signer, _ claim: Claim
    ) async throws -> (UnverifiedBundle, VerifiedSignature) {
        do { return try signer.verify(evidence.prepared, entry, over: digest) } catch let error as VerificationError {
            guard evidence.logged == nil else {
                throw SigningError.ownOutputRejected(code: error.code, observed: error.observed)
            }
            throw try await line.rejected(error, evidence, entry, claim, signer) {
                _ = try signer.verify($0, $1, over: digest)
            }
        }
    }
}
