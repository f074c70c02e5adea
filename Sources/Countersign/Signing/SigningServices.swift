package import Sigstore

/// The logs and the timestamp authorities in use.
package struct SigningServices: Sendable {
    /// In the order of preference.
    package let logs: [Log]
    /// How many of them get an entry of each bundle, as the instance wants it.
    package let entriesPerBundle: Int
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

    package init(
        logs: [Log], entriesPerBundle: Int = 1, authorities: [Authority], retired: RetiredLogs? = nil
    ) {
        self.logs = logs
        self.entriesPerBundle = entriesPerBundle
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

    /// All logs for new signatures of this format. The legacy format has room for one entry; bundles are entered in as many as
    /// the instance wants, beside the one that the rule names.
    func logs(for format: SignatureFormat, of rule: PolicyConfiguration.Rule) throws(SigningError) -> ChosenLogs {
        var chosen = [try log(for: format, of: rule)]
        if format == .bundle, entriesPerBundle > 1 {
            for log in logs.prefix(entriesPerBundle) where !chosen.contains(where: { $0.id == log.client.id }) {
                chosen.append(log.client)
            }
        }
        // one that dates its entries takes them only while the certificate holds; the others have time
        let ordered = chosen.filter { !$0.datesEntries } + chosen.filter(\.datesEntries)
        guard let first = ordered.first else { throw .noLog(format) }
        return ChosenLogs(first: first, further: ordered.dropFirst().reversed())
    }

    /// The log that an entry was prepared for; nil if it is not in use any more.
    package func log(id: String) -> (any TransparencyLog)? { logs.first { $0.client.id == id }?.client }
}

/// The logs that one signature is entered in.
struct ChosenLogs: Sendable {
    /// That of the evidence's row, which is asked last.
    let first: any TransparencyLog
    /// The others, in the order in which they are asked.
    var further: [any TransparencyLog] = []

    var all: [any TransparencyLog] { [first] + further }
    /// Whether each of them dates its entries.
    var dateEntries: Bool { all.allSatisfy(\.datesEntries) }

    /// What the further ones get.
    func further(of submission: LogSubmission) throws(SigstoreError) -> [Evidence.FurtherEntry] {
        var entries: [Evidence.FurtherEntry] = []
        for log in further { entries.append(.init(log: log.id, request: try log.request(for: submission))) }
        return entries
    }
}
