import FailPoints
import FoundationEssentials
import Logging
import OCI
import Sigstore

extension JobKind {
    /// Sign one target, or look again at one that is signed.
    package static let sign = JobKind(rawValue: "sign")
}

/// The line one digest travels:
///
///     authorise → fetch → per format: adopt? → one certificate → sign → timestamp → ▮prepare
///               → per format: log → ▮verify → publish → read back → older ones out of the lists? → settle
///
/// ▮ is a commit. What becomes public is durable before; a restart continues from the last commit with the same bytes, so
/// that at any kill point there is one live log entry and one published artefact per target and format
/// (docs/architecture.md, crash table).
struct SignArtifact: JobHandler {
    static let kind = JobKind.sign
    static let looksBack = true

    let policy: SigningPolicy
    let registries: Registries
    let line: EvidenceLine
    let publication: Publication
    private let withdrawal: Withdrawal
    private let queue: JobQueue

    init(_ parts: JobParts) {
        policy = parts.policy
        registries = parts.registries
        line = EvidenceLine(parts)
        publication = Publication(journal: parts.journal, subjects: parts.subjects)
        withdrawal = Withdrawal(journal: parts.journal, subjects: parts.subjects, signers: parts.signers)
        queue = parts.queue
    }

    static func takes(_ subject: Claim.Subject) -> Bool { subject.target?.purpose == .signature }

    func callAsFunction(_ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome {
        let approved: Approved
        switch try await approve(try claim.requireTarget(), claim, trace) {
        case .ended(let outcome): return outcome
        case .approved(let found): approved = found
        }
        let record = try await line.published(approved.order, by: publication, trace)
        try await follow(approved, trace)
        return .signed(record)
    }

    /// What may be signed: it was asked for, policy allows it, and the registry serves it.
    struct Approved: Sendable {
        let order: SigningOrder
        let subject: Manifest
        /// Whether older signatures of ours are to go once this one stands.
        let removesOlder: Bool
    }

    enum Approval: Sendable {
        case approved(Approved)
        case ended(Outcome)

        static func refused(_ failure: Failure) -> Approval { .ended(.refused(failure)) }
    }

    /// The line up to the point where something is to be signed.
    func approve(_ target: Target, _ claim: Claim, _ trace: AttemptTrace) async throws -> Approval {
        try FailPoint.authorise.before(QueueError.injected)
        let lineage = try await line.journal.lineage(of: target)
        if let ended = lineage.end(of: target) { return .refused(ended) }
        // The policy of now decides, not that of the push; its version is what is stored.
        guard case .sign(let rule) = policy.decide(target.repository, tagged: nil) else {
            return .refused(
                refusal(SigningPolicy.refusedCode, "no policy rule allows signing in \(target.repository) any more"))
        }
        guard !rule.formats(asked: claim.formats).isEmpty else {
            let asked = claim.formats.map(SignatureFormat.list) ?? ""
            return .refused(
                refusal(Self.formatCode, "rule '\(rule.name)' does not sign in what was asked for: \(asked)"))
        }
        guard let registry = registries[target.repository] else {
            return .refused(Registries.unknown(target.repository, .authorise))
        }
        try FailPoint.authorise.after(QueueError.injected)
        try await line.askFirst(target, claim, rule)
        // The event was a hint: what counts is what the registry serves, hashed by us.
        let subject = try await trace.stage(.fetch) {
            try await registry.manifest(target.repository.name, target.digest)
        }
        if lineage.hasOtherNamesRevoked, let name = try await line.journal.revokedName(of: subject, in: target) {
            return .refused(Lineage.revoked(name, in: target.repository))
        }
        guard !subject.isSignatureMaterial else {
            return .refused(refusal("policy.signature_material", "a signature, attestation or SBOM is never signed"))
        }
        if rule.index != .index, case .index = subject.content, claim.depth >= Self.deepest {
            return .refused(
                refusal(
                    Self.tooDeepCode, "an index within an index within an index: rules for children end there"))
        }
        if rule.index == .children, case .index = subject.content {
            try await enqueueChildren(of: subject, of: target, rule: rule, claim: claim)
            return .refused(
                refusal(Self.childrenOnlyCode, "rule \(rule.name) signs the children of an index, not the index"))
        }

        let order = SigningOrder(
            target: target, subject: subject.descriptor,
            content: .approval(
                of: try ArtifactDigest(target.digest.description), in: target.repository, rule: rule.name,
                generation: target.generation),
            rule: rule, claim: claim, place: try registries.place(of: target.repository))
        return .approved(Approved(order: order, subject: subject, removesOlder: lineage.removesOlder))
    }

    /// What follows once it is published.
    func follow(_ approved: Approved, _ trace: AttemptTrace) async throws {
        let order = approved.order
        if approved.removesOlder {
            try await trace.stage(.publish) { try await withdrawal.olderThan(order, order.claim) }
        }
        try await enqueueChildren(of: approved.subject, of: order.target, rule: order.rule, claim: order.claim)
    }

    /// Its attestations look again now: the signature that they wait for came, or never will. Once it stands, so do those that
    /// ended because the artifact was away, refused or revoked.
    func settled(_ claim: Claim, as outcome: Outcome) async throws {
        let lane: Lane? = if case .signed = outcome { claim.lane } else { nil }
        try await queue.wakeAttestations(of: claim.requireTarget(), takingUpIn: lane)
    }

    /// Said of an index that is signed, by a rule of before, they leave it signed.
    static let saidBefore: Set<String> = [
        SigningPolicy.refusedCode, Lineage.supersededCode, Lineage.revokedCode, childrenOnlyCode, tooDeepCode,
        formatCode,
    ]
    static let formatCode = "policy.format"
    static let childrenOnlyCode = "policy.children_only"
    static let tooDeepCode = "manifest.too_deep"

    /// Indexes are followed to the second level; of more entries than 1,000 none is read (``Manifest/entryLimit``).
    private static let deepest: Int16 = 2

    /// The children that the rule wants, as work of their own; BuildKit's attestation manifests never are. A look back at the
    /// index is no push of them: it finds those that the rule did not want before.
    private func enqueueChildren(
        of subject: Manifest, of target: Target, rule: PolicyConfiguration.Rule, claim: Claim
    ) async throws {
        guard rule.index != .index, case .index(let content) = subject.content else { return }
        let requests = content.manifests.filter { !$0.isBuildKitAttestation }.map { child -> EnqueueRequest in
            // a backfill's children are a backfill, and in its formats
            var request = EnqueueRequest(
                source: "index", registry: target.repository.registry, repository: target.repository.name,
                digest: child.digest, mediaType: child.mediaType, lane: claim.lane,
                verdict: .accepted(rule: rule.name, policyVersion: policy.version), delivery: nil,
                deliveryKey: claim.deliveryKey)
            request.depth = claim.depth + 1
            request.formats = claim.formats
            return request
        }
        for start in stride(from: 0, to: requests.count, by: 500) {
            let some = Array(requests[start..<min(start + 500, requests.count)])
            if claim.isRecheck {
                try await queue.enqueue(unknown: some, of: target)
            } else {
                _ = try await queue.enqueue(some)
            }
        }
    }

    private func refusal(_ code: String, _ observed: String) -> Failure {
        Failure(
            code: code, stage: SigningStage.authorise.rawValue, observed: observed,
            fix: "change the policy and push again, if it should be signed")
    }
}
