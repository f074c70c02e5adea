import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Support
import Testing

@testable import Countersign

/// Withdrawn signatures, against a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct RevokeTests {
    private func revocations(_ line: SigningLine) -> Revocations { Revocations(queue: line.database.queue) }

    private func request(_ line: SigningLine, _ digest: OCI.Digest) -> Revocations.Request {
        .init(
            repository: line.repository, digest: digest, reason: "it has a hole",
            principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil))
    }

    @Test(arguments: FormatTests.combinations)
    func `what was published is taken out, nothing signs it again, and a release puts the same back`(
        _ formats: [SignatureFormat]
    ) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon(.formats(formats))
        try await line.push(digest)
        try await daemon.workOff()
        let before = try #require(try await line.signature(of: digest))
        let entries = line.rekor.requests.count { $0.method == "POST" && $0.path.hasSuffix("/entries") }

        #expect(try await revocations(line).revoke(request(line, digest), removing: true))
        try await daemon.workOff()
        #expect(try await line.state(digest) == "revoked")
        #expect(try await line.referrers(of: digest).isEmpty)
        #expect(try await line.legacyLayers(of: digest).isEmpty)
        let revoked = try await line.database.records.history(of: digest, in: line.repository)
        #expect(revoked.revocation?.removal == .removed && revoked.revocation?.releasedAt == nil)
        #expect(revoked.generations.map(\.isRemoved) == [true])
        #expect(!line.registry.requests.contains { $0.method == "DELETE" }, "no credential to delete with")
        let told = try await AuditLog(pool: line.database.pool).latest(10).filter { $0.action == "artifact.withdraw" }
        #expect(told.map(\.detail) == ["unlisted"])

        try await line.push(digest)
        #expect(try await line.database.jobCount() == 0)
        #expect(try await line.state(digest) == "revoked")

        #expect(try await revocations(line).release(request(line, digest)))
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: formats)
        #expect(try await line.signature(of: digest)?.logIndex == before.logIndex)
        #expect(line.rekor.requests.count { $0.method == "POST" && $0.path.hasSuffix("/entries") } == entries)
        #expect(try await revocations(line).release(request(line, digest)) == false)
    }

    @Test(arguments: [true, false])
    func `a release days later puts attestations back, also where their documents are not kept`(
        isDocumentKept: Bool
    ) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon(.formats([.bundle, .legacy]))
        try await line.push(digest)
        try await daemon.workOff()
        let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        let listed = try await line.listed(digest)
        #expect(listed.count == 4)
        _ = try await revocations(line).revoke(request(line, digest), removing: true)
        try await daemon.workOff()
        #expect(try await line.listed(digest).isEmpty)
        #expect(try await line.attestation(id).status.state == .cancelled)

        try await line.letDaysPass()
        #expect(try await line.attestation(id).document.id != nil)
        if !isDocumentKept {
            // as the clean-up of the version before left it
            try await line.database.pool.execute("UPDATE countersign.attestation SET document_id = NULL")
        }
        let entries = line.rekor.requests.count
        #expect(try await revocations(line).release(request(line, digest)))
        try await daemon.workOff()
        #expect(try await line.listed(digest) == listed)
        #expect(line.rekor.requests.count == entries, "the log was not asked")
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed && attestation.status.lastError == nil)
        #expect(try await line.database.jobCount() == 0)
    }

    @Test func `a document that waited for its image when that was revoked is taken up by the release`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.attemptAll()
        _ = try await revocations(line).revoke(request(line, digest), removing: false)
        try await daemon.workOff()
        let refused = try await line.attestation(id).status
        #expect(refused.state == .refused && refused.lastError?.code == "attestation.artifact_refused")

        // two hours later, of which its wait had one left
        try await line.database.pool.execute(
            "UPDATE countersign.target SET updated_at = now() - interval '2 hours' WHERE purpose <> 'signature'")
        try await line.database.pool.execute(
            "UPDATE countersign.attestation SET expires_at = now() - interval '1 hour'")
        #expect(try await revocations(line).release(request(line, digest)))
        try await daemon.attemptAll()
        #expect(try await line.attestation(id).status.state == .waiting)
        try await line.push(digest)
        try await daemon.workOff()
        #expect(try await line.attestation(id).status.state == .signed)
        #expect(try await line.referrers(of: digest).count == 2)
        #expect(try await line.database.contradictions() == 0)
    }

    @Test func `who revoked it by its digest of another algorithm revoked the same manifest`() async throws {
        let line = try await SigningLine()
        let (image, other) = (try await line.image(), try await line.image(tag: "v2"))
        let name = try #require(image.otherDigests.first)
        #expect(name.algorithm == .sha512 && image.otherDigests.count == 1)
        #expect(try await revocations(line).revoke(request(line, name), removing: false))
        try await line.push(image.descriptor.digest)
        try await line.push(other.descriptor.digest)
        try await line.daemon().workOff()
        let refused = try #require(
            try await line.database.records.status(of: image.descriptor.digest, in: line.repository))
        #expect(refused.state == .refused && refused.lastError?.code == Lineage.revokedCode)
        #expect(refused.lastError?.observed.contains("\(name)") == true)
        #expect(try await line.referrers(of: image.descriptor.digest).isEmpty)
        try await line.expectSignedOnce(other.descriptor.digest)

        #expect(try await revocations(line).release(request(line, name)))
        try await line.push(image.descriptor.digest)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(image.descriptor.digest)
    }

    @Test func `a digest is revoked before anybody pushed it`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        _ = try await revocations(line).revoke(request(line, digest), removing: false)
        try await line.push(digest)
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "revoked")
        try await line.expectNothingPublic(digest)
        _ = try await revocations(line).release(request(line, digest))
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test(arguments: [false, true])
    func `an attempt that runs when its digest is revoked publishes nothing that stays`(removing: Bool) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        let claim = try await daemon.claimOne()
        _ = try await revocations(line).revoke(request(line, digest), removing: removing)
        await daemon.attempt(claim)
        try await daemon.workOff()
        #expect(try await line.state(digest) == "revoked")
        #expect(try await line.database.jobCount() == 0)
        try await line.expectNothingPublic(digest)
    }

    @Test func `what is revoked between two commits is not written on`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let claim = try await line.daemon().claimOne()
        _ = try await revocations(line).revoke(request(line, digest), removing: false)
        await #expect(throws: QueueError.self) {
            _ = try await line.database.journal.prepare(samplePrepared(), for: claim)
        }
        #expect(try await line.evidenceRows(of: digest) == (0, 0))
    }

    @Test(arguments: [false, true])
    func `a withdrawal that was asked for goes on when the digest is revoked once more`(running: Bool) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        _ = try await revocations(line).revoke(request(line, digest), removing: true)
        let claim = running ? try await daemon.claimOne() : nil
        _ = try await revocations(line).revoke(request(line, digest), removing: false)
        if let claim { await daemon.attempt(claim) }
        try await daemon.workOff()
        #expect(try await line.referrers(of: digest).isEmpty)
        let history = try await line.database.records.history(of: digest, in: line.repository)
        #expect(history.revocation?.removal == .removed)
    }

    @Test func `a withdrawal that is cancelled is not said to be on its way`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        _ = try await revocations(line).revoke(request(line, digest), removing: true)
        let job = try #require(
            try await line.database.text("SELECT id::text FROM countersign.job").flatMap { Int64($0) })
        #expect(try await line.database.queue.cancel(job: job) == .cancelled)
        try await daemon.workOff()
        #expect(try await line.referrers(of: digest).count == 1)
        let history = try await line.database.records.history(of: digest, in: line.repository)
        #expect(history.revocation?.removal == Revocations.Removal.none)
        #expect(try await line.state(digest) == "revoked")
    }

    /// distribution refuses an index that lists a manifest it does not have.
    @Test func `a deleted referrer that is still listed does not hold up a withdrawal`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        let theirs = BundleReferrer.render(
            bundle: Array("{}".utf8), subject: image.descriptor, predicateType: "https://spdx.dev/Document",
            created: Date(timeIntervalSince1970: 0))
        _ = try await line.pusher.attach(theirs, bundle: Array("{}".utf8), to: line.repository.name)
        try await line.delete(theirs.descriptor.digest)

        _ = try await revocations(line).revoke(request(line, digest), removing: true)
        try await daemon.workOff()
        #expect(try await line.referrers(of: digest).isEmpty)
        let history = try await line.database.records.history(of: digest, in: line.repository)
        #expect(history.revocation?.removal == .removed)
    }

    @Test func `layers of others stay when ours go`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(.formats([.legacy]))
        try await daemon.workOff()
        let theirs = LegacyLayer(
            mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", payload: Array("{}".utf8),
            annotations: ["dev.cosignproject.cosign/signature": "AAAA"])
        try await line.pusher.attach(theirs, .signature, to: digest, in: line.repository.name)
        _ = try await revocations(line).revoke(request(line, digest), removing: true)
        try await daemon.workOff()
        #expect(try await line.legacyLayers(of: digest).map(\.digest) == [theirs.descriptor.digest])
    }

    @Test(arguments: [false, true])
    func `a withdrawal that was given up is not taken up again after the release`(isLeftBehind: Bool) async throws {
        let line = try await SigningLine()
        let (digest, queue) = (sampleDigest("image"), line.database.queue)
        func letters() async throws -> String? {
            try await line.database.text("SELECT string_agg(kind, ' ') FROM countersign.dead_letter")
        }
        try await line.push(digest)
        _ = try await queue.settle(try await line.database.claimOne(), as: .signed(sampleRecord()))
        _ = try await revocations(line).revoke(request(line, digest), removing: true)
        _ = try await queue.settle(try await line.database.claimOne(), as: .failed(sampleFailure))
        #expect(try await letters() == "withdraw")
        _ = try await revocations(line).release(request(line, digest))
        #expect(try await letters() == nil)
        if isLeftBehind {
            // by a daemon of the version before
            try await line.database.pool.execute(
                """
                INSERT INTO countersign.dead_letter (job_id, kind, target_id, repository_id, received_at, attempts, crashes, error)
                SELECT 1, 'withdraw', id, repository_id, now(), 1, 0, \(try sampleFailure.json())::jsonb
                FROM countersign.target
                """)
        }
        _ = try await queue.settle(try await line.database.claimOne(), as: .failed(sampleFailure))
        #expect(try await letters() == "sign")
        let buried = try #require(try await line.database.text("SELECT job_id::text FROM countersign.dead_letter"))
        #expect(try await queue.redrive(jobs: [try #require(Int64(buried))]).count == 1)
        #expect(try await line.database.text("SELECT kind FROM countersign.job") == "sign")
    }
}
