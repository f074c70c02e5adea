import FoundationEssentials
import Logging
import OCI
import Sigstore

/// The line one digest travels:
///
///     authorise → fetch → adopt? → certificate → sign → timestamp → ▮prepare → log → ▮verify → publish → read back → settle
///
/// ▮ is a commit. What becomes public is durable before; a restart continues from the last commit with the same bytes, so
/// that at any kill point there is one live log entry and one referrer per target (docs/architecture.md, crash table).
package struct SignArtifact: Sendable {
    package let policy: SigningPolicy
    package let registries: Registries
    package let signer: KeylessSigner
    package let journal: Journal
    package let subjects: SubjectTurns
    package let queue: JobQueue

    package init(
        policy: SigningPolicy, registries: Registries, signer: KeylessSigner, journal: Journal, subjects: SubjectTurns,
        queue: JobQueue
    ) {
        self.policy = policy
        self.registries = registries
        self.signer = signer
        self.journal = journal
        self.subjects = subjects
        self.queue = queue
    }

    func callAsFunction(_ target: Target, _ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome {
        // The policy of now decides, not that of the push; its version is what is stored.
        guard case .sign(let rule, let index) = policy.decide(target.repository, tagged: nil) else {
            return .refused(refusal("policy.refused", "no policy rule allows signing in \(target.repository) any more"))
        }
        guard let registry = registries[target.repository] else {
            return .refused(refusal("registry.unknown", "\(target.repository.registry) is not in the configuration"))
        }
        // The event was a hint: what counts is what the registry serves, hashed by us.
        let subject = try await trace.stage(.fetch) {
            try await registry.manifest(target.repository.name, target.digest)
        }
        guard !subject.isSignatureMaterial else {
            return .refused(refusal("policy.signature_material", "a signature, attestation or SBOM is never signed"))
        }
        if index == .children, case .index = subject.content {
            try await enqueueChildren(of: subject, of: target, index: index, rule: rule, claim: claim)
            return .refused(
                refusal("policy.children_only", "rule \(rule) signs the children of an index, not the index"))
        }

        let logged = try await logged(target, subject, rule, claim, registry, trace)
        let publication = Publication(journal: journal, subjects: subjects, registry: registry)
        try await publication.publish(logged, for: target, claim, trace)
        try await enqueueChildren(of: subject, of: target, index: index, rule: rule, claim: claim)
        return .signed(logged.record(rule: rule, policyVersion: policy.version))
    }

    /// The target's evidence with its log entry, verified: continued, adopted, or made now.
    private func logged(
        _ target: Target, _ subject: Manifest, _ rule: String, _ claim: Claim, _ registry: RegistryClient,
        _ trace: AttemptTrace
    ) async throws -> LoggedEvidence {
        let stored = try await journal.evidence(of: target)
        if let stored, let logged = try await LoggedEvidence(stored, target, signer) { return logged }
        if stored == nil {
            let adopted = try await trace.stage(.adopt) {
                try await Adoption(journal: journal, registry: registry, signer: signer)
                    .adopt(for: target, claim)
            }
            if let adopted { return adopted }
        }
        let prepared: Evidence
        if let stored { prepared = stored } else { prepared = try await prepare(target, rule, claim, trace) }
        let entry = try await trace.stage(.log, { ["tlog.index": "\($0.logIndex)"] }) {
            try await Submission(journal: journal, signer: signer).submit(prepared, claim)
        }
        return try await trace.stage(.verify) { try await commit(prepared, entry, target, subject, claim) }
    }

    /// Signs in memory and commits the exact bytes that the log will get: from here on no second signature is made.
    private func prepare(_ target: Target, _ rule: String, _ claim: Claim, _ trace: AttemptTrace) async throws
        -> Evidence
    {
        let credential = try await trace.stage(.certificate) { try await signer.credential() }
        let statement = Statement.approval(
            of: try ArtifactDigest(target.digest.description), in: target.repository.description, rule: rule)
        let envelope = try await trace.stage(.sign) { try signer.sign(statement, with: credential) }
        let stamp = try await trace.stage(.timestamp) {
            try await signer.timestamp(envelope, under: credential.certificate)
        }
        try await trace.stage(.verify) {
            try await signer.verifyBeforeLogging(
                envelope, credential.certificate, timestamp: stamp, for: target.digest, in: target.repository)
        }
        return try await trace.stage(.prepare) {
            try await journal.prepare(
                try signer.prepared(envelope, credential.certificate, timestamp: stamp), for: claim)
        }
    }

    /// Verifies our own output completely, renders the manifest once, and commits both: nothing is published that we
    /// would not accept. What does not verify is kept and tried again (the trusted root may be behind its services); only
    /// an entry that the log dated outside the certificate's life can never verify, and the digest is signed anew.
    private func commit(
        _ evidence: Evidence, _ entry: TlogEntry, _ target: Target, _ subject: Manifest, _ claim: Claim
    ) async throws -> LoggedEvidence {
        let bundle = try signer.bundle(evidence.prepared, entry)
        let verified: VerifiedBundle
        do {
            verified = try signer.verify(bundle, for: target.digest, in: target.repository)
        } catch let error as VerificationError {
            if try signer.isDatedOutside(evidence.prepared, entry) {
                try await journal.abandon(
                    evidence, reason: "\(error)", entry: Evidence.Logged(entry, bundle: nil), for: claim)
            }
            throw SigningError.ownOutputRejected(code: error.code, observed: error.observed)
        }
        guard let created = verified.time else {
            throw SigningError.ownOutputRejected(code: "verify.time", observed: "nothing says when it was signed")
        }
        let json = try bundle.json()
        let referrer = BundleReferrer.render(
            bundle: json, subject: subject.descriptor, predicateType: Statement.cosignSignPredicateType,
            created: created)
        let attachment = Evidence.Attachment(
            manifest: referrer.manifest, mediaType: MediaType.ociManifest, digest: referrer.descriptor.digest)
        let logged = try await journal.log(
            Evidence.Logged(entry, bundle: json), attachment: attachment, of: evidence, for: claim)
        return LoggedEvidence(
            evidence: logged, attachment: attachment, verified: verified, bundle: json, entry: entry)
    }

    /// The children that the rule wants, as work of their own; BuildKit's attestation manifests never are.
    private func enqueueChildren(
        of subject: Manifest, of target: Target, index: PolicyConfiguration.IndexSigning, rule: String,
        claim: Claim
    ) async throws {
        guard index != .index, case .index(let content) = subject.content else { return }
        let requests = content.manifests.filter { !$0.isBuildKitAttestation }.map { child in
            EnqueueRequest(
                source: "index", registry: target.repository.registry, repository: target.repository.name,
                digest: child.digest, mediaType: child.mediaType,
                verdict: .accepted(rule: rule, policyVersion: policy.version), delivery: nil,
                deliveryKey: claim.deliveryKey)
        }
        for start in stride(from: 0, to: requests.count, by: 500) {
            _ = try await queue.enqueue(Array(requests[start..<min(start + 500, requests.count)]))
        }
    }

    private func refusal(_ code: String, _ observed: String) -> Failure {
        Failure(
            code: code, stage: SigningStage.authorise.rawValue, observed: observed,
            fix: "change the policy and push again, if it should be signed")
    }
}
