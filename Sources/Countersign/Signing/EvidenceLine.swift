import FailPoints
import Logging
import OCI
import Sigstore

/// The part of the line between what is to be signed and what can be published, for all formats of one signing event:
///
///     per format: stored? adopt? → one certificate → per format: sign → timestamp → ▮prepare, all in one commit
///     then per format: log → ▮verify
///
/// ▮ is a commit. Signatures and attestations take the same way; only the content differs.
package struct EvidenceLine: Sendable {
    let journal: Journal
    let signers: Signers
    let policy: SigningPolicy
    let tenants: Tenants

    init(_ parts: JobParts) {
        journal = parts.journal
        signers = parts.signers
        policy = parts.policy
        tenants = parts.queue.tenants
    }

    /// The whole line of an order: its evidence, and then each format by itself, from the log to what the registry serves.
    func published(
        _ order: SigningOrder, by publication: Publication, _ trace: AttemptTrace
    ) async throws -> SignedRecord {
        try await published(try await prepared(order, trace), order, by: publication, trace)
    }

    /// The same of evidence that there is.
    /// - Returns: the facts of the first.
    func published(
        _ prepared: [Evidence], _ order: SigningOrder, by publication: Publication, _ trace: AttemptTrace
    ) async throws -> SignedRecord {
        var record: SignedRecord?
        for evidence in prepared {
            let logged = try await logged(evidence, order, trace)
            let manifest = try await publication.publish(logged, order, trace)
            record = record ?? logged.record(order, manifest: manifest, policyVersion: policy.version)
        }
        guard let record else { throw SigningError.noFormat(rule: order.rule.name) }
        return record
    }

    /// The target's live evidence in each of the order's formats, in the order in which they are published: what is stored,
    /// what the registry serves of ours, or what is signed now. Everything is durable; the log may not know it yet.
    func prepared(_ order: SigningOrder, _ trace: AttemptTrace) async throws -> [Evidence] {
        var evidence = try await journal.liveEvidence(of: order.target)
        let unknown = order.formats.filter { evidence[$0] == nil }
        if !unknown.isEmpty {
            let signer = try signers.signer(for: order.rule)
            let adopted = try await trace.stage(.adopt) {
                try await Adoption(journal: journal, signer: signer, policy: policy, tenants: tenants)
                    .adopt(unknown, for: order)
            }
            evidence.merge(adopted) { stored, _ in stored }
            let missing = unknown.filter { evidence[$0] == nil }
            if !missing.isEmpty {
                let documents = missing.map { order.content.document($0) }
                for made in try await make(documents, order, signer, trace) { evidence[made.format] = made }
            }
        }
        return order.formats.compactMap { evidence[$0] }
    }

    /// Signs in memory and commits the exact bytes that the logs will get: from here on no second signature is made.
    func make(
        _ documents: [SignedDocument], _ order: SigningOrder, _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> [Evidence] {
        try await signers.caps.ask(order.target, signatures: documents.count)
        // what somebody else has made meanwhile asks for a place of its own
        return try await signer.services.admitted(
            documents.map(\.format), of: order.rule, isUnused: { !$0.contains(where: \.isAdmitted) }
        ) {
            try await sign(documents, order, signer, trace)
        }
    }

    private func sign(
        _ documents: [SignedDocument], _ order: SigningOrder, _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> [Evidence] {
        // what no log would take, or nobody could verify, costs no certificate
        let places = try documents.map { (document: $0, logs: try signer.logs(for: $0, of: order.rule)) }
        let credential = try await trace.stage(.certificate) { try await signer.identity.credential() }
        var prepared: [Evidence.Prepared] = []
        for (document, logs) in places {
            prepared.append(
                try await sign(document, by: signer, with: credential, for: logs, trace) { signature, stamps in
                    try await signer.verifyBeforeLogging(
                        document, signature, timestamps: stamps, by: credential, for: order, in: logs)
                })
        }
        let signed = prepared
        return try await trace.stage(.prepare) {
            try await journal.prepare(signed, for: order.claim, within: signers.caps)
        }
    }

    /// One document, signed and timestamped in memory, and verified as far as it can be before a log has it.
    func sign(
        _ document: SignedDocument, by signer: Signer, with credential: Credential, for logs: ChosenLogs,
        _ trace: AttemptTrace, verifying verify: ([UInt8], [[UInt8]]) async throws -> Void
    ) async throws -> Evidence.Prepared {
        let signature = try await trace.stage(.sign) { try signer.sign(document, with: credential) }
        let stamps = try await trace.stage(.timestamp) {
            try await signer.timestamps(of: document.stamped(signature), in: document.format, under: credential)
        }
        try await trace.stage(.verify) { try await verify(signature, stamps) }
        return try signer.prepared(document, signature, timestamps: stamps, by: credential, for: logs)
    }

    /// Evidence with its log entry, verified: stored before, or entered in its log now.
    func logged(
        _ evidence: Evidence, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> LoggedEvidence {
        let signer = try signers.signer(of: evidence, order.content.kind, for: order.rule)
        if let known = try LoggedEvidence(evidence, order, signer) { return known }
        if evidence.isFoundUnlogged {
            // what nobody dated, prepared before a date was demanded, may have its entry already: it is put aside with that
            try await trace.stage(.verify) {
                try signer.verifyStored(evidence.prepared, order.content.kind) {
                    try signer.verifyBeforeLogging($0, for: order, datedByLog: true)
                }
            }
        }
        let (entered, entry) = try await entry(of: evidence, order.claim, signer, trace)
        return try await trace.stage(.verify) { try await commit(entered, entry, order, signer) }
    }

    /// The entries of committed evidence: what is stored, or what its logs answer to its bytes.
    func entry(
        of evidence: Evidence, _ claim: Claim, _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> Evidence.Entered {
        try await trace.stage(
            .log, { ["tlog.index": "\($0.entry.logIndex)", "format": "\(evidence.format.rawValue)"] }
        ) {
            try await journal.entry(of: evidence, for: claim) { evidence in
                try await Submission(journal: journal, signer: signer).submit(evidence, claim)
            }
        }
    }

    /// Verifies our own output completely, renders what will be published once, and commits both: nothing is published
    /// that we would not accept. What does not verify is kept and tried again (the trusted root may be behind its
    /// services); only what the log dated outside the certificate's life, or nobody dated at all, can never verify, and
    /// the digest is signed anew.
    private func commit(
        _ evidence: Evidence, _ entry: TlogEntry, _ order: SigningOrder, _ signer: Signer
    ) async throws -> LoggedEvidence {
        func verify(_ prepared: Evidence.Prepared, _ entry: TlogEntry) throws -> (PresentedForm, VerifiedSignature) {
            let presented = try signer.presented(prepared, entry, order.content.kind)
            let verified = try signer.verify(
                presented, order.content.predicateType, for: order.target.digest, in: order.target.repository)
            return (presented, verified)
        }
        let (presented, verified): (PresentedForm, VerifiedSignature)
        do { (presented, verified) = try verify(evidence.prepared, entry) } catch let error as VerificationError {
            throw try await rejected(error, evidence, entry, order.claim, signer) { _ = try verify($0, $1) }
        }
        let artefact = try LoggedEvidence.Artefact(
            presented, verified, subject: order.subject, predicateType: order.content.predicateType)
        return try await record(artefact, verified, entry, of: evidence, order)
    }

    /// ▮ Commits the entry, and what will be published of it.
    func record(
        _ artefact: LoggedEvidence.Artefact, _ verified: VerifiedSignature, _ entry: TlogEntry, of evidence: Evidence,
        _ order: SigningOrder
    ) async throws -> LoggedEvidence {
        let stored = try await FailPoint.recordEntry.around(QueueError.injected) {
            try await journal.log(
                Evidence.Logged(entry, bundle: artefact.bundle), attachment: artefact.attachment, of: evidence,
                for: order.claim)
        }
        return LoggedEvidence(evidence: stored, verified: verified, entry: entry, artefact: artefact)
    }

    /// What our own output's not verifying comes to.
    /// - Parameter verify: the same verification, of the parts that it is given.
    func rejected(
        _ error: VerificationError, _ evidence: Evidence, _ entry: TlogEntry, _ claim: Claim, _ signer: Signer,
        _ verify: (Evidence.Prepared, TlogEntry) throws -> Void
    ) async throws -> SigningError {
        if try signer.isNeverVerified(evidence.prepared, entry) {
            try await journal.abandon(
                evidence, reason: "\(error)", entry: Evidence.Logged(entry, bundle: nil), for: claim)
        } else {
            try await journal.forget(
                answersOf: evidence.prepared.furtherLogs(failing: verify), to: evidence, for: claim)
        }
        return .ownOutputRejected(code: error.code, observed: error.observed)
    }
}
