import OCI

/// A request that was accepted, with what its statements need.
struct AcceptedPush: Sendable {
    /// Among the requests that it came with.
    let index: Int
    let request: EnqueueRequest
    let rule: String
    let policyVersion: String
    let digest: String?

    /// What makes two pushes one target.
    struct Key: Hashable, Sendable {
        let repository: RepositoryKey
        let digest: String?
    }

    /// As a payload names it.
    struct RepositoryKey: Hashable, Sendable {
        let registry: String
        let name: String
    }

    var key: Key { Key(repository: repository, digest: digest) }
    var repository: RepositoryKey { RepositoryKey(registry: request.registry, name: request.repository) }

    init?(_ request: EnqueueRequest, index: Int) {
        guard case .accepted(let rule, let policyVersion) = request.verdict else { return nil }
        guard request.digest != nil || request.tag != nil else { return nil }
        self.index = index
        self.request = request
        self.rule = rule
        self.policyVersion = policyVersion
        digest = request.digest?.description
    }
}
