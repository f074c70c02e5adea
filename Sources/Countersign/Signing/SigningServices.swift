package import Sigstore

/// The logs and the timestamp authorities in use.
package struct SigningServices: Sendable {
    /// In the order of preference.
    package let logs: [Log]
    /// Each timestamps every bundle; none only where every log in use dates its entries itself.
    package let authorities: [Authority]
    /// Where an entry is looked for that was prepared for a log of former days; nil: no instance tells which those are.
    let retired: RetiredLogs?

    /// A transparency log under its name in the configuration.
    package struct Log: Sendable {
        package let name: String
        package let client: any TransparencyLog
        /// Before its entries; nil: nobody counts them.
        let gate: DependencyGate?

        package init(name: String, client: any TransparencyLog, gate: DependencyGate? = nil) {
            self.name = name
            self.client = client
            self.gate = gate
        }
    }

    /// A timestamp authority.
    package struct Authority: Sendable {
        let client: TimestampClient
        /// Before it; nil: nobody counts what it is asked.
        let gate: DependencyGate?

        package init(client: TimestampClient, gate: DependencyGate? = nil) {
            self.client = client
            self.gate = gate
        }
    }

    package init(logs: [Log], authorities: [Authority], retired: RetiredLogs? = nil) {
        self.logs = logs
        self.authorities = authorities
        self.retired = retired
    }

    /// Who timestamps a signature of this format. The legacy format has room for one timestamp: there it is the first.
    func authorities(for format: SignatureFormat) -> [Authority] {
        format == .bundle ? authorities : Array(authorities.prefix(1))
    }

    /// The log for new signatures of this format: the one that the rule names, else the first. The legacy format has room
    /// only for an entry that the log dates and promises (Rekor v1), so there it is the first log of that kind.
    package func log(
        for format: SignatureFormat, of rule: PolicyConfiguration.Rule
    ) throws(SigningError) -> any TransparencyLog {
        let usable = logs.filter { format == .bundle || $0.client.datesEntries }
        guard let log = usable.first(where: { $0.name == rule.log }) ?? usable.first else {
            throw .noLog(format)
        }
        return log.client
    }

    /// The log that an entry was prepared for; nil if it is not in use any more.
    package func log(id: String) -> (any TransparencyLog)? { logs.first { $0.client.id == id }?.client }
}
