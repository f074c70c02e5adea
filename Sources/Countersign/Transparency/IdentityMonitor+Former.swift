import Logging
import Sigstore

/// Logs that the instance has replaced: read to their end, and until they do not answer any more.
extension IdentityMonitor {
    /// Looks in a row that a former log has to leave without an answer, to be taken for one that is switched off.
    private static let switchedOff = 10

    /// A log that was in use before, and looks in a row that it left without an answer.
    struct Former {
        let shard: ReplacedShard
        let client: any LogFollower
        var unanswered = 0
    }

    /// Notes which of the logs in use are to be read to their end whatever comes after them, and looks for those that were
    /// noted before.
    func rememberOrReport(_ present: [Followed], _ former: inout [String: Former]) async {
        let chosen = present.compactMap { followed in followed.chosen.map { (log: followed.log.id, api: $0) } }
        // while it is not known what is in use, nothing is known to be replaced
        guard !chosen.isEmpty else { return }
        do {
            try await records.remember(chosen)
            var found: [String: Former] = [:]
            for shard in try await records.replaced(besides: present.map(\.log.id)) {
                let known = former[shard.url]
                found[shard.url] = Former(
                    shard: shard, client: known?.client ?? replaced(shard.url, shard.api),
                    unanswered: known?.unanswered ?? 0)
            }
            former = found
        } catch {
            report(error, "former logs are not looked for")
        }
    }

    /// Writes down what a look at a former log came to.
    func noteOrReport(_ progress: Progress, of log: Former) async -> Former {
        var log = log
        log.unanswered = progress == .away ? log.unanswered + 1 : 0
        do {
            if progress == .end, !log.shard.isAtEnd { try await records.noteEnd(of: log.shard.url) }
            if log.unanswered >= Self.switchedOff { try await records.letGo(log.shard.url) }
        } catch {
            report(error, "the end of a former log is not written down")
        }
        return log
    }
}
