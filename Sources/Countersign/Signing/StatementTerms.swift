import OCI

/// What one statement has only one of: artifacts of which these differ are never in a statement of ours together. Of tenants,
/// because whoever reads the statement of one would read of another's images.
struct StatementTerms: Hashable {
    let identity: String
    let log: String?
    let tenant: String?

    /// - Parameter rule: the one that decides for the repository.
    init(_ rule: PolicyConfiguration.Rule, in repository: Repository, _ tenants: Tenants) {
        identity = rule.identity
        log = rule.log
        tenant = tenants.name(of: repository)
    }
}
