import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Somebody who can write the daemon's tables asks for signatures that nobody may ask for. Policy and registry decide when
/// the job runs, whatever its rows say.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct ForgedJobTests {
    /// A policy that allows one repository.
    private func only(_ line: SigningLine) -> SigningLine.Setup {
        var setup = SigningLine.Setup()
        setup.rules = [SigningLine.Setup.rule(glob: line.repository.description)]
        return setup
    }

    private func state(_ line: SigningLine, _ digest: OCI.Digest, generation: Int32 = 0) async throws -> String? {
        try await line.database.text(
            """
            SELECT state || coalesce(' ' || (last_error->>'code'), '') FROM countersign.target
            WHERE digest = \(digest.description)::text AND generation = \(generation)
            """)
    }

    @Test func `a repository that policy does not allow is refused, whoever's it is said to be`() async throws {
        let line = try await SigningLine()
        let allowed = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.forgeJob(of: digest, in: line.repository)
        let (_, attacker) = try await line.database.role(.work)
        try await attacker.execute("INSERT INTO countersign.tenant (id, name) VALUES (7, 'mallory')")
        try await attacker.execute("UPDATE countersign.job SET tenant = 7")
        await attacker.close()
        let daemon = try await line.daemon(only(allowed))
        try await daemon.queue.tenants.number(in: line.database.pool)
        try await daemon.workOff()
        #expect(try await state(line, digest) == "refused policy.refused")
        try await line.expectNothingPublic(digest)
    }

    @Test func `a registry that is not in the configuration is refused`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.forgeJob(
            of: digest, in: try Repository(registry: "elsewhere.example", name: line.repository.name))
        try await line.daemon().workOff()
        #expect(try await state(line, digest) == "refused registry.unknown")
        try await line.expectNothingPublic(digest)
    }

    @Test func `a digest that the registry does not have is not signed`() async throws {
        let line = try await SigningLine()
        let digest = sampleDigest(UUID())
        try await line.forgeJob(of: digest, in: line.repository)
        try await line.daemon().workOff(atMost: 20)
        #expect(try await state(line, digest) == "gone registry.not_found")
        try await line.expectNothingPublic(digest)
    }

    @Test func `a target is judged as one of its own repository, not of its job's`() async throws {
        let line = try await SigningLine()
        let allowed = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        try await line.copy(image, to: allowed)
        try await line.forgeJob(of: digest, in: line.repository, jobRepository: allowed.repository)
        try await line.daemon(only(allowed)).workOff()
        #expect(try await state(line, digest) == "refused policy.refused")
        try await line.expectNothingPublic(digest)
        try await allowed.expectNothingPublic(digest)
    }

    @Test func `a generation that nobody asked for is not signed`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        let before = try await line.outside(digest)
        #expect(before.entries.count == 1 && before.referrers.count == 1)
        try await line.forgeJob(of: digest, in: line.repository, generation: 3)
        try await daemon.workOff()
        #expect(try await state(line, digest, generation: 3) == "refused artifact.generation_unexplained")
        #expect(try await state(line, digest) == "signed")
        #expect(try await line.outside(digest) == before)
    }

    @Test func `a target that says it is signed is not signed where policy does not allow it`() async throws {
        let line = try await SigningLine()
        let allowed = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.forgeJob(
            of: digest, in: line.repository, as: .work,
            after: """
                UPDATE countersign.target SET state = 'signed', identity = 'x', issuer = 'y',
                    log_id = \(sampleDigest("log").hex)::text, log_index = 1,
                    referrer_digest = \(digest.description)::text, signed_at = now(), verified_at = now()
                """)
        try await line.daemon(only(allowed)).workOff()
        #expect(try await state(line, digest) == "signed policy.refused")
        try await line.expectNothingPublic(digest)
    }

    @Test func `a tag of a repository that policy does not allow is not resolved`() async throws {
        let line = try await SigningLine()
        let allowed = try await SigningLine()
        let digest = try await line.image(tag: "v1").descriptor.digest
        let (_, attacker) = try await line.database.role(.intake)
        try await attacker.execute(
            """
            WITH made AS (INSERT INTO countersign.repository (registry, name)
                VALUES (\(line.repository.registry)::text, \(line.repository.name)::text) RETURNING id)
            INSERT INTO countersign.job (kind, repository_id, tag) SELECT 'resolve', id, 'v1' FROM made
            """)
        await attacker.close()
        try await line.daemon(only(allowed)).workOff()
        #expect(try await line.database.text("SELECT error->>'code' FROM countersign.dead_letter") == "policy.refused")
        #expect(try await line.database.number("SELECT count(*) FROM countersign.target") == 0)
        try await line.expectNothingPublic(digest)
    }

    @Test func `a job that cannot be read is given up by name, and the others are claimed`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let attested = try await line.image(tag: "attested").descriptor.digest
        // an attestation's target as an image, an image's as an attestation, and no repository at all
        try await line.forgeJob(of: attested, in: line.repository, purpose: "https://example.com/predicate x")
        try await line.forgeJob(of: attested, in: line.repository, as: .work, job: "attest")
        try await line.forgeJob(
            of: attested, in: try Repository(registry: SigningLine.registryName, name: "team/other"))
        try await line.database.liftRepositoryRule()
        try await line.database.pool.execute(
            "UPDATE countersign.repository SET name = 'no///repository' WHERE name = 'team/other'")
        try await line.push(digest)
        try await line.daemon().workOff()
        #expect(
            try await line.database.number(
                "SELECT count(*) FROM countersign.dead_letter WHERE error->>'code' = 'queue.unreadable'") == 3)
        #expect(try await line.database.jobCount() == 0)
        #expect(try await state(line, digest) == "signed")
        try await line.expectNothingPublic(attested)
    }

    /// With such a row each `now() - received_at` would fail, and every claim of every daemon with it.
    @Test func `a time without end and a counter at its type's end are refused by the database`() async throws {
        let line = try await SigningLine()
        try await line.push(sampleDigest("first"))
        let (_, intake) = try await line.database.role(.intake)
        let (_, work) = try await line.database.role(.work)
        for (attacker, statement) in [
            (
                intake,
                "INSERT INTO countersign.job (kind, repository_id, tag, received_at) VALUES ('resolve', 1, 'v', 'infinity')"
            ),
            (
                intake,
                "INSERT INTO countersign.job (kind, repository_id, tag, run_at) VALUES ('resolve', 1, 'v', '-infinity')"
            ),
            (intake, "UPDATE countersign.job SET run_at = 'infinity'"),
            (
                intake,
                """
                INSERT INTO countersign.event (received_at, source, delivery_key, registry, repository, verdict, reason, body)
                VALUES ('infinity', 'demo', '\\x01', 'r', 'a', 'filtered', 'pull', '\\x')
                """
            ), (work, "UPDATE countersign.job SET attempt = 2147483647"),
            (work, "UPDATE countersign.job SET failures = 2147483647"),
            (work, "UPDATE countersign.job SET crash_count = 2147483647"),
        ] {
            await #expect {
                try await attacker.execute(Query(unsafeSQL: statement))
            } throws: {
                ($0 as? PostgresError)?.sqlState == "23514"
            }
        }
        // as high as they go, they stand still
        try await work.execute("UPDATE countersign.job SET attempt = 1000000000, failures = 1000000000")
        await intake.close()
        await work.close()
        let claim = try await line.database.claimOne()
        #expect(claim.attempt == 1_000_000_000)
        _ = try await line.database.queue.settle(claim, as: .retry(sampleFailure, after: .zero, counts: true))
        #expect(try await line.database.number("SELECT failures::bigint FROM countersign.job") == 1_000_000_000)
    }

    @Test func `a withdrawal of what nobody revoked is turned into what its target waits for`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.forgeJob(of: digest, in: line.repository, as: .work, job: "withdraw")
        try await line.push(digest)
        try await line.daemon().workOff(atMost: 20)
        try await line.expectSignedOnce(digest)

        // and of what waits for nothing it is over
        try await line.database.pool.execute(
            """
            INSERT INTO countersign.job (kind, target_id, repository_id)
            SELECT 'withdraw', id, repository_id FROM countersign.target
            """)
        try await line.daemon().attemptAll()
        try await line.expectSignedOnce(digest)
    }

    /// Whoever can write evidence takes places in the log that are still to come.
    @Test func `a signature whose place in the log is another row's raises an alert until it is recorded`() async throws
    {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digests = try await line.images(2)
        try await line.push(digests[0])
        try await daemon.workOff()
        let latest = try #require(try await line.signature(of: digests[0]))
        // the log is shared: by the time others may have entered a few
        try await line.database.pool.execute(
            """
            INSERT INTO countersign.evidence (format, payload, signature, certificate_chain, log, log_request, logged_at,
                log_entry, log_id, log_index)
            SELECT 'bundle', ''::bytea, ''::bytea, '{}'::bytea[], 'x', ''::bytea, now(), ''::bytea, \(latest.logID)::text,
                \(latest.logIndex)::bigint + i
            FROM generate_series(1, 2000) AS i
            """)
        let digest = digests[1]
        try await line.push(digest)
        try await daemon.attemptAll()
        #expect(try await line.failure(digest)?.code == "queue.unstorable")
        #expect(try await line.alerts.open() == ["evidence.place_taken": 1])
        try await line.database.pool.execute(
            """
            UPDATE countersign.evidence SET abandoned_at = now(), abandon_reason = 'somebody wrote it'
            WHERE log = 'x'
            """)
        try await daemon.workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.alerts.open() == [:])
    }
}
