import FoundationEssentials
import Sigstore

/// Whether the services of a moment do for everything that the policy may ask of them. What the configuration names itself
/// is judged when it is read; what a signing configuration names is known, and changes, only while we run.
extension Configuration {
    /// - Parameter keys: those of our own, by the name of their identity.
    /// - Throws: ``TrustError/several(_:wanted:atMost:)``, ``TrustError/unsignable(rule:_:)`` of the first rule.
    func check(
        _ services: InstanceServices, of signingConfig: SigningConfig?, keys: [String: ManagedKey] = [:], at now: Date
    ) throws(TrustError) {
        if let signingConfig { try sigstore.checkSelection(of: signingConfig, at: now) }
        for rule in policy.rules where rule.effect == .sign { try sigstore.check(rule, services, keys) }
    }
}

extension SigstoreConfiguration {
    /// Of what is left to the signing configuration it may want several for each signature, but not more than a bundle may have
    /// that is still read. Fewer than are wanted would be less than verifiers of that instance may ask for.
    func checkSelection(of signingConfig: SigningConfig, at now: Date) throws(TrustError) {
        let (logs, authorities): (Int, Int)
        do throws(SigstoreError) {
            logs = try namedLogs.isEmpty ? signingConfig.logs(at: now).count : 1
            authorities = try timestampAuthority == nil ? signingConfig.authorities(at: now).count : 1
        } catch {
            throw .noService(error.observed)
        }
        let most = UnverifiedBundle.maxEntries
        guard logs <= most else { throw .several("log entries", wanted: logs, atMost: most) }
        guard authorities <= most else { throw .several("timestamps", wanted: authorities, atMost: most) }
    }

    /// Whether a rule can be signed as it says: its identity, its logs, each of its formats.
    /// - Parameter keys: as of ``Configuration/check(_:of:keys:at:)``.
    func check(
        _ rule: PolicyConfiguration.Rule, _ services: InstanceServices, _ keys: [String: ManagedKey]
    ) throws(TrustError) {
        func refuse(_ why: String) -> TrustError { .unsignable(rule: rule.name, why) }
        guard allIdentities.contains(where: { $0.name == rule.identity }) else {
            throw refuse("names the identity '\(rule.identity)', which is not configured")
        }
        if let name = rule.log, !services.logs.contains(where: { $0.name == name }) {
            let names = services.logs.map(\.name).joined(separator: ", ")
            throw refuse("names the log '\(name)'; in use are: \(names)")
        }
        for format in rule.formats {
            let logs = services.logs(for: format, of: rule)
            guard !logs.isEmpty else {
                let used = RekorAPI.names { api in services.logs.contains { $0.api == api } }
                throw refuse(
                    "signs in the \(format.rawValue) format, which needs a \(RekorAPI.names(\.datesEntries)) log; "
                        + "only \(used) is in use")
            }
            // a certificate holds for ten minutes, and a log is trusted as of some time: somebody has to say when
            for log in logs {
                guard log.api.datesEntries || !services.timestampAuthorities.isEmpty else {
                    throw refuse(
                        "is entered in \(log.name), a \(log.api) log, which does not date its entries; no timestamp authority "
                            + "is in use")
                }
                if let key = keys[rule.identity] { try rule.check(key, signing: format, in: log) }
            }
        }
    }
}

extension PolicyConfiguration.Rule {
    /// Whether the log takes what a key of our own signs in that format for this rule.
    /// - Throws: ``TrustError/unsignable(rule:_:)``, which says what to use instead.
    func check(_ key: ManagedKey, signing format: SignatureFormat, in log: InstanceServices.Log) throws(TrustError) {
        do throws(SigstoreError) {
            try key.checkLoggable(in: log.api, byDigest: format == .legacy)
        } catch {
            throw .unsignable(
                rule: name, "signs as '\(identity)' in the \(format.rawValue) format, in \(log.name): \(error.observed)"
            )
        }
    }
}

extension InstanceServices {
    /// The log that ``SigningServices/log(for:of:)`` will take.
    func log(for format: SignatureFormat, of rule: PolicyConfiguration.Rule) -> Log? {
        let usable = logs.filter { format == .bundle || $0.api.datesEntries }
        return usable.first { $0.name == rule.log } ?? usable.first
    }

    /// All that ``SigningServices/logs(for:of:)`` will take, that one first.
    func logs(for format: SignatureFormat, of rule: PolicyConfiguration.Rule) -> [Log] {
        guard let first = log(for: format, of: rule) else { return [] }
        guard format == .bundle, entriesPerBundle > 1 else { return [first] }
        return [first] + logs.prefix(entriesPerBundle).filter { $0.upstream.url != first.upstream.url }
    }
}
