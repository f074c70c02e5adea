import Logging
import OCI

/// An event that named only a tag: asks the registry what it points at now, and hands that digest to the queue.
struct ResolveTag: Sendable {
    let policy: SigningPolicy
    let registries: Registries

    func callAsFunction(_ tag: String, in repository: Repository, actor: String?, _ trace: AttemptTrace) async throws
        -> Outcome
    {
        guard case .sign(let rule) = policy.decide(repository, tagged: true) else {
            return .refused(
                Failure(
                    code: "policy.refused", stage: SigningStage.resolve.rawValue,
                    observed: "no policy rule allows signing in \(repository) any more",
                    fix: "change the policy and push again, if it should be signed"))
        }
        guard let registry = registries[repository] else { throw SigningError.unknownRegistry(repository.registry) }
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
