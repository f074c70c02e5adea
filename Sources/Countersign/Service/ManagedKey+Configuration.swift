import FoundationEssentials
package import Sigstore

extension ManagedKey {
    /// The key that the configuration names.
    /// - Throws: ``SigstoreError``, code `identity.key`.
    package init(_ configuration: ManagedKeyConfiguration) throws(SigstoreError) {
        guard let bytes = FileManager.default.contents(atPath: configuration.file), bytes.count <= 1 << 16,
            let pem = String(validating: bytes, as: UTF8.self)
        else { throw .identity(.key("\(configuration.file) cannot be read as text")) }
        try self.init(pem: pem, password: configuration.password.map { Array($0.exposed.utf8) })
    }
}

extension SigstoreConfiguration {
    /// The keys of our own, by the name of their identity: read from their files now.
    var managedKeys: [String: Result<ManagedKey, SigstoreError>] {
        var keys: [String: Result<ManagedKey, SigstoreError>] = [:]
        for named in allIdentities {
            guard let configured = named.identity.key else { continue }
            keys[named.name] = Result { () throws(SigstoreError) in try ManagedKey(configured) }
        }
        return keys
    }
}

extension Configuration {
    /// Whether each key of our own can be read, and used in the logs that its rules name. What a signing configuration
    /// names is judged at the start, and by `doctor`.
    package var keyProblems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        var keys: [String: ManagedKey] = [:]
        for (position, named) in sigstore.allIdentities.enumerated() {
            guard let configured = named.identity.key else { continue }
            do throws(SigstoreError) {
                keys[named.name] = try ManagedKey(configured)
            } catch {
                let path = position == 0 ? "sigstore.identity" : "sigstore.identities[\(position - 1)]"
                problems.append(.init("\(path).key", "\(error.observed): \(error.fix)"))
            }
        }
        let services = InstanceServices(fulcio: nil, timestampAuthorities: [], logs: sigstore.namedLogs)
        for (position, rule) in policy.rules.enumerated() where rule.effect == .sign {
            guard let key = keys[rule.identity] else { continue }
            for format in rule.formats {
                guard let log = services.log(for: format, of: rule) else { continue }
                do throws(TrustError) { try rule.check(key, signing: format, in: log) } catch {
                    problems.append(.init("policy.rules[\(position)].formats", error.observed))
                }
            }
        }
        return problems
    }
}
