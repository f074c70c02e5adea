import OCI
import Sigstore

extension Configuration {
    /// Whether every rule can be signed as it says: format, identity, log, and the place of the signatures.
    func signingProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        var names: Set<String> = [PolicyConfiguration.Rule.defaultIdentity]
        for (position, named) in sigstore.identities.enumerated() {
            let path = "sigstore.identities[\(position)]"
            problems.check(
                named.name.isLabel(extra: "-._"), "\(path).name",
                "'\(named.name)' must be lower-case letters, digits, '.', '_' and '-', at most 63")
            problems.check(
                names.insert(named.name).inserted, "\(path).name",
                "'\(named.name)' is used twice ('default' is sigstore.identity)")
            problems.identity(path, named.identity)
        }
        timestampProblems(&problems)
        for (position, rule) in policy.rules.enumerated() where rule.effect == .sign {
            problems.rule(rule, "policy.rules[\(position)]", identities: names, sigstore)
        }
        for (position, registry) in registries.enumerated() {
            guard let text = registry.signatureRepository else { continue }
            problems.check(
                registries.contains { $0.name == registry.signaturePlace?.registry },
                "registries[\(position)].signature_repository",
                "'\(text)' is not a repository (host/name) of a configured registry")
        }
        return problems.found
    }

    /// A log that does not date its entries says nothing of when: somebody else has to say it, also of what a key signed, since
    /// the log itself is trusted as of some time.
    private func timestampProblems(_ problems: inout Problems) {
        guard sigstore.timestampAuthority == nil, !sigstore.trust.mayNameServices else { return }
        guard let log = sigstore.namedLogs.first(where: { !$0.api.datesEntries }) else { return }
        problems.add(
            "sigstore.timestamp_authority",
            "is missing: a \(log.api) log does not date its entries, so that what is entered there needs a timestamp, "
                + "whatever it is signed with")
    }
}

extension Problems {
    fileprivate mutating func rule(
        _ rule: PolicyConfiguration.Rule, _ path: String, identities: Set<String>, _ sigstore: SigstoreConfiguration
    ) {
        check(!rule.formats.isEmpty, "\(path).formats", "names no format: nothing would be published")
        check(
            identities.contains(rule.identity), "\(path).identity",
            "'\(rule.identity)' is neither 'default' (sigstore.identity) nor a name of sigstore.identities")
        // what a signing configuration will name is not known here
        let logs = sigstore.namedLogs
        guard !logs.isEmpty else { return }
        if let log = rule.log {
            check(logs.contains { $0.name == log }, "\(path).log", "'\(log)' is not a name of sigstore.logs")
        }
        check(
            !rule.formats.contains(.legacy) || logs.contains { $0.api.datesEntries }, "\(path).formats",
            "legacy signatures are entered in \(RekorAPI.names(\.datesEntries)) only, and only "
                + "\(RekorAPI.names { api in logs.contains { $0.api == api } }) is configured")
    }
}
