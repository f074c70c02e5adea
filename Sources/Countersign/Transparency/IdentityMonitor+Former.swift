import FoundationEssentials
import Logging
import Sigstore

/// Logs that the instance has replaced: read to their end, and until they do not answer any more.
extension IdentityMonitor {
    /// A log that was in use before.
    struct Former {
        let shard: ReplacedShard
        let client: any LogFollower
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
                let client = former[shard.url]?.client ?? replaced(shard.url, shard.api)
                found[shard.url] = Former(shard: shard, client: client)
            }
            former = found
        } catch {
            report(error, "former logs are not looked for")
        }
    }

    /// Writes down what a look at a former log came to. One that was read to its end and does not answer for a day is let go; where
    /// entries may be unread that is an alert, and it is asked on.
    /// - Parameter isHeard: whether a log in use answers. Where none does, it is our network that is away.
    func noteOrReport(_ progress: Progress, of log: String, isHeard: Bool) async {
        do {
            switch progress {
            // who read something has written that down with it
            case .more, .later: return
            case .end: if try await records.noteEnd(of: log) { return }
            case .away, .unreadable: break
            }
            switch try await records.noteSilence(of: log, isAway: progress == .away && isHeard) {
            case .letGo(let since):
                logger.warning(
                    "a log that was replaced is not followed any more",
                    metadata: [
                        "log.url": "\(log)",
                        "error": "it was read to its end, and has not answered since \(since.formatted(.iso8601))",
                    ])
            case .told(let alert): records.alerts.tell(alert)
            case nil: return
            }
        } catch {
            report(error, "what became of a former log is not written down")
        }
    }
}

extension SigstoreError {
    /// Whether it says that a log is not there. Our settings and what we trust may be what else keeps us from reading it: a
    /// checkpoint by no key that we know is a bad answer, too.
    var isAway: Bool {
        switch self {
        case .unavailable, .refused: true
        default: false
        }
    }
}
