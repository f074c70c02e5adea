import FoundationEssentials
import OCI
import Postgres
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// What one of two logs does not do, and what the other has to do with it.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SeveralLogsFaultTests {
    private static func tiles(_ line: SigningLine) async throws -> FaultRelay {
        try FaultRelay(to: #require(URL(string: try await line.lab.endpoints.rekor2)?.port))
    }

    private static func submissions(_ log: FaultRelay) -> Int {
        log.requests.count { $0.method == "POST" && $0.path.hasSuffix("/log/entries") }
    }

    @Test func `what is to be dated in time does not wait for a log that is taken for down`() async throws {
        let line = try await SigningLine()
        let tiles = try await Self.tiles(line)
        var setup = SigningLine.Setup()
        setup.tiles = tiles
        var budgets = BudgetConfiguration()
        budgets.breaker.failures = 2
        (budgets.breaker.open, budgets.breaker.ceiling) = (.seconds(3_600), .seconds(36_000))
        setup.budgets = budgets
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        line.rekor.next(.lost) { $0.method == "POST" }
        try await daemon.attemptAll()
        #expect(try await line.evidenceRows(of: digest) == (1, 0))

        let gate = daemon.dependencies.gate(.rekor, tiles.url)
        for _ in 0..<2 { gate.note(.failed("http.503")) }
        try await eventually("it is open") {
            try await line.database.number("SELECT count(*) FROM countersign.upstream WHERE openings = 1") == 1
        }
        try await line.database.makeDue()
        try await daemon.attemptAll()
        let failure = try await line.failure(digest)
        #expect(failure?.code == "breaker.open" && failure?.stage == "log", "\(String(describing: failure))")
        #expect(failure?.upstream == "rekor \(tiles.url)")
        #expect(Self.submissions(line.rekor) == 2 && Self.submissions(tiles) == 0)
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.further_entry WHERE logged_at IS NOT NULL")
                == 1)

        try await line.database.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        try await daemon.workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(Self.submissions(line.rekor) == 2 && Self.submissions(tiles) == 1)
        #expect(line.fulcio.requests.count { $0.method == "POST" } == 1)
    }

    @Test func `what one log dated outside the certificate's life the other does not get`() async throws {
        try await SigningLine.withAnotherLab(logs: .both) { lab in
            let line = try await SigningLine(lab: lab)
            let tiles = try await Self.tiles(line)
            var setup = SigningLine.Setup()
            setup.tiles = tiles
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            let daemon = try await line.daemon(setup)
            lab.faults.set(Fault(.clockOffset(.seconds(3_600))), for: .rekor)
            try await daemon.attemptAll()
            let failure = try await line.failure(digest)
            #expect(failure?.code == "verify.certificate_validity", "\(String(describing: failure))")
            #expect(Self.submissions(line.rekor) == 1 && Self.submissions(tiles) == 0)
            #expect(try await line.evidenceRows(of: digest) == (0, 1))
            let entries = try await LogEntryRecords(pool: line.database.pool).entries(.init()).items
            #expect(entries.map(\.log) == [line.rekor.url] && entries.first?.abandoned != nil)

            lab.faults.clear()
            try await daemon.workOff()
            #expect(try await line.state(digest) == "signed")
            #expect(try await line.evidenceRows(of: digest) == (1, 1))
            #expect(Self.submissions(line.rekor) == 2 && Self.submissions(tiles) == 1)
        }
    }
}
