import Logging
import OCI
import Postgres

extension JobKind {
    /// Ask the registry what a tag points at; its answer becomes targets.
    package static let resolve = JobKind(rawValue: "resolve")
}

/// An event that named only a tag: asks the registry what it points at now, and hands that digest to the queue.
struct ResolveTag: JobHandler {
    static let kind = JobKind.resolve

    private let policy: SigningPolicy
    private let registries: Registries

    init(_ parts: JobParts) {
        policy = parts.policy
        registries = parts.registries
    }

    static func takes(_ subject: Claim.Subject) -> Bool { subject.target == nil }

    func callAsFunction(_ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome {
        guard case .tag(let tag, let repository, let actor) = claim.subject else {
            throw QueueError.unreadable(table: "job", what: "tag of \(claim.jobID)")
        }
        guard case .sign(let rule) = policy.decide(repository, tagged: true) else {
            return .refused(
                Failure(
                    code: SigningPolicy.refusedCode, stage: SigningStage.resolve.rawValue,
                    observed: "no policy rule allows signing in \(repository) any more",
                    fix: "change the policy and push again, if it should be signed"))
        }
        guard let registry = registries[repository] else { return .refused(Registries.unknown(repository, .resolve)) }
        let manifest = try await trace.stage(.resolve, { ["artifact.digest": "\($0.descriptor.digest)"] }) {
            try await registry.resolve(repository.name, tag: tag)
        }
        return .resolved([
            EnqueueRequest(
                source: "resolve", registry: repository.registry, repository: repository.name,
                digest: manifest.descriptor.digest, tag: tag, mediaType: manifest.descriptor.mediaType, actor: actor,
                verdict: .accepted(rule: rule.name, policyVersion: policy.version), delivery: nil)
        ])
    }
}

extension Outcome {
    /// A tag was resolved into these targets.
    static func resolved(_ requests: [EnqueueRequest]) -> Outcome { .ended(TagResolved(requests: requests)) }
}

/// The tag's targets are enqueued and its job ends in one transaction: no crash can do one without the other.
private struct TagResolved: JobEnd {
    let requests: [EnqueueRequest]

    var name: String { "resolved" }
    var leavesWork: Bool { true }

    func settle(_ claim: Claim, in session: Session) throws -> Settlement? {
        // what a tag becomes comes from the delivery that named the tag
        let derived = requests.map { request in
            var derived = request
            derived.deliveryKey = request.deliveryKey ?? claim.deliveryKey
            return derived
        }
        let ended = try session.query(
            """
            DELETE FROM countersign.job
            WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased
                AND kind = \(JobKind.resolve.rawValue)::text
            RETURNING now() - received_at AS age, received_at::text AS since
            """)
        guard let row = ended.first else { return nil }
        _ = try JobQueue.store(derived, resolvedSince: try row.decode("since"), in: session)
        return .ended(nil, sincePush: try row.decode("age"))
    }
}
