import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// What was published stands, and is looked after, when a campaign to sign it anew came to nothing.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct EndedGenerationTests {
    /// A signed image with an SBOM, and what is listed of both.
    private struct Published {
        let line: SigningLine
        let daemon: SigningDaemon
        let digest: OCI.Digest
        let listed: Set<OCI.Digest>

        init() async throws {
            line = try await SigningLine()
            digest = try await line.image().descriptor.digest
            daemon = try await line.daemon()
            try await line.push(digest)
            try await daemon.workOff()
            try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
            try await daemon.workOff()
            listed = try await line.listed(digest)
        }

        func resign(removing: Bool = false) async throws -> JobQueue.OpenedGeneration? {
            let (repository, digest) = (line.repository, digest)
            return try await line.database.pool.together { session in
                try JobQueue.openGenerations(
                    [
                        .init(
                            repository: repository, digest: digest, rule: "all", policyVersion: "v1", formats: [.bundle]
                        )
                    ],
                    .init(reason: "a new identity", removesOlder: removing, by: "operator", batch: 1), in: session)
            }.first
        }

        /// Has everything looked at, after all of it was deleted.
        func recheckWhatIsDeleted() async throws {
            for referrer in try await line.referrers(of: digest) { try await line.delete(referrer.manifest.digest) }
            #expect(try await served().isEmpty)
            try await line.recheckAll(with: daemon)
        }

        /// Bundles that are listed and there.
        func served() async throws -> [ListedBundle] {
            try await line.pusher.bundles(line.repository.name, of: digest).bundles
        }
    }

    @Test func `a campaign's job that is cancelled leaves the signature as if nobody had asked`() async throws {
        let published = try await Published()
        let (line, digest) = (published.line, published.digest)
        #expect(published.listed.count == 2)
        guard case .opened = try await published.resign() else { throw SupportError("not opened") }
        let job = try #require(try await line.database.records.jobs().items.first)
        #expect(try await line.database.queue.cancel(job: job.id) == .cancelled)
        let status = try #require(try await line.database.records.status(of: digest, in: line.repository))
        #expect(status.state == .signed && status.generation == 0)

        try await published.recheckWhatIsDeleted()
        #expect(try await line.listed(digest) == published.listed)
        #expect(try await line.database.jobCount() == 0)
        // and somebody may ask again
        guard case .opened = try await published.resign() else { throw SupportError("not opened again") }
        try await published.daemon.workOff()
        #expect(try await line.database.records.status(of: digest, in: line.repository)?.generation == 1)
    }

    @Test(arguments: [true, false])
    func `one that is cancelled while a worker has it is forgotten as well, and one that is signed is not`(fails: Bool)
        async throws
    {
        let published = try await Published()
        let (line, digest) = (published.line, published.digest)
        guard case .opened = try await published.resign() else { throw SupportError("not opened") }
        let claim = try #require(try await line.database.queue.claim(limit: 1, cursor: ClaimCursor()).first)
        #expect(try await line.database.queue.cancel(job: claim.jobID) == .cancelling)
        if fails {
            let failure = Failure(code: "rekor.unavailable", stage: "log", observed: "503", fix: "see that it is up")
            _ = try await line.database.queue.settle(claim, as: .retry(failure, after: .seconds(1), counts: true))
        } else {
            await published.daemon.attempt(claim)
        }
        let status = try #require(try await line.database.records.status(of: digest, in: line.repository))
        #expect(status.state == .signed && status.generation == (fails ? 0 : 1))
        #expect(try await line.database.jobCount() == 0)
    }

    @Test func `one whose worker died before it heard of the cancelling is forgotten as well`() async throws {
        let published = try await Published()
        let line = published.line
        guard case .opened = try await published.resign() else { throw SupportError("not opened") }
        let claim = try #require(try await line.database.queue.claim(limit: 1, cursor: ClaimCursor()).first)
        #expect(try await line.database.queue.cancel(job: claim.jobID) == .cancelling)
        try await line.database.pool.execute(
            "UPDATE countersign.job SET lease_expires_at = now() - interval '1 second'")
        #expect(try await line.database.queue.rescue().map(\.jobID) == [claim.jobID])
        let status = try #require(try await line.database.records.status(of: published.digest, in: line.repository))
        #expect(status.state == .signed && status.generation == 0)
        #expect(try await line.database.jobCount() == 0)
    }

    @Test(arguments: ["failed", "refused", "cancelled"], [false, true])
    func `a generation that ended without a signature leaves the one before it under watch`(
        _ state: String, removing: Bool
    ) async throws {
        let published = try await Published()
        let line = published.line
        guard case .opened(let newer) = try await published.resign(removing: removing) else {
            throw SupportError("not opened")
        }
        try await line.database.pool.execute("DELETE FROM countersign.job")
        try await line.database.pool.execute(
            """
            UPDATE countersign.target SET state = \(state)::text,
                last_error = '{"code": "a", "stage": "b", "observed": "c", "fix": "d"}' WHERE id = \(newer)
            """)
        try await published.recheckWhatIsDeleted()
        #expect(try await line.listed(published.digest) == published.listed)
        #expect(try await line.database.jobCount() == 0)
    }

    @Test func `the members of a batch hear that their generation was cancelled`() async throws {
        let published = try await Published()
        let (line, digest) = (published.line, published.digest)
        guard case .opened(let newer) = try await published.resign() else { throw SupportError("not opened") }
        let subject = BatchSubject(repository: line.repository, tag: nil, digest: digest)
        let records = BatchRecords(pool: line.database.pool)
        let stored = try await records.store(
            [subject], BatchRequest(subjects: .list([subject]), action: .sign), selector: nil,
            from: .init(
                principal: .init(tokenID: nil, name: "operator", role: .operator, scope: nil), key: "one",
                fingerprint: Array(repeating: 1, count: 32)))
        guard case .stored(let batch) = stored else { throw SupportError("not stored") }
        try await line.database.pool.execute(
            "UPDATE countersign.batch_member SET target_id = \(newer), is_new = true WHERE batch_id = \(batch.id)")
        let job = try #require(try await line.database.records.jobs().items.first)
        #expect(try await line.database.queue.cancel(job: job.id) == .cancelled)
        #expect(
            try await line.database.text("SELECT result FROM countersign.batch_member WHERE batch_id = \(batch.id)")
                == "cancelled")
    }

    @Test func `an attestation is looked at also when its image is signed no more`() async throws {
        let published = try await Published()
        let line = published.line
        try await line.database.pool.execute(
            """
            UPDATE countersign.target SET state = 'failed',
                last_error = '{"code": "a", "stage": "b", "observed": "c", "fix": "d"}' WHERE purpose = 'signature'
            """)
        try await published.recheckWhatIsDeleted()
        #expect(try await published.served().count == 1)
        #expect(try await line.database.jobCount() == 0)
    }
}
