import OCI
import Postgres
import Support
import Synchronization
import Testing

@testable import Countersign

/// The crash table of docs/architecture.md, row by row. The first attempt is frozen at a request, as a stalled process
/// would be; it is taken for dead and another daemon finishes. Then the first one wakes up and goes on: a zombie.
@Suite(.serialized, .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct CrashTests {
    /// A place in the line where an attempt stops.
    struct Point: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What is durable by then.
        let durable: Durable
        let relay: @Sendable (SigningLine) -> FaultRelay
        /// Whether the server has acted already.
        let acted: Bool
        /// Which of the requests that match.
        let nth: Int
        let request: @Sendable (FaultRelay.Request) -> Bool

        init(
            _ description: String, _ durable: Durable, _ relay: @escaping @Sendable (SigningLine) -> FaultRelay,
            acted: Bool, nth: Int = 1, _ request: @escaping @Sendable (FaultRelay.Request) -> Bool
        ) {
            (testDescription, self.durable, self.relay, self.acted) = (description, durable, relay, acted)
            self.nth = nth
            self.request = request
        }

        /// Holds for the `nth` request that matches.
        func counted() -> @Sendable (FaultRelay.Request) -> Bool {
            let seen = Count()
            return { request($0) && seen.next() == nth }
        }
    }

    /// A counter that the relay's thread turns.
    final class Count: Sendable {
        private let value = Mutex(0)
        func next() -> Int {
            value.withLock {
                $0 += 1
                return $0
            }
        }
    }

    enum Durable: String { case nothing, prepared, logged, published }

    static let points: [Point] = [
        Point("the manifest is fetched", .nothing, \.registry, acted: true) {
            $0.path.contains("/manifests/sha256:")
        },
        Point("before Fulcio", .nothing, \.fulcio, acted: false) { $0.method == "POST" },
        Point("a certificate was issued", .nothing, \.fulcio, acted: true) { $0.method == "POST" },
        Point("before the timestamp", .nothing, \.tsa, acted: false) { _ in true },
        Point("timestamped, not committed", .nothing, \.tsa, acted: true) { _ in true },
        Point("committed, not sent to the log", .prepared, \.rekor, acted: false) { $0.method == "POST" },
        Point("the log has it, its answer is lost", .prepared, \.rekor, acted: true) { $0.method == "POST" },
        Point("the entry is committed", .logged, \.registry, acted: false, \.isBlobUpload),
        Point("the bundle is pushed", .logged, \.registry, acted: true, \.isBlobUpload),
        Point("before the referrer", .logged, \.registry, acted: false, \.isReferrer),
        Point("the referrer is pushed", .logged, \.registry, acted: true, \.isReferrer),
        Point("before the index", .logged, \.registry, acted: false, \.isFallbackIndex),
        Point("the index is written", .logged, \.registry, acted: true, \.isFallbackIndex),
        Point("before reading back", .logged, \.registry, acted: false, \.isReadBack),
        Point("read back, not recorded", .logged, \.registry, acted: true, \.isReadBack),
    ]

    @Test(arguments: points)
    func `whoever dies, one signature is made, and the zombie adds none`(_ point: Point) async throws {
        try await Self.die(at: point, signing: [.bundle])
    }

    /// Where the legacy format goes its own way.
    static let legacyPoints: [Point] =
        points.filter {
            !["before the referrer", "the referrer is pushed", "before the index", "the index is written"]
                .contains($0.testDescription)
        } + [
            Point("before the tag", .logged, \.registry, acted: false, \.isLegacyTag),
            Point("the tag is written", .logged, \.registry, acted: true, \.isLegacyTag),
        ]

    @Test(arguments: legacyPoints)
    func `whoever dies, one legacy signature is made, and the zombie adds none`(_ point: Point) async throws {
        try await Self.die(at: point, signing: [.legacy])
    }

    @Test(arguments: points)
    func `whoever dies, both formats are made once, and the zombie adds none`(_ point: Point) async throws {
        try await Self.die(at: point, signing: [.bundle, .legacy])
    }

    /// Where the bundle is done and its companion is not.
    @Test(arguments: [
        Point("before the second entry", .published, \.rekor, acted: false, nth: 2) { $0.method == "POST" },
        Point("the second entry is in the log", .published, \.rekor, acted: true, nth: 2) { $0.method == "POST" },
        Point("before the tag", .published, \.registry, acted: false, \.isLegacyTag),
        Point("the tag is written", .published, \.registry, acted: true, \.isLegacyTag),
    ])
    func `whoever dies between the formats, both are made once`(_ point: Point) async throws {
        try await Self.die(at: point, signing: [.bundle, .legacy])
    }

    private static func die(at point: Point, signing formats: [SignatureFormat]) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)

        let first = try await line.daemon(.formats(formats))
        let hold = FaultRelay.Hold()
        point.relay(line).next(point.acted ? .answerHeld(hold) : .held(hold), where: point.counted())
        let claim = try await first.claimOne()
        let zombie = Task { await first.attempt(claim) }
        await hold.reached()
        #expect(try await durable(line, digest) == point.durable)

        try await line.giveUpHolders()
        let second = try await line.daemon(.formats(formats))
        try await second.workOff()
        try await line.expectSignedOnce(digest, in: formats)

        hold.release()
        await zombie.value
        try await line.expectSignedOnce(digest, in: formats)
    }

    /// A commit that fails, at each commit of the line: the trigger stands for a database that dies there.
    @Test(arguments: [
        ("INSERT ON countersign.evidence", Durable.nothing), ("UPDATE ON countersign.evidence", .prepared),
        ("UPDATE ON countersign.attachment", .logged), ("DELETE ON countersign.job", .published),
    ])
    func `a failed commit is made by the next attempt`(_ commit: String, _ durable: Durable) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.database.refuse(commit)

        let first = try await line.daemon()
        try await first.attemptAll()
        #expect(try await Self.durable(line, digest) == durable)
        #expect(try await line.state(digest) != "signed")

        try await line.database.refuseNothing()
        try await line.giveUpHolders()
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `an entry whose answer was lost is found again by the same bytes`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        line.rekor.next(.answerLost) { $0.method == "POST" }
        let daemon = try await line.daemon()
        try await daemon.attemptAll()
        #expect(try await line.state(digest) == "waiting")
        #expect(try await line.logEntries(about: digest).count == 1)
        #expect(try await Self.durable(line, digest) == .prepared)

        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        let certificates = line.fulcio.requests.filter { $0.method == "POST" }.count
        #expect(certificates == 1, "no second signature")
    }

    @Test func `two live writers of one subject take turns`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.registry.next(.held(hold)) { $0.isFallbackIndex }
        let first = try await line.daemon()
        let claim = try await first.claimOne()
        let zombie = Task { await first.attempt(claim) }
        await hold.reached()

        // its job is taken over while it still writes: the subject's lease outlives the job's
        try await line.database.expireLeases()
        _ = try await line.database.queue.rescue()
        try await line.database.makeDue()
        let second = try await line.daemon()
        try await second.attemptAll()
        #expect(try await line.state(digest) == "waiting")
        #expect(try await line.failure(digest)?.code == "signing.subject_busy")

        hold.release()
        await zombie.value
        try await second.workOff()
        try await line.expectSignedOnce(digest)
    }

    /// - Parameter purpose: of the target, as a pattern.
    static func durable(
        _ line: SigningLine, _ digest: Digest, of purpose: String = Purpose.signature.rawValue
    ) async throws -> Durable {
        let rows = try await line.database.pool.query(
            """
            SELECT e.logged_at IS NOT NULL AS logged, a.pushed_at IS NOT NULL AS published
            FROM countersign.target t JOIN countersign.evidence_target l ON l.target_id = t.id AND l.live
            JOIN countersign.evidence e ON e.id = l.evidence_id
            LEFT JOIN countersign.attachment a ON a.evidence_id = e.id
            WHERE t.digest = \(digest.description)::text AND t.purpose LIKE \(purpose)::text ORDER BY e.format LIMIT 1
            """)
        guard let row = rows.first else { return .nothing }
        if try row.decode("published", as: Bool.self) { return .published }
        return try row.decode("logged", as: Bool.self) ? .logged : .prepared
    }
}

extension QueueFixture {
    /// Lets every statement of this kind fail.
    func refuse(_ event: String, sqlState: String = "P0001") async throws {
        try await pool.transaction { session in
            try session.execute(
                Query(
                    unsafeSQL: """
                        CREATE FUNCTION countersign.refuse() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN RAISE EXCEPTION 'the power is out' USING ERRCODE = '\(sqlState)'; END $$
                        """))
            try session.execute(
                Query(
                    unsafeSQL:
                        "CREATE TRIGGER refuse BEFORE \(event) FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse()"
                ))
        }
    }

    func refuseNothing() async throws {
        try await pool.execute("DROP FUNCTION countersign.refuse() CASCADE")
    }
}
