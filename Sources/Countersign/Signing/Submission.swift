import FailPoints
import FoundationEssentials
import Sigstore

/// Enters committed evidence in its logs: the same bytes, as often as it takes.
///
/// A log that dates nothing (Rekor v2) takes them at any time, and its answer to known bytes is the entry they made.
/// Rekor v1 stamps an entry with its own time, and stock verifiers want the certificate to hold then. So there they are sent
/// only while it does; after its end the log is asked whether it has them, and only if it has not, and has
/// not a settling time later either, the evidence is put aside and the digest signed anew (queue protocol, "replay after certificate expiry").
///
/// A log that its instance replaced by a new shard is asked the same way: an answer of it may have been lost, and its entry would be
/// another live one beside that of the new shard.
///
/// Where evidence has several logs, all of this holds for each of them: what one of them will never take puts it aside as a whole.
struct Submission: Sendable {
    let journal: Journal
    let signer: Signer

    private var services: SigningServices { signer.services }

    /// Nothing is sent in the last seconds of a certificate: the answer would come too late to count.
    static let margin: TimeInterval = 10
    /// How long after the certificate's end a log may still show an entry that was sent before it.
    static let settling: TimeInterval = 120

    /// The entries for the evidence's requests: those of further logs first, each recorded before the next is asked.
    /// - Throws: ``SigningError/certificateExpired(at:until:)``, ``SigningError/logReplaced(log:until:)`` while the settling time
    ///   runs, and once the evidence was put aside, as with ``SigningError/ownOutputRejected(code:observed:remedy:)``: the next
    ///   attempt signs anew.
    func submit(_ evidence: Evidence, _ claim: Claim) async throws -> Evidence.Entered {
        var evidence = evidence
        for further in evidence.prepared.further {
            let entry: TlogEntry
            if let known = further.entry {
                entry = try TlogEntry(json: known)
            } else {
                entry = try await ask(Place(log: further.log, request: further.request), for: evidence, claim)
                try FailPoint.recordEntry.before(QueueError.injected)
                try await journal.log(
                    Evidence.Logged(entry, bundle: nil), inFurther: further.log, of: evidence, for: claim)
                try FailPoint.recordEntry.after(QueueError.injected)
                evidence = evidence.logged(entry, inFurther: further.log)
            }
            try await judge(entry, in: further.log, of: evidence, claim)
        }
        let last = Place(log: evidence.prepared.log, request: evidence.prepared.logRequest)
        return (evidence, try await ask(last, for: evidence, claim))
    }

    /// What one log dated outside the certificate's life no other log makes good: they do not get it any more.
    private func judge(_ entry: TlogEntry, in log: String, of evidence: Evidence, _ claim: Claim) async throws {
        guard try signer.isDatedOutside(evidence.prepared, by: entry) else { return }
        let time = Date(timeIntervalSince1970: Double(entry.integratedTime))
        let reason = "\(log) dated its entry \(time.formatted(.iso8601)), when the certificate did not hold"
        try await journal.abandon(evidence, reason: reason, for: claim)
        throw SigningError.ownOutputRejected(
            code: VerificationError.Check.certificateValidity.code, observed: reason)
    }

    /// Asks one log, with leave of its own: one that is away holds up none of those before it. What this attempt signed has the
    /// leave of all.
    private func ask(_ place: Place, for evidence: Evidence, _ claim: Claim) async throws -> TlogEntry {
        if evidence.isAdmitted { return try await entry(of: evidence, in: place, claim) }
        return try await services.admitted(toLog: place.log) { try await entry(of: evidence, in: place, claim) }
    }

    /// A log of the evidence, and what it gets.
    private struct Place {
        let log: String
        let request: [UInt8]
    }

    private func entry(of evidence: Evidence, in place: Place, _ claim: Claim) async throws -> TlogEntry {
        // another log would make a second entry of it
        guard let log = services.log(id: place.log) else {
            if let retired = services.retired, isRetired(place.log) {
                return try await lookup(evidence, place, in: retired, claim)
            }
            throw SigningError.otherLog(
                prepared: place.log, configured: services.logs.map(\.client.id).joined(separator: ", "))
        }
        guard log.datesEntries, let end = evidence.prepared.certificateNotAfter else {
            return try await send(place.request, to: log, claim)
        }
        let now = Date()
        if now < end.addingTimeInterval(-Self.margin) { return try await send(place.request, to: log, claim) }

        let reason = "certificate ended \(end.formatted(.iso8601)); \(place.log) was asked twice and has no entry"
        let look = try await look(for: evidence, in: place, after: end, reason: reason, claim) {
            try await log.lookup(place.request)
        }
        switch look {
        case .found(let entry): return entry
        case .missing(let until): throw SigningError.certificateExpired(at: end, until: until)
        }
    }

    private enum Look {
        case found(TlogEntry)
        /// Is looked for again after that time; in the past, where it was put aside.
        case missing(until: Date)
    }

    /// Looks for an entry that may be there, and puts the evidence aside at the second look that finds none.
    ///
    /// By the database's clock, which no step of ours moves: a second look at least the settling time after the first
    /// one that found nothing. Read before the look: a process that stands still after it must not take the time that
    /// went by for the look's.
    private func look(
        for evidence: Evidence, in place: Place, after end: Date, reason: String, _ claim: Claim,
        _ lookup: () async throws -> TlogEntry?
    ) async throws -> Look {
        let asked = try await journal.databaseNow()
        if let entry = try await lookup() { return .found(entry) }
        let missed = try await journal.noteMissing(evidence, in: place.log, for: claim)
        let until = max(missed, end).addingTimeInterval(Self.settling)
        if asked >= until { try await journal.abandon(evidence, reason: reason, for: claim) }
        return .missing(until: until)
    }

    /// The entry in a log that takes nothing any more. What it does not have is put aside, so that the next attempt signs for the
    /// log that is in use now.
    private func lookup(
        _ evidence: Evidence, _ place: Place, in retired: RetiredLogs, _ claim: Claim
    ) async throws -> TlogEntry {
        let (log, request) = (place.log, place.request)
        let reason = "\(log) was replaced by a new shard; it was asked twice and has no entry"
        let look = try await look(for: evidence, in: place, after: .distantPast, reason: reason, claim) {
            try await retired.lookup(request, in: log, from: try await journal.sizeOfLog(log, before: evidence))
        }
        switch look {
        case .found(let entry): return entry
        case .missing(let until): throw SigningError.logReplaced(log: log, until: until)
        }
    }

    /// Nobody fences what a log gets: a Rekor v2 may make another entry of what a second daemon sends at the same time.
    private func send(_ request: [UInt8], to log: any TransparencyLog, _ claim: Claim) async throws -> TlogEntry {
        try claim.lease.check()
        return try await log.submit(request)
    }

    /// Whether the instance itself replaced the log, by a new shard: it is trusted still and takes nothing any more. A log
    /// that the instance does not know is somebody's mistake in the configuration, and waits until it is mended.
    private func isRetired(_ url: String) -> Bool {
        func bare(_ url: String) -> Substring { url.hasSuffix("/") ? url.dropLast() : url[...] }
        let trust = signer.trust
        return trust.signingConfig != nil && trust.trustedRoot.tlogs.contains { bare($0.baseURL) == bare(url) }
    }
}
