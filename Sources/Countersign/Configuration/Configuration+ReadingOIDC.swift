/// The keys of `api.oidc`.
extension ConfigurationReading {
    func oidc(_ section: ConfigurationSection, _ tenants: [TenantConfiguration]) -> OIDCConfiguration {
        var issuer = UpstreamConfiguration(url: section.required("issuer", "the issuer, as its tokens say in iss"))
        transport(section, into: &issuer)
        var oidc = OIDCConfiguration(
            issuer: issuer, audience: section.required("audience", "what a token's aud must name"))
        oidc.roles = section.sections("roles") { rule($0, tenants) }
        return oidc
    }

    private func rule(
        _ section: ConfigurationSection, _ tenants: [TenantConfiguration]
    ) -> OIDCConfiguration.Rule {
        var rule = OIDCConfiguration.Rule()
        section.read("role", into: &rule.role)
        rule.claims = section.strings("claims").compactMap { text in
            if let claim = OIDCConfiguration.Claim(text) { return claim }
            section.complain("claims", "'\(text.prefix(80))' is not name=glob")
            return nil
        }
        rule.repositories = section.strings("repositories")
        for name in section.strings("tenants") {
            if let tenant = tenants.first(where: { $0.name == name }) {
                rule.repositories += tenant.globs
            } else {
                section.complain("tenants", "'\(name)' is not the name of a configured tenant")
            }
        }
        rule.predicateTypes = section.strings("predicate_types")
        return rule
    }
}
