extension ConfigurationReading {
    /// `token` or `key`, and whom the certificates must name.
    func identity(_ section: ConfigurationSection) -> IdentityConfiguration {
        let hasKey = section.has("key")
        if hasKey, section.has("token") {
            section.complain("key", "give exactly one of 'token' and 'key': what proves who we are")
        }
        let key = section.section("key", managedKey)
        let token = section.section("token") { tokenSource($0, isRequired: !hasKey) }
        var identity = IdentityConfiguration(proof: hasKey ? .key(key) : .token(token))
        if hasKey {
            for name in ["subject_alternative_name", "issuer", "audience"] where section.has(name) {
                section.complain(name, "belongs to 'token': a key has no certificate that could name anybody")
            }
        } else {
            identity.subjectAlternativeName = section.required(
                "subject_alternative_name", "who our certificates must say we are")
            identity.issuer = section.required("issuer", "the OIDC issuer our certificates must name")
            section.read("audience", into: &identity.audience, "text") { $0 }
        }
        return identity
    }

    private func managedKey(_ section: ConfigurationSection) -> ManagedKeyConfiguration {
        ManagedKeyConfiguration(file: section.string("file").map(path) ?? "", password: secret(section, "password"))
    }
}
