import FoundationEssentials

extension Doctor {
    /// Whether every rule of the policy can be signed with the services of now, and with which.
    func policyFindings(
        _ services: Result<InstanceServices, any Error>, _ trust: Result<TrustKeeper, any Error>
    ) async -> [DoctorFinding] {
        // without services the finding about them says why
        guard let services = try? services.get() else { return [] }
        let sigstore = configuration.sigstore
        // the finding about a key says why it cannot be read
        let keys = sigstore.managedKeys.compactMapValues { try? $0.get() }
        var findings: [DoctorFinding] = []
        if let config = try? trust.get().current.signingConfig {
            findings.append(
                await look("service selection", fix: "see the instance's signing configuration") {
                    try sigstore.checkSelection(of: config, at: Date())
                    return .good(
                        "a bundle gets \(Self.count(services.entriesPerBundle, "log entry", "log entries")) and "
                            + Self.count(services.timestampAuthorities.count, "timestamp"))
                })
        }
        for rule in configuration.policy.rules where rule.effect == .sign {
            findings.append(
                await look("rule \(rule.name)", fix: "see the rule's formats, identity and log") {
                    try sigstore.check(rule, services, keys)
                    let formats = rule.formats.map { format in
                        "\(format.rawValue) in \(Self.names(services.logs(for: format, of: rule)).joined(separator: " and "))"
                    }
                    return .good("as \(rule.identity): \(formats.joined(separator: ", "))")
                })
        }
        return findings
    }

    /// Logs by name; those of a signing configuration have their host's, which two may share: then by URL.
    private static func names(_ logs: [InstanceServices.Log]) -> [String] {
        Set(logs.map(\.name)).count == logs.count ? logs.map(\.name) : logs.map(\.upstream.url)
    }
}
