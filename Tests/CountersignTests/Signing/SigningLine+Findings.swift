import Curl
import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// What the world outside holds after a test: log, registry, tables.
extension SigningLine {
    /// UUIDs of the log's entries whose statement is about this digest.
    func logEntries(about digest: OCI.Digest) async throws -> [String] {
        let answer = try await Self.http.send(
            HTTPRequest(
                .post, try await lab.endpoints.rekor + "/api/v1/index/retrieve",
                headers: ["Content-Type": "application/json"], body: Array(#"{"hash":"\#(digest)"}"#.utf8),
                route: Self.route))
        guard answer.status == 200 else { throw SupportError("the log answered \(answer.status)") }
        return try JSONDecoder().decode([String].self, from: Data(answer.body))
    }

    /// Bundles that the registry lists and serves for this digest.
    func referrers(of digest: OCI.Digest) async throws -> [AttachedBundle] {
        let found = try await pusher.bundles(repository.name, of: digest)
        #expect(found.missing.isEmpty, "listed but not served")
        return found.bundles
    }

    func state(_ digest: OCI.Digest) async throws -> String? { try await database.state(digest) }

    /// The whole last error.
    func failure(_ digest: OCI.Digest) async throws -> Failure? {
        try await database.records.status(of: digest, in: repository, purpose: .signature)?.lastError
    }

    /// The recorded facts of the signature.
    func signature(of digest: OCI.Digest) async throws -> ArtifactStatus.Signature? {
        try await database.records.status(of: digest, in: repository, purpose: .signature)?.signature
    }

    func evidenceRows(of digest: OCI.Digest) async throws -> (live: Int, abandoned: Int) {
        let rows = try await database.pool.query(
            """
            SELECT count(*) FILTER (WHERE l.live AND e.abandoned_at IS NULL) AS live,
                count(*) FILTER (WHERE NOT l.live AND e.abandoned_at IS NOT NULL AND e.abandon_reason <> '') AS abandoned
            FROM countersign.target t JOIN countersign.evidence_target l ON l.target_id = t.id
            JOIN countersign.evidence e ON e.id = l.evidence_id
            WHERE t.digest = \(digest.description)::text
            """)
        guard let row = rows.first else { throw SupportError("no answer") }
        return (Int(try row.decode("live", as: Int64.self)), Int(try row.decode("abandoned", as: Int64.self)))
    }

    /// The promise of the crash table: signed, one live log entry, one referrer of ours, and all of them the same one.
    /// - Parameters:
    ///   - abandoned: signatures that were put aside, recorded with their reason.
    ///   - logged: how many of those the log has.
    func expectSignedOnce(
        _ digest: OCI.Digest, abandoned: Int = 0, logged: Int = 0, _ location: SourceLocation = #_sourceLocation
    )
        async throws
    {
        #expect(try await state(digest) == "signed", sourceLocation: location)
        #expect(try await database.jobCount() == 0, "jobs left", sourceLocation: location)
        #expect(try await database.contradictions() == 0, sourceLocation: location)
        let evidence = try await evidenceRows(of: digest)
        #expect(evidence == (1, abandoned), "live and abandoned evidence", sourceLocation: location)

        let entries = try await logEntries(about: digest)
        #expect(entries.count == 1 + logged, "log entries", sourceLocation: location)
        let referrers = try await referrers(of: digest)
        #expect(referrers.count == 1, "referrers", sourceLocation: location)

        let signature = try #require(try await signature(of: digest), sourceLocation: location)
        #expect(
            entries.contains { $0.hasSuffix(signature.logUUID?.suffix(64) ?? "-") }, "the recorded entry is in the log",
            sourceLocation: location)
        #expect(referrers.first?.manifest.digest == signature.referrer, sourceLocation: location)

        let verdict = try await verify(digest)
        #expect(verdict.signatures.count == 1 && verdict.rejected.isEmpty, sourceLocation: location)
    }

    /// What our own `verify` says.
    func verify(_ digest: OCI.Digest) async throws -> VerifyReference.Report {
        let daemon = try await daemon()
        return try await VerifyReference(
            registry: pusher, verifier: daemon.signer.verifier, identity: daemon.signer.identity.pattern
        ).verify(Reference("\(repository)@\(digest)"))
    }

    /// Nothing that anybody outside could see.
    func expectNothingPublic(_ digest: OCI.Digest, _ location: SourceLocation = #_sourceLocation) async throws {
        #expect(try await logEntries(about: digest).isEmpty, "log entries", sourceLocation: location)
        #expect(try await referrers(of: digest).isEmpty, "referrers", sourceLocation: location)
    }

    // MARK: What happens by itself in time

    /// The holder of every lease is taken for dead, and its jobs are due again.
    func giveUpHolders() async throws {
        try await database.expireLeases()
        try await database.pool.execute("UPDATE countersign.subject_lease SET expires_at = now() - interval '1 second'")
        _ = try await database.queue.rescue()
        try await database.makeDue()
    }
}
