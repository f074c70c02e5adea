extension Problems {
    /// One issuer of `api.oidc`.
    mutating func oidc(_ path: String, _ oidc: OIDCConfiguration) {
        upstream(path, oidc.issuer, key: "issuer")
        check(!oidc.audience.isEmpty, "\(path).audience", "must not be empty")
        check(!oidc.roles.isEmpty, "\(path).roles", "must have a rule: without one every token is refused")
        for (number, rule) in oidc.roles.enumerated() {
            let path = "\(path).roles[\(number)]"
            check(!rule.claims.isEmpty, "\(path).claims", "must name a claim: else every token of the issuer matches")
            let isAttester = rule.role == .attester
            check(!isAttester || !rule.predicateTypes.isEmpty, "\(path).predicate_types", "an attester needs some")
            check(!isAttester || !rule.repositories.isEmpty, "\(path).repositories", "an attester needs some")
            check(
                rule.predicateTypes.isEmpty || !rule.repositories.isEmpty, "\(path).predicate_types",
                "need repositories beside them; '**' is every one")
            check(
                (try? TokenScope(repositories: rule.repositories, predicateTypes: rule.predicateTypes)) != nil,
                "\(path).repositories",
                "must be globs, and predicate_types names or URIs")
        }
    }
}
