extension ConfigurationReading {
    /// The one source of trust material.
    func trust(_ section: ConfigurationSection) -> TrustConfiguration {
        let sources = ["trusted_root", "client_trust_config", "tuf"].filter(section.has)
        let root = section.string("trusted_root").map(path) ?? ""
        let client = section.string("client_trust_config").map(path) ?? ""
        let signingConfig = section.string("signing_config").map(path)
        let repository = section.section("tuf") { tuf($0, isRequired: sources == ["tuf"]) }
        guard sources.count == 1 else {
            let all = "'trusted_root', 'client_trust_config' and 'tuf'"
            section.complain(
                sources.last ?? "trusted_root",
                sources.isEmpty
                    ? "is missing: give one of \(all), whom our own output must verify against"
                    : "give exactly one of \(all)")
            return .files(trustedRoot: root, signingConfig: signingConfig)
        }
        if signingConfig != nil, sources != ["trusted_root"] {
            section.complain("signing_config", "belongs to 'trusted_root'; '\(sources[0])' brings its own")
        }
        switch sources[0] {
        case "client_trust_config": return .clientTrustConfig(client)
        case "tuf": return .tuf(repository)
        default: return .files(trustedRoot: root, signingConfig: signingConfig)
        }
    }

    private func tuf(_ section: ConfigurationSection, isRequired: Bool) -> TUFConfiguration {
        func required(_ key: String, _ meaning: String) -> String {
            isRequired ? section.required(key, meaning) : section.string(key) ?? ""
        }
        var site = UpstreamConfiguration(url: required("url", "the folder of timestamp.json"))
        transport(section, into: &site)
        var tuf = TUFConfiguration(root: path(required("root", "the pinned root.json")), site: site)
        tuf.targetsURL = section.string("targets_url")
        section.read("refresh", into: &tuf.refresh)
        section.read("trusted_root", into: &tuf.trustedRoot, "text") { $0 }
        section.read("signing_config", into: &tuf.signingConfig, "text") { $0 }
        return tuf
    }

    /// One of our services: named here, or left to the signing configuration where there is one.
    func service(
        _ key: String, in section: ConfigurationSection, _ trust: TrustConfiguration, _ meaning: String
    ) -> UpstreamConfiguration? {
        guard section.has(key) || !trust.mayNameServices else { return section.section(key) { _ in nil } }
        if !section.has(key) {
            section.complain(key, "is missing: \(meaning), or a signing configuration that names it")
        }
        return section.section(key) { section in section.isPresent ? upstream(section) : nil }
    }
}

extension TrustConfiguration {
    /// Whether it can bring a signing configuration, so that services need not be named.
    var mayNameServices: Bool {
        switch self {
        case .files(_, let signingConfig): signingConfig != nil
        case .clientTrustConfig, .tuf: true
        }
    }
}
