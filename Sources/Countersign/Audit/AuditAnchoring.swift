import FoundationEssentials
package import Logging
import OCI
import ServiceLifecycle
import Sigstore

/// Signs the head of the audit chain once a day, with the daemon's first identity, and enters it in the first log: whoever
/// rewrites the chain later contradicts a public log. Every daemon runs one; the first that comes does the day's work.
///
/// In the line's own order: what becomes public is committed before, and sent again byte for byte after a crash.
package struct AuditAnchoring: Service {
    private let anchors: AuditAnchors
    private let signers: Signers
    private let interval: Duration
    private let logger: Logger

    /// How often it is looked whether the day is over, and after a failure.
    private static let pause: Duration = .seconds(300)
    /// As for targets: nothing is sent in the last seconds of a certificate.
    private static let margin: TimeInterval = 10

    package init(anchors: AuditAnchors, signers: Signers, interval: Duration = .seconds(86_400), logger: Logger) {
        self.anchors = anchors
        self.signers = signers
        self.interval = interval
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await anchorIfDue()
                } catch {
                    logger.error("the audit log's head was not anchored", metadata: ["error": "\(error)"])
                }
                // jittered, so that replicas started together do not come together
                do { try await Task.sleep(for: Self.pause * Double.random(in: 0.8..<1.2)) } catch { return }
            }
        }
    }

    /// One look: finishes what was begun, else signs the head if the day is over and something was written since.
    package func anchorIfDue() async throws {
        let latest = try await anchors.latest()
        if let latest, latest.bundle == nil { return try await enter(latest) }
        if let age = try await anchors.age(), age < interval { return }
        guard let head = try await anchors.head(), head.position > latest?.position ?? 0 else { return }
        let anchor = try await prepare(AuditHead(position: head.position, hash: head.hash), after: latest?.id)
        if anchor.bundle == nil { try await enter(anchor) }
    }

    private func prepare(_ head: AuditHead, after known: Int64?) async throws -> AuditAnchors.Anchor {
        let signer = try signers.firstSigner()
        guard let log = signer.services.logs.first?.client else { throw SigningError.noLog(.bundle) }
        let document = SignedDocument(format: .bundle, kind: .attestation, payload: head.statement.encoded())
        let credential = try await signer.identity.credential()
        let signature = try signer.sign(document, with: credential)
        let stamp = try await signer.timestamp(signature, under: credential)
        let presented = document.presented(signature, by: credential.signer, entry: nil, timestamp: stamp)
        guard case .bundle(let bundle) = presented else { throw SigningError.noLog(.bundle) }
        try signer.trust.verifier.verifyBeforeLogging(
            bundle, artifact: head.artifact, by: try signer.identity.expected, expecting: AuditHead.predicateType)
        return try await anchors.prepare(
            try signer.prepared(document, signature, timestamp: stamp, by: credential, for: log),
            position: head.position, head: head.hash, since: known)
    }

    /// Sends the committed bytes, verifies what comes back, and commits it.
    private func enter(_ anchor: AuditAnchors.Anchor) async throws {
        let signer = try signers.firstSigner()
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
                bundle, artifact: head.artifact, by: try signer.identity.expected, expecting: AuditHead.predicateType)
        }
        let entry: TlogEntry
        let end = anchor.prepared.certificateNotAfter ?? .distantFuture
        if !log.datesEntries || Date() < end.addingTimeInterval(-Self.margin) {
            entry = try await log.submit(anchor.prepared.logRequest)
        } else if let found = try await log.lookup(anchor.prepared.logRequest) {
            entry = found
        } else {
            return try await anchors.abandon(anchor, reason: "its certificate ended, and the log has no entry")
        }
        guard case .bundle(let bundle) = try signer.presented(anchor.prepared, entry, .attestation) else { return }
        let json = try bundle.json()
        try head.verify(json, by: try signer.identity.expected, signer.trust.verifier)
        try await anchors.log(Evidence.Logged(entry, bundle: json), of: anchor)
        logger.notice(
            "the audit log's head is anchored",
            metadata: ["audit.position": "\(anchor.position)", "tlog.index": "\(entry.logIndex)"])
    }
}
