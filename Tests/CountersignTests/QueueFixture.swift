import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Postgres
import Support
import Synchronization

@testable import Countersign

/// A migrated database of its own, and the queue of one daemon on it.
struct QueueFixture: Sendable {
    private let database: HeldDatabase
    let configuration: PostgresConfiguration
    let pool: ConnectionPool
    let signal = JobSignal()
    let queue: JobQueue
    let journal: Journal
    let records: ArtifactRecords

    init(settings: JobQueue.Settings = .init()) async throws {
        database = try await PostgresCluster.held(migratedFrom: "migrations")
        var configuration = database.configuration
        configuration.sessionSettings = JobQueue.sessionSettings
        self.configuration = configuration
        pool = ConnectionPool(configuration, size: 8, waitLimit: .seconds(30))
        let notifier = JobNotifier(signal: signal, pool: nil, logger: Logger(label: "test"))
        queue = JobQueue(pool: pool, notifier: notifier, settings: settings)
        journal = Journal(pool: pool)
        records = ArtifactRecords(pool: pool)
    }

    /// Another daemon on the same database.
    func anotherQueue(settings: JobQueue.Settings = .init(), tenants: [TenantConfiguration] = []) -> JobQueue {
        let notifier = JobNotifier(signal: JobSignal(), pool: nil, logger: Logger(label: "test"))
        return JobQueue(pool: pool, notifier: notifier, settings: settings, tenants: Tenants(tenants))
    }

    @discardableResult
    func push(_ requests: EnqueueRequest...) async throws -> EnqueueResult { try await queue.enqueue(requests) }

    func claim(limit: Int = 100, cursor: ClaimCursor = ClaimCursor()) async throws -> [Claim] {
        try await queue.claim(limit: limit, cursor: cursor)
    }

    /// Jobs that one statement may be about, as a batch queues them; the digests are those of the numbers.
    func pushGroup(of count: Int) async throws {
        let key: [UInt8] = [7]
        let requests = (0..<count).map { samplePush(sampleDigest($0), lane: .bulk, key: key) }
        try await pool.transaction { session in
            let targets = try JobQueue.store(requests, in: session).compactMap(\.targetID)
            try JobQueue.group(jobsOf: targets, under: key, in: session)
        }
    }

    /// The one job that is due.
    func claimOne() async throws -> Claim {
        let claims = try await claim()
        guard claims.count == 1, let claim = claims.first else {
            throw SupportError("\(claims.count) jobs were due, not 1")
        }
        return claim
    }

    func cancelAll() async throws -> [JobQueue.Cancellation?] {
        var cancelled: [JobQueue.Cancellation?] = []
        for job in try await records.jobs().items { cancelled.append(try await queue.cancel(job: job.id)) }
        return cancelled
    }

    // MARK: Looking at the tables

    func text(_ query: Query) async throws -> String? {
        try await pool.query(query).first?.decode(0, as: String?.self)
    }

    func number(_ query: Query) async throws -> Int {
        Int(try await pool.query(query).first?.decode(0, as: Int64.self) ?? -1)
    }

    func state(_ digest: Digest) async throws -> String? {
        try await text("SELECT state FROM countersign.target WHERE digest = \(digest.description)::text")
    }

    func errorCode(_ digest: Digest) async throws -> String? {
        try await text(
            "SELECT last_error->>'code' FROM countersign.target WHERE digest = \(digest.description)::text")
    }

    func jobCount() async throws -> Int { try await number("SELECT count(*) FROM countersign.job") }

    /// Every target has a job exactly while its state says that there is work, and says `signing` exactly while held.
    func contradictions() async throws -> Int {
        try await number(
            """
            SELECT count(*) FROM countersign.target t LEFT JOIN countersign.job j ON j.target_id = t.id
            WHERE (t.state IN ('queued', 'signing', 'waiting') AND j.id IS NULL)
                OR (t.state IN ('failed', 'refused', 'gone', 'cancelled', 'revoked') AND j.id IS NOT NULL)
                OR (t.state = 'signing' AND NOT j.leased) OR (t.state IN ('queued', 'waiting') AND j.leased)
            """)
    }

    /// Sessions that wait for what another one holds.
    func waitingForLocks() async throws -> Int {
        try await number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    }

