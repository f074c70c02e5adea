import FailPoints
import FoundationEssentials
package import Logging
import OCI
import ServiceLifecycle
import Sigstore

/// Signs the head of the audit chain once a day, with the daemon's first identity, and enters it in the first log: whoever
/// rewrites the chain later contradicts a public log. Every daemon runs one; the first that comes does the day's work, and
/// while it has the turn no other sends anything.
///
/// In the line's own order: nothing is signed while the log or the authority is not to be had, what becomes public is
/// committed before, and sent again byte for byte after a crash.
package struct AuditAnchoring: Service {
    private let anchors: AuditAnchors
    private let signers: Signers
    private let turns: Turns
    private let interval: Duration
    private let logger: Logger

    /// How often it is looked whether the day is over, and after a failure.
    private static let pause: Duration = .seconds(300)
    /// The turn's name.
    private static let turn = "audit_anchor"

    package init(
        anchors: AuditAnchors, signers: Signers, turns: Turns, interval: Duration = .seconds(86_400), logger: Logger
    ) {
        self.anchors = anchors
        self.signers = signers
        self.turns = turns
        self.interval = interval
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await anchorIfDue()
                } catch {
                    let failure = AttemptFailure(error).failure
                    logger.error(
                        "the audit log's head was not anchored",
                        metadata: [
                            "error.code": "\(failure.code)", "error": "\(failure.observed)", "fix": "\(failure.fix)",
                        ])
                }
                // jittered, so that replicas started together do not come together
                do { try await Task.sleep(for: Self.pause * Double.random(in: 0.8..<1.2)) } catch { return }
            }
        }
    }

    /// One look: finishes what was begun, else signs the head if the day is over and something was written since. Nothing
    /// while another daemon is at it.
    /// - Throws: ``StageFailure`` with a ``Withheld`` while a service is not to be asked; what failed.
    package func anchorIfDue() async throws {
        guard try await turns.take(Self.turn) else { return }
        do { try await anchor() } catch {
            // who died, or cannot reach the database, leaves the turn to the next in time
            try? await turns.release(Self.turn)
            throw error
        }
        try await turns.release(Self.turn)
    }

    private func anchor() async throws {
        let signer = try signers.firstSigner()
        let latest = try await anchors.latest()
        if let latest, latest.bundle == nil {
            return try await signer.services.admitted(toLog: latest.prepared.log) { try await enter(latest, signer) }
        }
        if let age = try await anchors.age(), age < interval { return }
        guard let head = try await anchors.head(), head.position > latest?.position ?? 0 else { return }
        guard let log = signer.services.logs.first?.client else { throw SigningError.noLog(.bundle) }
        try await signer.services.admitted(signingForLog: log.id) {
            let head = AuditHead(position: head.position, hash: head.hash)
            let anchor = try await prepare(head, after: latest?.id, signer, log)
            if anchor.bundle == nil { try await enter(anchor, signer) }
        }
    }

    private func prepare(
        _ head: AuditHead, after known: Int64?, _ signer: Signer, _ log: any TransparencyLog
    ) async throws -> AuditAnchors.Anchor {
        let document = SignedDocument(format: .bundle, kind: .attestation, payload: head.statement.encoded())
        try signer.check(log, byDigest: !document.isEnveloped)
        let credential = try await signer.identity.credential()
        let signature = try signer.sign(document, with: credential)
        let stamps = try await signer.timestamps(of: signature, in: document.format, under: credential)
        let presented = document.presented(signature, by: credential.signer, timestamps: stamps)
        guard case .bundle(let bundle) = presented else { throw SigningError.noLog(.bundle) }
        try signer.trust.verifier.verifyBeforeLogging(
            bundle, artifact: head.artifact, by: try signer.identity.expected, expecting: AuditHead.predicateType,
            datedByLog: log.datesEntries)
        let prepared = try signer.prepared(
            document, signature, timestamps: stamps, by: credential, for: ChosenLogs(first: log))
        return try await FailPoint.anchorPrepare.around(QueueError.injected) {
            try await anchors.prepare(prepared, position: head.position, head: head.hash, since: known)
        }
    }

    /// Sends the committed bytes, verifies what comes back, and commits it.
    private func enter(_ anchor: AuditAnchors.Anchor, _ signer: Signer) async throws {
        guard let log = signer.services.log(id: anchor.prepared.log) else {
            return try await anchors.abandon(anchor, reason: "\(anchor.prepared.log) is not in use any more")
        }
        // a row may be anybody's: only a statement of this head goes to the log
        let head = AuditHead(position: anchor.position, hash: anchor.head)
        guard anchor.prepared.payload == head.statement.encoded() else {
            throw SigningError.evidenceUnusable("the anchor of position \(anchor.position) says something else")
        }
        try signer.verifyStored(anchor.prepared, .attestation) { presented in
            guard case .bundle(let bundle) = presented else { throw SigningError.noLog(.bundle) }
            try signer.trust.verifier.verifyBeforeLogging(
                bundle, artifact: head.artifact, by: try signer.identity.expected, expecting: AuditHead.predicateType,
                datedByLog: true)
        }
        let entry = try await FailPoint.anchorLog.around(SigningStage.log.injected) {
            try await AnchorRequest(anchor: anchor, anchors: anchors).entry(in: log)
        }
        guard case .bundle(let bundle) = try signer.presented(anchor.prepared, entry, .attestation) else { return }
        let json = try bundle.json()
        do { try head.verify(json, by: try signer.identity.expected, signer.trust.verifier) } catch {
            if try signer.isNeverVerified(anchor.prepared, entry) {
                try await anchors.abandon(anchor, reason: "\(error)", entry: Evidence.Logged(entry, bundle: nil))
            }
            throw error
        }
        try await FailPoint.anchorRecordEntry.around(QueueError.injected) {
            try await anchors.log(Evidence.Logged(entry, bundle: json), of: anchor)
        }
        logger.notice(
            "the audit log's head is anchored",
            metadata: ["audit.position": "\(anchor.position)", "tlog.index": "\(entry.logIndex)"])
    }
}

/// What the log gets of an anchor: settled as that of a target is.
private struct AnchorRequest: CommittedRequest {
    let anchor: AuditAnchors.Anchor
    let anchors: AuditAnchors

    var log: String { anchor.prepared.log }
    var bytes: [UInt8] { anchor.prepared.logRequest }
    var certificateNotAfter: Date? { anchor.prepared.certificateNotAfter }

    /// The turn was taken, and nobody else sends anything while it is ours.
    func checkMayBeSent() {}

    func databaseNow() async throws(QueueError) -> Date { try await anchors.databaseNow() }

    func noteMissing() async throws(QueueError) -> Date { try await anchors.noteMissing(anchor) }

    func abandon(reason: String) async throws(QueueError) { try await anchors.abandon(anchor, reason: reason) }
}
