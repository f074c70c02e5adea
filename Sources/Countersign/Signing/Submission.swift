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
                entry = try await ask(request(further.request, to: further.log, of: evidence, claim))
                try await FailPoint.recordEntry.around(QueueError.injected) { [evidence] in
                    try await journal.log(
                        Evidence.Logged(entry, bundle: nil), inFurther: further.log, of: evidence, for: claim)
                }
                evidence = evidence.logged(entry, inFurther: further.log)
            }
            try await judge(entry, in: further.log, of: evidence, claim)
        }
        let last = request(evidence.prepared.logRequest, to: evidence.prepared.log, of: evidence, claim)
        return (evidence, try await ask(last))
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

    private func request(_ bytes: [UInt8], to log: String, of evidence: Evidence, _ claim: Claim) -> Request {
        Request(log: log, bytes: bytes, evidence: evidence, claim: claim, journal: journal)
    }

    /// Asks one log, with leave of its own: one that is away holds up none of those before it. What this attempt signed has the
    /// leave of all.
    private func ask(_ request: Request) async throws -> TlogEntry {
        if request.evidence.isAdmitted { return try await entry(of: request) }
        return try await services.admitted(toLog: request.log) { try await entry(of: request) }
    }

    private func entry(of request: Request) async throws -> TlogEntry {
        if let log = services.log(id: request.log) { return try await request.entry(in: log) }
        if let retired = services.retired, isRetired(request.log) { return try await lookup(request, in: retired) }
        // another log would make a second entry of it
        throw SigningError.otherLog(
            prepared: request.log, configured: services.logs.map(\.client.id).joined(separator: ", "))
    }

    /// The entry in a log that takes nothing any more. What it does not have is put aside, so that the next attempt signs for the
    /// log that is in use now.
    private func lookup(_ request: Request, in retired: RetiredLogs) async throws -> TlogEntry {
        let log = request.log
        let reason = "\(log) was replaced by a new shard; it was asked twice and has no entry"
        let look = try await request.look(after: .distantPast, reason: reason) {
            try await retired.lookup(
                request.bytes, in: log, from: try await journal.sizeOfLog(log, before: request.evidence))
        }
        switch look {
        case .found(let entry): return entry
        case .missing(let until): throw SigningError.logReplaced(log: log, until: until)
        }
    }

    /// Whether the instance itself replaced the log, by a new shard: it is trusted still and takes nothing any more. A log
    /// that the instance does not know is somebody's mistake in the configuration, and waits until it is mended.
    private func isRetired(_ url: String) -> Bool {
        func bare(_ url: String) -> Substring { url.hasSuffix("/") ? url.dropLast() : url[...] }
        let trust = signer.trust
        return trust.signingConfig != nil && trust.trustedRoot.tlogs.contains { bare($0.baseURL) == bare(url) }
    }
}

extension Submission {
    /// What one of the evidence's logs gets, fenced by the claim.
    private struct Request: CommittedRequest {
        let log: String
        let bytes: [UInt8]
        let evidence: Evidence
        let claim: Claim
        let journal: Journal

        var certificateNotAfter: Date? { evidence.prepared.certificateNotAfter }

        func checkMayBeSent() throws { try claim.lease.check() }

        func databaseNow() async throws(QueueError) -> Date { try await journal.databaseNow() }

        func noteMissing() async throws(QueueError) -> Date {
            try await journal.noteMissing(evidence, in: log, for: claim)
        }

        func abandon(reason: String) async throws(QueueError) {
            try await journal.abandon(evidence, reason: reason, for: claim)
        }
    }
}
