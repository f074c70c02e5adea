extension ConfigurationReading {
    /// Exactly one key names the kind of source; its value is what that kind needs.
    func tokenSource(_ section: ConfigurationSection, isRequired: Bool) -> IdentityConfiguration.TokenSource {
        var found: [IdentityConfiguration.TokenSource] = []
        if let path = section.string("file").map(path) { found.append(.file(path)) }
        if let variable = section.string("env") { found.append(.environment(variable)) }
        guard let source = found.first, found.count == 1 else {
            if isRequired {
                section.complain("file", "give exactly one of 'file' and 'env': where the identity token comes from")
            }
            return .file("")
        }
        return source
    }
}
