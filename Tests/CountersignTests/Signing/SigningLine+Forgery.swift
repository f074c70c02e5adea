import Curl
import FoundationEssentials
import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// Everything that a row of `evidence` says, and its manifest.
struct StoredRow: Sendable {
    var payload: [UInt8]
    var signature: [UInt8]
    var chain: [[UInt8]]
    var notAfter: Date?
    var stamp: [UInt8]?
    var request: [UInt8]
    var entry: [UInt8]?
    var logID: String?
    var logIndex: Int64?
    var logUUID: String?
    var bundle: [UInt8]?
    var manifest: [UInt8]?

    /// The same with one bit of its signature turned, in the bundle as well.
    func flipped() -> StoredRow {
        var row = self
        let old = Data(signature).base64EncodedString()
        row.signature[row.signature.count - 1] ^= 1
        let new = Data(row.signature).base64EncodedString()
        row.bundle = bundle.map {
            Array(String(decoding: $0, as: UTF8.self).replacing(old, with: new).utf8)
        }
        return row
    }
}

/// Where an attempt is stopped.
enum Commit: Sendable { case prepared, logged }

extension SigningLine {
    /// What a daemon of such a setup stores of an image, up to this commit, the next step having failed.
    func stop(_ image: OCI.Digest, after commit: Commit, _ setup: Setup = .init()) async throws {
        try await push(image)
        switch commit {
        case .prepared: rekor.next(.lost) { $0.method == "POST" }
        case .logged: registry.next(.lost, where: \.isBlobUpload)
        }
        try await daemon(setup).attemptAll()
        #expect(try await evidenceRows(of: image) == (1, 0))
        try await database.makeDue()
    }

    /// Another daemon's row about an image, made in a database of its own.
    func rowElsewhere(
        about image: OCI.Digest, after commit: Commit, _ setup: Setup = .init()
    ) async throws -> StoredRow {
        let elsewhere = try await withFreshDatabase()
        try await elsewhere.stop(image, after: commit, setup)
        return try await elsewhere.storedRow(of: image)
    }

    func storedRow(of image: OCI.Digest) async throws -> StoredRow {
        let row = try #require(
            try await database.pool.query(
                """
                SELECT e.payload, e.signature, e.certificate_chain, e.certificate_not_after, e.timestamp_token,
                    e.log_request, e.log_entry, e.log_id, e.log_index, e.log_uuid, e.bundle, a.manifest
                FROM countersign.target t JOIN countersign.evidence_target l ON l.target_id = t.id AND l.live
                JOIN countersign.evidence e ON e.id = l.evidence_id
                LEFT JOIN countersign.attachment a ON a.evidence_id = l.evidence_id AND a.target_id = l.target_id
                WHERE t.digest = \(image.description)::text
                """
            ).first)
        return StoredRow(
            payload: try row.decode("payload"), signature: try row.decode("signature"),
            chain: try row.decode("certificate_chain"), notAfter: try row.decode("certificate_not_after"),
            stamp: try row.decode("timestamp_token"), request: try row.decode("log_request"),
            entry: try row.decode("log_entry"), logID: try row.decode("log_id"), logIndex: try row.decode("log_index"),
            logUUID: try row.decode("log_uuid"), bundle: try row.decode("bundle"), manifest: try row.decode("manifest"))
    }

    /// Writes such a row in place of an image's own, with the rights of the daemon's role.
    func forge(_ row: StoredRow, about image: OCI.Digest) async throws {
        let (_, attacker) = try await database.role(.work)
        let target: Query = "SELECT id FROM countersign.target WHERE digest = \(image.description)::text"
        let written = try await attacker.transaction { session in
            let written = try session.execute(
                """
                UPDATE countersign.evidence SET payload = \(row.payload), signature = \(row.signature),
                    certificate_chain = \(row.chain)::bytea[], certificate_not_after = \(row.notAfter),
                    timestamp_token = \(row.stamp), log_request = \(row.request), log_entry = \(row.entry)::bytea,
                    log_id = \(row.logID)::text, log_index = \(row.logIndex)::bigint, log_uuid = \(row.logUUID)::text,
                    bundle = \(row.bundle)::bytea
                WHERE id = ANY(ARRAY(
                    SELECT evidence_id FROM countersign.evidence_target WHERE live AND target_id = (\(target))))
                """)
            if let manifest = row.manifest {
                _ = try session.execute(
                    """
                    UPDATE countersign.attachment SET manifest = \(manifest),
                        digest = \(OCI.Digest.sha256(of: manifest).description)::text
                    WHERE target_id = (\(target))
                    """)
            }
            return written
        }
        await attacker.close()
        #expect(written == 1)
    }

    /// What somebody outside could see of an image, and what was sent to the log.
    struct Outside: Sendable, Equatable {
        var entries: Set<String>
        var referrers: [OCI.Digest]
        var layers: Int
        var submissions: Int
    }

    func outside(_ image: OCI.Digest) async throws -> Outside {
        Outside(
            entries: Set(try await logEntries(about: image)),
            referrers: try await referrers(of: image).map(\.manifest.digest),
            layers: try await legacyLayers(of: image).count,
            submissions: rekor.requests.count { $0.method == "POST" && $0.path == "/api/v1/log/entries" })
    }

    /// A job, and a target for it, as a role's grants let somebody write them.
    /// - Parameters:
    ///   - jobRepository: of the job, where it is another than the target's.
    ///   - after: what else he does, with the number of the target.
    func forgeJob(
        of image: OCI.Digest, in repository: Repository, as kind: DatabaseRoles.Kind = .intake, job: String = "sign",
        jobRepository: Repository? = nil, purpose: String = "signature", generation: Int32 = 0,
        after: Query? = nil
    ) async throws {
        let (_, attacker) = try await database.role(kind)
        func number(_ repository: Repository) async throws -> Int32 {
            let rows = try await attacker.query(
                """
                WITH made AS (INSERT INTO countersign.repository (registry, name)
                    VALUES (\(repository.registry)::text, \(repository.name)::text) ON CONFLICT DO NOTHING RETURNING id)
                SELECT id FROM made UNION ALL SELECT id FROM countersign.repository
                WHERE registry = \(repository.registry)::text AND name = \(repository.name)::text LIMIT 1
                """)
            return try #require(rows.first).decode("id")
        }
        let id = try await number(repository)
        let jobID = if let jobRepository { try await number(jobRepository) } else { id }
        try await attacker.transaction { session in
            let rows = try session.query(
                """
                INSERT INTO countersign.target (digest, repository_id, purpose, generation, rule, policy_version)
                VALUES (\(image.description)::text, \(id), \(purpose)::text, \(generation), 'all', 'v1') RETURNING id
                """)
            let target: Int64 = try #require(rows.first).decode("id")
            if let after { _ = try session.execute(after) }
            try session.execute(
                """
                INSERT INTO countersign.job (kind, target_id, repository_id) VALUES (\(job)::text, \(target), \(jobID))
                """)
        }
        await attacker.close()
    }
}
