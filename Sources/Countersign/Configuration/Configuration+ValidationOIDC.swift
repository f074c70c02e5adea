extension Problems {
    /// One issuer of `api.oidc`.
    mutating func oidc(_ path: String, _ oidc: OIDCConfiguration) {
        upstream(path, oidc.issuer)
        check(!oidc.audience.isEmpty, "\(path).audience", "must not be empty")
        check(!oidc.roles.isEmpty, "\(path).roles", "must have a rule: without one every token is refused")
        for (number, rule) in oidc.roles.enumerated() {
            let path = "\(path).roles[\(number)]"
            check(!rule.claims.isEmpty, "\(path).claims", "must name a claim: else every token of the issuer matches")
            let isAttester = rule.role == .attester
            check(
                isAttester == !rule.predicateTypes.isEmpty, "\(path).predicate_types",
                "belong to the role attester, which needs them")
            check(!isAttester || !rule.repositories.isEmpty, "\(path).repositories", "an attester needs some")
            let types = isAttester ? rule.predicateTypes : ["*"]
            check(
                (try? TokenScope(repositories: rule.repositories, predicateTypes: types)) != nil,
                "\(path).repositories",
                "must be globs, and predicate_types names or URIs")
        }
    }
}