    // MARK: What happens by itself in time

    func expireLeases() async throws {
        try await pool.execute(
            """
            UPDATE countersign.job SET lease_expires_at = now() - interval '1 second'
            WHERE leased AND id = ANY(ARRAY(
                SELECT id FROM countersign.job WHERE leased ORDER BY id FOR UPDATE SKIP LOCKED))
            """)
    }

    func makeDue() async throws {
        try await pool.execute("UPDATE countersign.job SET run_at = now() WHERE NOT leased AND run_at > now()")
    }
}

/// Keeps a transaction from its commit until the test has seen what it does to others.
final class TransactionHold: Sendable {
    private let state = Mutex((isReached: false, isReleased: false))

    var isReached: Bool { state.withLock { $0.isReached } }

    func release() { state.withLock { $0.isReleased = true } }

    /// Called in the transaction, which must not look idle.
    func wait(in session: Session) throws {
        state.withLock { $0.isReached = true }
        let end = ContinuousClock.now + .seconds(120)
        while !state.withLock({ $0.isReleased }) {
            guard .now < end else { throw SupportError("nobody released the transaction") }
            _ = try session.query("SELECT pg_sleep(0.01)")
        }
    }
}

// MARK: Samples

func sampleDigest(_ seed: some CustomStringConvertible) -> Digest { Digest.sha256(of: Array("\(seed)".utf8)) }

func samplePush(
    _ digest: Digest?, tag: String? = nil, repository: String = "team/app", lane: Lane = .live, rule: String = "all",
    policyVersion: String = "v1", key: [UInt8] = [1, 2, 3], body: [UInt8] = Array("{}".utf8)
) -> EnqueueRequest {
    EnqueueRequest(
        source: "demo", registry: "registry.example", repository: repository, digest: digest, tag: tag,
        mediaType: "application/vnd.oci.image.manifest.v1+json", actor: "ci", lane: lane,
        verdict: .accepted(rule: rule, policyVersion: policyVersion),
        delivery: RecordedDelivery(key: key, body: body))
}

extension PostgresError {
    /// The constraint or index that refused a statement, with its SQLSTATE.
    var refusal: String? {
        guard case .server(let report) = self else { return nil }
        return "\(report.sqlState) \(report.constraint ?? "")"
    }
}

func sampleRecord(_ index: Int64 = 1) -> SignedRecord {
    SignedRecord(
        identity: "https://ci.example/signer", issuer: "https://issuer.example", logID: sampleDigest("log").hex,
        logIndex: index, logUUID: nil, integratedAt: Date(timeIntervalSince1970: 1_700_000_000),
        referrer: sampleDigest("referrer \(index)"), rule: "all", policyVersion: "v1")
}

let sampleFailure = Failure(code: "rekor.unavailable", stage: "log", observed: "503", fix: "wait")

func samplePrepared(_ seed: String = "a") -> Evidence.Prepared {
    Evidence.Prepared(
        payload: Array("payload \(seed)".utf8), signature: Array("signature \(seed)".utf8),
        certificateChain: [[1, 2], [3]], certificateNotAfter: Date(timeIntervalSince1970: 1_800_000_000),
        timestamps: [[9], [8, 7]], log: "rekor", logRequest: Array("request \(seed)".utf8))
}

func sampleLogged(_ index: Int64 = 7) -> Evidence.Logged {
    Evidence.Logged(
        entry: Array("entry".utf8), logID: sampleDigest("log").hex, logIndex: index, logUUID: nil,
        integratedAt: Date(timeIntervalSince1970: 1_700_000_000), bundle: Array("bundle".utf8))
}

func sampleAttachment(_ seed: String = "manifest") -> Evidence.Attachment {
    Evidence.Attachment(
        manifest: Array(seed.utf8), mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: Digest.sha256(of: Array(seed.utf8)))
}

extension Journal {
    /// Commit point 1 of a signing event with one format, in a repository without a cap.
    func prepare(_ prepared: Evidence.Prepared, for claim: Claim) async throws(QueueError) -> Evidence {
        let stored = try await prepare([prepared], for: claim, within: RepositoryCaps([], pool: pool))
        guard let evidence = stored.first else { throw .unreadable(table: "evidence", what: "the row just written") }
        return evidence
    }
}
