/// The keys of `api.oidc`.
extension ConfigurationReading {
    func oidc(_ section: ConfigurationSection) -> OIDCConfiguration {
        var issuer = UpstreamConfiguration(url: section.required("issuer", "the issuer, as its tokens say in iss"))
        transport(section, into: &issuer)
        var oidc = OIDCConfiguration(
            issuer: issuer, audience: section.required("audience", "what a token's aud must name"))
        oidc.roles = section.sections("roles", rule)
        return oidc
    }

    private func rule(_ section: ConfigurationSection) -> OIDCConfiguration.Rule {
        var rule = OIDCConfiguration.Rule()
        section.read("role", into: &rule.role)
        rule.claims = section.strings("claims").compactMap { text in
            if let claim = OIDCConfiguration.Claim(text) { return claim }
            section.complain("claims", "'\(text.prefix(80))' is not name=glob")
            return nil
        }
        rule.repositories = section.strings("repositories")
        rule.predicateTypes = section.strings("predicate_types")
        return rule
    }
}
