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
                        "a bundle gets \(services.entriesPerBundle) log entries and "
                            + "\(services.timestampAuthorities.count) timestamps")
                })
        }
        for rule in configuration.policy.rules where rule.effect == .sign {
            findings.append(
                await look("rule \(rule.name)", fix: "see the rule's formats, identity and log") {
                    try sigstore.check(rule, services, keys)
                    let formats = rule.formats.map { format in
                        "\(format.rawValue) in \(services.logs(for: format, of: rule).map(\.name).joined(separator: " and "))"
                    }
                    return .good("as \(rule.identity): \(formats.joined(separator: ", "))")
                })
        }
        return findings
    }
}
