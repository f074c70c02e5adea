import FoundationEssentials
import Sigstore

/// Whether the services of a moment do for everything that the policy may ask of them. What the configuration names itself
/// is judged when it is read; what a signing configuration names is known, and changes, only while we run.
extension Configuration {
    /// - Throws: ``TrustError/several(_:wanted:)``, ``TrustError/unsignable(rule:_:)`` of the first rule.
    func check(
        _ services: InstanceServices, of signingConfig: SigningConfig?, at now: Date
    ) throws(TrustError) {
        if let signingConfig { try sigstore.checkSelection(of: signingConfig, at: now) }
        for rule in policy.rules where rule.effect == .sign { try sigstore.check(rule, services) }
    }
}

extension SigstoreConfiguration {
    /// Of what is left to the signing configuration it may want one for each signature: an evidence has one log entry and
    /// one timestamp. Fewer than are wanted would be less than verifiers of that instance may ask for.
    func checkSelection(of signingConfig: SigningConfig, at now: Date) throws(TrustError) {
        let (logs, authorities): (Int, Int)
        do throws(SigstoreError) {
            logs = try namedLogs.isEmpty ? signingConfig.logs(at: now).count : 1
            authorities = try timestampAuthority == nil ? signingConfig.authorities(at: now).count : 1
        } catch {
            throw .noService(error.observed)
        }
        guard logs <= 1 else { throw .several("log entries", wanted: logs) }
        guard authorities <= 1 else { throw .several("timestamps", wanted: authorities) }
    }

    /// Whether a rule can be signed as it says: its identity, its log, each of its formats.
    func check(_ rule: PolicyConfiguration.Rule, _ services: InstanceServices) throws(TrustError) {
        func refuse(_ why: String) -> TrustError { .unsignable(rule: rule.name, why) }
        guard let identity = allIdentities.first(where: { $0.name == rule.identity }) else {
            throw refuse("names the identity '\(rule.identity)', which is not configured")
        }
        if let name = rule.log, !services.logs.contains(where: { $0.name == name }) {
            let names = services.logs.map(\.name).joined(separator: ", ")
            throw refuse("names the log '\(name)'; in use are: \(names)")
        }
        for format in rule.formats {
            guard let log = services.log(for: format, of: rule) else {
                throw refuse(
                    "signs in the \(format.rawValue) format, which needs a Rekor v1 log; only Rekor v2 is in use")
            }
            // a certificate of ten minutes needs somebody who says when
            guard log.version == 1 || !services.timestampAuthorities.isEmpty || identity.identity.key != nil else {
                throw refuse(
                    "is signed with certificates and entered in \(log.name), a Rekor v2 log, which does not date its "
                        + "entries; no timestamp authority is in use")
            }
        }
    }
}

extension InstanceServices {
    /// The log that ``SigningServices/log(for:of:)`` will take.
    func log(for format: SignatureFormat, of rule: PolicyConfiguration.Rule) -> Log? {
        let usable = logs.filter { format == .bundle || $0.version == 1 }
        return usable.first { $0.name == rule.log } ?? usable.first
    }
}
