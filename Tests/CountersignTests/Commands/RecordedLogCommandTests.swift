import Curl
import FoundationEssentials
import OpenSSL
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// `log --api`: what the daemon's database answers, through its API.
@Suite(
    .enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"),
    .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct RecordedLogCommandTests {
    private struct Daemon {
        let stage: CommandStage
        var transcript: Transcript
        private let log: any RekorClient
        private let verifier: CheckpointVerifier

        var records: LogRecords { LogRecords(pool: stage.line.database.pool) }

        init(_ stage: CommandStage, _ doors: DoorsFixture) async throws {
            self.stage = stage
            let token = try await APITokens(pool: stage.line.database.pool).create(
                name: "reader", role: .viewer, lifetime: nil)
            transcript = try stage.transcript([
                "api": "http://127.0.0.1:\(doors.ports[.api] ?? 0)",
                "token": try stage.folder.write(token, to: "api-token"), "folder": stage.line.folder.path,
            ])
            let tlogs = try TrustedRoot(json: try await stage.line.lab.trustedRootJSON).tlogs
            verifier = CheckpointVerifier(logs: { tlogs })
            let api = try #require(stage.entry.api)
            let url = api == .v1 ? stage.line.rekor.url : try await stage.line.lab.endpoints.rekor2
            log = api.client(
                at: .init(url: url, route: SigningLine.route), verifier: verifier, http: SigningLine.http)
        }

        /// Stores the checkpoint that the entry came with, as whoever signs does.
        func store() async throws {
            let note = try #require(stage.entry.inclusionProof?.checkpoint)
            _ = try await records.store(of: log.id).record(Checkpoint(note: note))
        }

        /// Stores a checkpoint of the lab's Rekor v1, of an entry that is not ours.
        func storeOlder() async throws {
            let url = try await stage.line.lab.endpoints.rekor
            let older = RekorV1(url: url, http: SigningLine.http, route: SigningLine.route)
            let (key, message) = (try PrivateKey.generate(.ecdsaP256), Array("older".utf8))
            let submission = LogSubmission(
                .message(digest: Hash.sha256(message), signature: try key.sign(message)), by: .publicKey(key.publicKey))
            let entry = try await older.submit(try older.request(for: submission))
            let note = try #require(entry.inclusionProof?.checkpoint)
            _ = try await records.store(of: older.id).record(Checkpoint(note: note))
        }

        /// Writes the configuration of a daemon that has these witnesses.
        func configure(witnesses: String) async throws {
            _ = try await stage.line.configuration(
                database: "postgresql://postgres@127.0.0.1:1/countersign?sslmode=disable", witnesses: witnesses)
        }

        /// Two checkpoints of the log were seen that cannot both be true.
        func contradict() async throws {
            let seen = try Checkpoint(note: try #require(stage.entry.inclusionProof?.checkpoint))
            try await records.raise(LogContradiction(seen, seen, "two roots of \(seen.size) leaves"), of: log.id)
        }

        /// One look of the log watch.
        func watch() async {
            let watched = LogWatch.Watched(reader: log, verifier: verifier)
            await LogWatch(
                { [watched] }, records: records, interval: .seconds(60), metrics: LogWatchMetrics(MetricsRegistry()),
                logger: SigningDaemon.silence
            ).look()
        }
    }

    private static func withDaemon(
        _ setup: SigningLine.Setup = .formats([.bundle, .legacy]), _ body: (inout Daemon) async throws -> Void
    ) async throws {
        let stage = try await CommandStage(setup)
        try await DoorsFixture.withDoors(cluster: stage.line.database.configuration) { doors in
            var daemon = try await Daemon(stage, doors)
            try await body(&daemon)
        }
    }

    private static let api = ["--api", "{api}", "--token-file", "{token}"]

    @Test func `log info tells the entries and the checkpoints that are stored`() async throws {
        try await Self.withDaemon { daemon in
            let info = ["log", "info"] + Self.api
            try await daemon.transcript.type(info, exit: 0)
            try await daemon.store()
            try await daemon.transcript.type(info + ["--log", "{rekor}"], exit: 0)
            await daemon.watch()
            try await daemon.transcript.type(info + ["--trusted-root", "{root}"], exit: 0, [.text, .json])
            try await daemon.transcript.type(info + ["--log", "nowhere"], exit: 1)
            try await daemon.transcript.type(info + ["--rekor-url", "{rekor}"], exit: 2)
            try await daemon.transcript.type(["log", "info", "--api", "{api}"], exit: 3)
            try await daemon.contradict()
            try await daemon.transcript.type(info, exit: 1)
            try daemon.transcript.compare(with: "log-info-api")
        }
    }

    @Test func `log verify holds recorded entries against the checkpoints that were stored`() async throws {
        try await Self.withDaemon { daemon in
            let trusting = Self.api + ["--trusted-root", "{root}"]
            let verify = ["log", "verify", "--index", "{index}"] + trusting
            // nothing stored, stored and not proven, proven
            try await daemon.transcript.type(verify, exit: 1, [.text, .json])
            try await daemon.store()
            try await daemon.transcript.type(verify, exit: 1)
            await daemon.watch()
            try await daemon.transcript.type(verify, exit: 0, [.text, .json])
            // until somebody has looked at it, and the log is believed anew
            try await daemon.contradict()
            try await daemon.transcript.type(verify, exit: 1)
            #expect(try await daemon.records.clear(daemon.stage.line.rekor.url, by: "alice"))
            try await daemon.store()
            await daemon.watch()
            try await daemon.transcript.type(verify, exit: 0)
            try await daemon.stage.line.database.pool.execute(
                """
                UPDATE countersign.log_checkpoint
                SET note = replace(note, encode(root, 'base64'), encode(sha256('another'::bytea), 'base64'))
                """)
            try await daemon.transcript.type(verify, exit: 1)
            try await daemon.transcript.type(["log", "verify", "--index", "1000000"] + trusting, exit: 1)
            try await daemon.transcript.type(["log", "verify", "--index", "1"] + Self.api, exit: 2)
            try daemon.transcript.compare(with: "log-verify-api")
        }
    }

    @Test func `with a configuration a checkpoint that was stored counts with the witnesses of its log`() async throws {
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        try await Self.withDaemon(setup) { daemon in
            try await daemon.store()
            await daemon.watch()
            try await daemon.storeOlder()
            let info = ["log", "info"] + Self.api
            let verify = ["log", "verify", "--index", "{index}", "--log", "{rekor2}"] + Self.api
            try await daemon.transcript.type(info + ["--trusted-root", "{root}"], exit: 0)
            try await daemon.transcript.type(verify + ["--trusted-root", "{root}"], exit: 0)
            let config = ["--config", "{folder}/countersign.yaml"]
            try await daemon.configure(witnesses: "[]")
            try await daemon.transcript.type(info + config, exit: 0)
            // of both logs' host, who cosigned neither: a Rekor v1 has none
            let witness = "witness.example.com+94947cf1+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
            try await daemon.configure(witnesses: "[{logs: ['127.*'], keys: ['\(witness)'], quorum: 1}]")
            let told = try await daemon.transcript.type(info + config, exit: 1)
            #expect(told.lines("signed by").count == 1, "\(told)")
            #expect(told.lines("NOT VERIFIED").map { $0.hasSuffix("0 of 1 witness cosignatures") } == [true], "\(told)")
            let refused = try await daemon.transcript.type(verify + config, exit: 1)
            #expect(refused.lines("[rekor.unwitnessed]").count == 1, "\(refused)")
        }
    }

    @Test func `log get and log search show what was recorded`() async throws {
        try await Self.withDaemon { daemon in
            let get = ["log", "get"] + Self.api
            let trusting = get + ["--index", "{index}", "--trusted-root", "{root}"]
            try await daemon.transcript.type(trusting, exit: 0, [.text, .json])
            try await daemon.transcript.type(get + ["--index", "1000000"], exit: 1)
            try await daemon.transcript.type(get + ["--uuid", "x"], exit: 2)
            let search = ["log", "search"] + Self.api
            let found = try await daemon.transcript.type(search + ["--digest", "{digest}"], exit: 0, [.text, .json])
            #expect(found.output.contains("Found 2 entries of"))
            try await daemon.transcript.type(search + ["--identity", "nobody"], exit: 1, [.text, .json])
            try await daemon.transcript.type(search + ["--scan"], exit: 2)
            try await daemon.transcript.type(["log", "search", "--api", "{api}"], exit: 3)
            try daemon.transcript.compare(with: "log-record-api")
        }
    }
}

extension Transcript.Run {
    /// The lines that have some words in them.
    fileprivate func lines(_ words: String) -> [Substring] {
        output.split(separator: "\n").filter { $0.contains(words) }
    }
}
