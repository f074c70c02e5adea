import FailPoints
import FoundationEssentials
import OCI
import Sigstore

/// A job of a group that may be signed: policy allows it, and the registry serves its manifest.
struct GroupMember: Sendable {
    let approved: SignArtifact.Approved
    let trace: AttemptTrace

    var order: SigningOrder { approved.order }
    var claim: Claim { order.claim }

    /// What the group's statement says of it.
    fileprivate func statement() throws -> Statement.Approved {
        Statement.Approved(
            try ArtifactDigest(order.target.digest.description), in: order.target.repository.description,
            rule: order.rule.name, generation: order.target.generation)
    }

    fileprivate func verified() throws -> Verifier.Member {
        Verifier.Member(
            try ArtifactDigest(order.target.digest.description), in: [order.target.repository.description])
    }
}

/// The part of the line that a group takes together:
///
///     one certificate → one statement → sign → timestamp → ▮prepare, fenced by every member's claim
///     log → ▮verify, with a manifest for each member
///
/// ▮ is a commit. What one attempt leaves behind is finished by the next attempt of any member, alone or in a group again:
/// the same bytes go to the log, and the same bundle into the registry.
struct GroupLine: Sendable {
    let line: EvidenceLine

    /// Signs one statement about all of the members and commits it.
    /// - Parameter members: two to ``Statement/maxSubjects``, of one tenant, the same signing identity and
    ///   log, none with evidence.
    /// - Returns: `.fallen` when some of them may not be in it any more; the signature is forgotten then, nobody has seen it.
    func prepare(_ members: [GroupMember], _ trace: AttemptTrace) async throws -> Journal.GroupCommit {
        let rule = members[0].order.rule
        let signer = try line.signers.signer(for: rule)
        return try await signer.services.admitted([.bundle], of: rule, isUnused: \.hasFallen) {
            try await sign(members, rule, signer, trace)
        }
    }

    private func sign(
        _ members: [GroupMember], _ rule: PolicyConfiguration.Rule, _ signer: Signer, _ trace: AttemptTrace
    ) async throws -> Journal.GroupCommit {
        let document = SigningContent.approval(of: try members.map { try $0.statement() }).document(.bundle)
        let logs = try signer.logs(for: document, of: rule)
        let credential = try await trace.stage(.certificate) { try await signer.identity.credential() }
        var prepared = try await line.sign(document, by: signer, with: credential, for: logs, trace) {
            signature, stamps in
            try await signer.verifyBeforeLogging(
                document, signature, timestamps: stamps, by: credential, for: members, in: logs)
        }
        prepared.subjects = members.count
        let evidence = prepared
        let commit = try await trace.stage(.prepare) {
            try await FailPoint.groupPrepare.around(QueueError.injected) {
                try await line.journal.prepare(evidence, for: members.map(\.claim))
            }
        }
        guard case .committed(let stored) = commit else { return commit }
        return .committed(stored.admitted)
    }

    /// A group's evidence with its log entry, verified for each member and rendered for each.
    /// - Returns: those of the members that are still this attempt's, each with what is to be published.
    func logged(
        _ evidence: Evidence, _ members: [GroupMember], _ trace: AttemptTrace
    ) async throws -> [(member: GroupMember, logged: LoggedEvidence)] {
        guard let first = members.first else { return [] }
        let signer = try line.signers.signer(of: evidence, .signature, for: first.order.rule)
        if evidence.isFoundUnlogged {
            try await trace.stage(.verify) {
                try signer.verifyStored(evidence.prepared, .signature) { presented in
                    guard case .bundle(let bundle) = presented else {
                        throw SigningError.evidenceUnusable("that of a group is no bundle")
                    }
                    try signer.trust.verifier.verifyBeforeLogging(
                        bundle, members: try members.map { try $0.verified() }, by: try signer.identity.expected,
                        expecting: Statement.cosignSignPredicateType, datedByLog: true)
                }
            }
        }
        let (entered, entry) = try await FailPoint.groupLog.around(SigningStage.log.injected) {
            try await line.entry(of: evidence, first.claim, signer, trace)
        }
        return try await trace.stage(.verify) { try await commit(entered, entry, members, signer) }
    }

