package import Sigstore

extension VerifyLogEntries {
    /// What a daemon kept of the checkpoint that an entry came with, and of its tree since.
    package struct KeptCheckpoints: Sendable {
        let note: String?
        let isProven: Bool
        let seenAt: String?
        let newest: String?
        let alarm: String?

        /// - Parameters:
        ///   - note: the signed note of the entry's size, if one is kept.
        ///   - isProven: whether that lies in the history that was proven.
        ///   - newest: the note of the largest that is proven.
        ///   - alarm: how the log contradicted itself, if it did.
        package init(note: String?, isProven: Bool, seenAt: String?, newest: String?, alarm: String?) {
            (self.note, self.isProven, self.seenAt) = (note, isProven, seenAt)
            (self.newest, self.alarm) = (newest, alarm)
        }
    }

    /// An entry that a daemon recorded, held against what it kept of the log. No log is asked: that it still tells the same
    /// history is what the daemon proved by the time of the newest checkpoint. In a log that told it two none holds.
    package static func look(
        at entry: TlogEntry, in log: String, of logs: TrustedLogs, against kept: KeptCheckpoints,
        trusting verifier: Verifier
    ) -> Finding {
        func finding(_ outcome: Outcome, _ code: String, _ observed: String) -> Finding {
            Finding(nil, outcome, log: log, index: entry.logIndex, code: code, observed)
        }
        // whichever of its histories has the entry
        if let alarm = kept.alarm {
            return finding(.refused, "log.inconsistent", "the log contradicted itself: \(alarm)")
        }
        do {
            var checks = try verifier.verify(entry).map { LogCheck($0) }
            guard let note = entry.inclusionProof?.checkpoint else {
                return finding(.unproven, "log.checkpoint_unknown", "the entry was recorded without a checkpoint")
            }
            let own = try Checkpoint(note: note)
            guard let stored = try kept.note.map({ (note) throws(SigstoreError) in try Checkpoint(note: note) }) else {
                return finding(
                    .unproven, "log.checkpoint_unknown",
                    "its checkpoint of \(own.size) leaves is not kept any more, or was not yet")
            }
            guard stored.origin == own.origin, stored.size == own.size, stored.rootHash == own.rootHash else {
                return finding(
                    .refused, "log.inconsistent",
                    "the checkpoint that is kept of \(own.size) leaves has another root than the entry's")
            }
            checks.append(
                LogCheck(
                    check: "recorded", seen: "its checkpoint of \(own.size) leaves",
                    against: "the one that was kept, seen \(kept.seenAt ?? "")"))
            guard kept.isProven, let newest = kept.newest else {
                return finding(
                    .unproven, "log.checkpoint_waiting",
                    "its checkpoint of \(own.size) leaves is kept and not proven yet to lie in the log's history")
            }
            let proven = try logs.verify(Checkpoint(note: newest), of: log).checkpoint
            guard proven.origin == own.origin, proven.size >= own.size else {
                return finding(
                    .unproven, "log.checkpoint_waiting",
                    "the largest checkpoint that is proven has \(proven.size) leaves")
            }
            checks.append(
                LogCheck(
                    check: "consistency", seen: "its checkpoint of \(own.size) leaves",
                    against: "the newest that was proven, of \(proven.size) leaves"))
            return Finding(nil, log, entry.logIndex, checks)
        } catch let error as VerificationError {
            return finding(error.check.isOfCertificate ? .unproven : .refused, error.code, error.observed)
        } catch let error as SigstoreError {
            return finding(.refused, error.code, error.observed)
        } catch {
            return finding(.unproven, "log.checkpoint_unknown", "\(error)")
        }
    }
}
