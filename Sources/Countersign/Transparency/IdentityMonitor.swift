import FailPoints
import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sigstore

/// Follows the logs in use and looks at whose certificate each entry has. One under an identity of ours that no record of ours
/// explains means that somebody else can sign as us, and raises an alert.
///
/// Ours is what was ever prepared: the signature is committed before the log gets it, so nothing of ours can be in a log and
/// not in the records. Only a database that was restored from an older dump lacks some, until they are adopted; hence the grace.
///
/// Every daemon runs one. One at a time follows a log; the place in it is kept in the commit of what was found. A log that
/// the instance has replaced is read on until it has not answered for a day, also after a restart; its successor is read from its
/// first entry.
package struct IdentityMonitor: Service {
    private let logs: @Sendable () throws -> [Followed]
    let replaced: @Sendable (String, RekorAPI) -> any LogFollower
    private let identities: [WatchedIdentity]
    let records: FollowedLogs
    private let settings: ReconcileConfiguration.IdentityMonitor
    private let metrics: IdentityMonitorMetrics
    private let pacer: Pacer
    let logger: Logger

    /// A log in use.
    package struct Followed: Sendable {
        let log: any LogFollower
        /// What it speaks, where the instance chose it: what the configuration names is changed by people, who say where to begin.
        let chosen: RekorAPI?

        package init(_ log: any LogFollower, chosen: RekorAPI?) { (self.log, self.chosen) = (log, chosen) }

        /// Whether the instance may have started it in place of one that we followed. It has nothing then that we let pass by.
        var isShard: Bool { chosen?.isTiled ?? false }
    }

    /// What a look at a log came to.
    enum Progress {
        /// There is more to read at once.
        case more
        case end
        /// Another daemon is at it, or it is not to be asked now.
        case later
        /// It did not answer.
        case away
        /// It could not be read, and that may be our own fault.
        case unreadable
    }

    /// Entries that are read before the place is written down.
    private static let batch = 256
    /// Requests for them; a Rekor v1 gives ten entries each.
    private static let requests = 64

    /// - Parameters:
    ///   - logs: those of the moment; they rotate.
    ///   - replaced: a client of one that was in use before.
    ///   - identities: as whom we sign.
    package init(
        _ logs: @escaping @Sendable () throws -> [Followed],
        replaced: @escaping @Sendable (String, RekorAPI) -> any LogFollower, identities: [WatchedIdentity],
        records: FollowedLogs,
        settings: ReconcileConfiguration.IdentityMonitor, metrics: IdentityMonitorMetrics, logger: Logger
    ) {
        self.logs = logs
        self.replaced = replaced
        self.identities = identities
        self.records = records
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        pacer = Pacer(rate: settings.rate)
    }

    package func run() async throws {
        guard settings.isEnabled else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            var present: [Followed] = []
            var former: [String: Former] = [:]
            var (isBusy, judged) = (false, ContinuousClock.now)
            while !Task.isCancelled {
                // once a poll, also while there is more to read: for each page it would cost more than the reading
                let judges = !isBusy || ContinuousClock.now - judged >= settings.poll
                if judges { judged = .now }
                // whoever signs meets the same fault of the services, and reports it
                if let now = try? logs() { present = now }
                isBusy = false
                var isHeard = false
                for followed in present {
                    let progress = await stepOrReport(followed, among: present, judging: judges)
                    isBusy = isBusy || progress == .more
                    isHeard = isHeard || progress == .more || progress == .end
                }
                await rememberOrReport(present, &former)
                for (url, log) in former.sorted(by: { $0.key < $1.key }) {
                    let progress = await stepOrReport(Followed(log.client, chosen: nil), judging: judges)
                    isBusy = isBusy || progress == .more
                    await noteOrReport(progress, of: url, isHeard: isHeard)
                }
                if judges { await judgeOrReport(besides: present.map(\.log.id) + former.keys) }
                if !isBusy { try? await Task.sleep(for: settings.poll * Double.random(in: 0.8..<1.2)) }
            }
        }
    }

    func report(_ error: QueueError, _ message: Logger.Message) {
        logger.warning(message, metadata: ["error.code": "\(error.code)", "error": "\(error)"])
    }

    /// A log that is followed no more still has what was found in it.
    private func judgeOrReport(besides followed: [String]) async {
        do { try await judgeSuspects(besides: followed) } catch {
            report(error, "what was found in former logs is not judged")
        }
    }

    /// Judges what was found in logs that are not in use any more: a new shard took over, or the configuration changed.
    package func judgeSuspects(besides followed: [String]) async throws(QueueError) {
        for log in try await records.suspectedLogs() where !followed.contains(log) {
            guard try await records.takeTurn(log) else { continue }
            try await judge(log)
        }
    }

    private func judge(_ log: String) async throws(QueueError) {
        for alert in try await records.judgeSuspects(in: log, after: settings.grace) {
            metrics.foreign.increment(log)
            records.alerts.tell(alert)
        }
    }

    /// What keeps this daemon from reading a log need not keep the others: it is their turn then.
    private func stepOrReport(_ followed: Followed, among present: [Followed] = [], judging: Bool) async -> Progress {
        let progress = await readOrReport(followed, among: present, judging: judging)
        if progress == .away || progress == .unreadable { try? await records.leaveTurn(followed.log.id) }
        return progress
    }

    private func readOrReport(_ followed: Followed, among present: [Followed], judging: Bool) async -> Progress {
        let log = followed.log
        metrics.follow(log.id)
        do {
            return try await progress(followed, among: present, judging: judging)
        } catch is CancellationError {
            return .later
        } catch SigstoreError.withheld {
            // it is down or busy, which whoever signs reports
            return .later
        } catch {
            let code = (error as? SigstoreError)?.code ?? (error as? QueueError)?.code ?? "log.follow"
            metrics.failures.increment(log.id, code)
            logger.warning(
                "a log could not be followed",
                metadata: ["log.url": "\(log.id)", "error.code": "\(code)", "error": "\(error)"])
            // that our database does not answer says nothing about the log
            if error is QueueError { return .later }
            return (error as? SigstoreError)?.isAway == true ? .away : .unreadable
        }
    }

    /// Reads on in one log, and judges what was found before.
    /// - Returns: whether there is more to read at once.
    package func step(_ log: any LogFollower) async throws -> Bool {
        try await progress(Followed(log, chosen: nil), among: [], judging: true) == .more
    }

    private func progress(_ followed: Followed, among present: [Followed], judging: Bool) async throws -> Progress {
        let log = followed.log
        guard try await records.takeTurn(log.id) else {
            // how far it is read is shown by who reads it
            metrics.index.remove(log.id)
            metrics.behind.remove(log.id)
            return .later
        }
        if judging { try await judge(log.id) }
        try await pacer.pass()
        let size = try await log.size()
        let begin =
            switch settings.start {
            case .now: size
            case .index(let index): index
            }
        let start = try await records.place(
            in: log.id, orBegin: begin, replacingOther: followed.isShard ? present.map(\.log.id) : nil,
            api: followed.chosen)
        metrics.behind.set(Double(max(0, size - start)), log.id)
        metrics.index.set(Double(start), log.id)
        guard start < size else { return .end }
        try await records.noteSize(size, of: log.id)
        var next = start
        var look = LookedAt()
        var fault: SigstoreError?
        var taken = ContinuousClock.now
        for _ in 0..<Self.requests where next < size && next - start < Int64(Self.batch) {
            // of a log that answers slowly this takes longer than a turn
            if ContinuousClock.now - taken >= records.renewal {
                guard try await records.takeTurn(log.id) else { return .later }
                taken = .now
            }
            try await pacer.pass()
            let entries: [TlogEntry]
            do throws(SigstoreError) {
                entries = try await log.entries(from: next, limit: Int(min(Int64(Self.batch), size - next)))
            } catch {
                // what was read before is read: a log that answers now and then is followed all the same
                fault = error
                break
            }
            guard !entries.isEmpty else { break }
            for entry in entries { self.look(at: entry, log.id, into: &look) }
            next += Int64(entries.count)
        }
        if fault == nil || next > start {
            try FailPoint.monitorPage.before(QueueError.injected)
            guard let unknown = try await records.advance(log.id, from: start, to: next, look) else {
                return .later
            }
            try FailPoint.monitorPage.after(QueueError.injected)
            metrics.count(look, unknown: unknown, in: log.id, from: start, to: next, of: size)
        }
        if let fault { throw fault }
        return next == size ? .end : next > start ? .more : .unreadable
    }

    /// Whether the entry is under an identity of ours. What is of a kind that we do not read, or cannot be read as what it says
    /// it is, may be: it is counted, for somebody who wants to know what this does not see.
    private func look(at entry: TlogEntry, _ log: String, into look: inout LookedAt) {
        let body: LoggedSignature
        do throws(SigstoreError) { body = try LoggedSignature(entry) } catch {
            if case .unsupported = error {
                look.unknownKinds += 1
                look.passedOver.append((entry.knownKind, "unknown_kind"))
            } else {
                look.unreadable += 1
                look.passedOver.append((entry.knownKind, "unreadable"))
            }
            return
        }
        for (place, signer) in body.signers.enumerated() {
            guard let identity = identities.first(where: { $0.isSigner(signer) }) else { continue }
            // of a kind without the signature it is none of ours: we write none such
            let signature = place < body.signatures.count ? body.signatures[place] : []
            look.found.append(FoundEntry(entry, signature: signature, identity: identity, log: log))
            return
        }
    }
}