    /// Those of the members that stored evidence is about. A row may say that it covers more.
    static func covered(by evidence: Evidence, _ members: [GroupMember]) throws -> [GroupMember] {
        let subjects = try Statement(json: evidence.prepared.payload, limits: UnverifiedBundle.attestationLimits)
            .subjects
        let digests = Set(subjects.flatMap { subject in subject.digest.map { "\($0.key):\($0.value)" } })
        return members.filter { digests.contains($0.order.target.digest.description) }
    }

    private func commit(
        _ evidence: Evidence, _ entry: TlogEntry, _ members: [GroupMember], _ signer: Signer
    ) async throws -> [(member: GroupMember, logged: LoggedEvidence)] {
        let (bundle, json) = try bundle(of: evidence, entry, signer)
        let verified: [VerifiedSignature]
        do {
            verified = try signer.verify(bundle, for: members)
        } catch let error as VerificationError {
            throw try await line.rejected(error, evidence, entry, members[0].claim, signer) { prepared, entry in
                _ = try signer.verify(Self.bundle(of: prepared, entry, signer), for: members)
            }
        }
        let digest = OCI.Digest.sha256(of: json)
        let referrers = zip(members, verified).map { member, verified in
            BundleReferrer.render(
                digest: digest, size: json.count, subject: member.order.subject,
                predicateType: Statement.cosignSignPredicateType,
                created: verified.time ?? Date(timeIntervalSince1970: 0))
        }
        let logged = Evidence.Logged(entry, bundle: json)
        let rendered = zip(members, referrers).map { member, referrer in
            (
                claim: member.claim,
                attachment: Evidence.Attachment(
                    manifest: referrer.manifest, mediaType: MediaType.ociManifest, digest: referrer.descriptor.digest)
            )
        }
        let standing = try await FailPoint.groupRecordEntry.around(QueueError.injected) {
            try await line.journal.log(logged, rendered, of: evidence)
        }
        return zip(zip(members, verified), zip(rendered, referrers)).compactMap { made, shown in
            guard standing.contains(made.0.claim.jobID) else { return nil }
            let stored = Evidence(
                id: evidence.id, prepared: evidence.prepared, logged: logged, attachment: shown.0.attachment,
                firstMissedAt: nil)
            return (
                made.0,
                LoggedEvidence(
                    evidence: stored, verified: made.1, entry: entry, artefact: .referrer(shown.1, bundle: json))
            )
        }
    }

    /// The bundle as it was stored, or as its readers will meet it.
    private func bundle(
        of evidence: Evidence, _ entry: TlogEntry, _ signer: Signer
    ) throws -> (UnverifiedBundle, [UInt8]) {
        if let stored = evidence.logged?.bundle { return (try UnverifiedBundle(json: stored), stored) }
        let bundle = try Self.bundle(of: evidence.prepared, entry, signer)
        return (bundle, try bundle.json())
    }

    private static func bundle(
        of prepared: Evidence.Prepared, _ entry: TlogEntry, _ signer: Signer
    ) throws -> UnverifiedBundle {
        guard case .bundle(let bundle) = try signer.presented(prepared, entry, .signature) else {
            throw SigningError.evidenceUnusable("that of a group is no bundle")
        }
        return bundle
    }
}

extension Signer {
    /// All that can be verified of a group's statement before the log has it, for each member.
    fileprivate func verifyBeforeLogging(
        _ document: SignedDocument, _ signature: [UInt8], timestamps: [[UInt8]], by credential: Credential,
        for members: [GroupMember], in logs: ChosenLogs
    ) async throws {
        do {
            let bundle = document.bundle(signature, by: credential.signer, timestamps: timestamps)
            try trust.verifier.verifyBeforeLogging(
                bundle, members: try members.map { try $0.verified() }, by: try identity.expected,
                expecting: Statement.cosignSignPredicateType, datedByLog: logs.dateEntries)
        } catch {
            await identity.discard(credential)
            throw error
        }
    }

    /// The whole verification that any client would do, for each member in its repository.
    fileprivate func verify(_ bundle: UnverifiedBundle, for members: [GroupMember]) throws -> [VerifiedSignature] {
        try trust.verifier.verify(
            bundle, members: try members.map { try $0.verified() }, by: try identity.expected,
            expecting: Statement.cosignSignPredicateType)
    }
}
