import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// Somebody who can write the daemon's tables puts rows of his own under the evidence of an image. Nothing is entered in a
/// log and nothing is published that the line would not have made; the job waits with the reason.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct ForgedEvidenceTests {
    enum Forgery: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case otherSubject, otherRepository, otherIdentity, otherKey, flippedSignature, otherRequest
        case otherManifest, otherEntry

        var testDescription: String { rawValue }
    }

    /// The forged row, and what the daemon says of it.
    private func forged(
        _ forgery: Forgery, of image: Manifest, _ other: Descriptor, _ line: SigningLine, after commit: Commit
    ) async throws -> (row: StoredRow, code: String) {
        let digest = image.descriptor.digest
        var row = try await line.storedRow(of: digest)
        var code = "signing.evidence_unusable"
        switch forgery {
        case .otherSubject:
            row = try await line.rowElsewhere(about: other.digest, after: commit)
            code = "verify.subject"
        case .otherRepository:
            let elsewhere = try await SigningLine()
            try await line.copy(image, to: elsewhere)
            row = try await elsewhere.rowElsewhere(about: digest, after: commit)
            code = "verify.repository"
        case .otherIdentity:
            var setup = SigningLine.Setup()
            setup.subject = "https://kubernetes.io/namespaces/ci/serviceaccounts/mallory"
            try await line.useToken(subject: "system:serviceaccount:ci:mallory")
            row = try await line.rowElsewhere(about: digest, after: commit, setup)
            try await line.useToken()
            code = "verify.identity"
        case .otherKey:
            var setup = SigningLine.Setup()
            setup.key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
            row = try await line.rowElsewhere(about: digest, after: commit, setup)
            code = commit == .prepared ? code : "verify.material"
        case .flippedSignature:
            row = row.flipped()
            code = "verify.signature"
        case .otherRequest:
            row.request = try await line.rowElsewhere(about: other.digest, after: commit).request
        case .otherEntry:
            let theirs = try await line.rowElsewhere(about: other.digest, after: commit)
            (row.entry, row.logIndex, row.logUUID) = (theirs.entry, theirs.logIndex, theirs.logUUID)
        case .otherManifest: break
        }
        if let bundle = row.bundle, forgery != .otherEntry {
            row.manifest =
                BundleReferrer.render(
                    bundle: bundle, subject: forgery == .otherManifest ? other : image.descriptor,
                    predicateType: Statement.cosignSignPredicateType,
                    created: Date(timeIntervalSince1970: 0)
                ).manifest
        }
        return (row, code)
    }

    private func expectRefused(_ forgery: Forgery, after commit: Commit) async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        try await line.stop(digest, after: commit)
        let other = try await line.image(tag: "other").descriptor
        let (row, code) = try await forged(forgery, of: image, other, line, after: commit)
        try await line.forge(row, about: digest)
        let before = (try await line.outside(digest), try await line.outside(other.digest))

        let daemon = try await line.daemon()
        for _ in 0..<2 {
            try await line.database.makeDue()
            try await daemon.attemptAll()
        }
        #expect(try await line.outside(digest) == before.0)
        #expect(try await line.outside(other.digest) == before.1)
        #expect(before.0.referrers.isEmpty && before.1.referrers.isEmpty)
        #expect(try await line.state(digest) == "waiting")
        let failure = try await line.failure(digest)
        #expect(failure?.code == code, "\(String(describing: failure))")
    }

    @Test(arguments: Forgery.allCases.filter { ![.otherManifest, .otherEntry].contains($0) })
    func `what was put in place of prepared evidence is not sent to the log`(_ forgery: Forgery) async throws {
        try await expectRefused(forgery, after: .prepared)
    }

    @Test(arguments: Forgery.allCases.filter { $0 != .otherRequest })
    func `what was put in place of logged evidence is not published`(_ forgery: Forgery) async throws {
        try await expectRefused(forgery, after: .logged)
    }

    @Test func `a legacy signature that was changed is not sent to the log`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.stop(digest, after: .prepared, .formats([.legacy]))
        try await line.forge(try await line.storedRow(of: digest).flipped(), about: digest)
        let before = try await line.outside(digest)
        try await line.daemon(.formats([.legacy])).attemptAll()
        #expect(try await line.outside(digest) == before)
        #expect(try await line.failure(digest)?.code == "verify.signature")
    }

    @Test func `whoever was written into a group is not published with it, and holds up nobody`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        line.rekor.next(.lost) { $0.method == "POST" }
        try await line.daemon().attemptGroups()
        let foreign = try await line.image(tag: "foreign").descriptor.digest
        try await line.queueGroup([foreign])
        let (_, attacker) = try await line.database.role(.work)
        try await attacker.execute(
            """
            INSERT INTO countersign.evidence_target (evidence_id, target_id, format)
            SELECT (SELECT min(id) FROM countersign.evidence), id, 'bundle' FROM countersign.target
            WHERE digest = \(foreign.description)::text
            """)
        try await attacker.execute(
            "UPDATE countersign.job SET group_id = (SELECT min(group_id) FROM countersign.job) WHERE group_id IS NULL")
        await attacker.close()

        try await line.daemon().workOffGroups(atMost: 4)
        for digest in digests { #expect(try await line.state(digest) == "signed") }
        #expect(try await line.entries(about: digests).count == 1)
        try await line.expectNothingPublic(foreign)
        #expect(try await line.state(foreign) == "waiting")
        #expect(try await line.failure(foreign)?.code == "signing.evidence_unusable")
    }

    @Test func `an anchor of the audit log that says something else is not sent to the log`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        let anchoring = AuditAnchoring(
            anchors: AuditAnchors(pool: line.database.pool), signers: daemon.signers,
            turns: Turns(pool: line.database.pool, holder: UUID()), interval: .zero,
            logger: SigningDaemon.silence)
        try await AuditLog(pool: line.database.pool).append(
            AuditLog.Entry(action: "token.create", atCommandLineBy: "somebody"))
        line.rekor.next(.lost) { $0.method == "POST" }
        await #expect(throws: SigstoreError.self) { try await anchoring.anchorIfDue() }

        let row = try await line.rowElsewhere(about: digest, after: .prepared)
        let (_, attacker) = try await line.database.role(.work)
        try await attacker.execute(
            """
            UPDATE countersign.evidence SET payload = \(row.payload), signature = \(row.signature),
                certificate_chain = \(row.chain)::bytea[], timestamp_token = \(row.stamp), log_request = \(row.request)
            """)
        await attacker.close()
        let before = try await line.outside(digest)
        await #expect(throws: SigningError.self) { try await anchoring.anchorIfDue() }
        #expect(try await line.outside(digest) == before)
    }
}
