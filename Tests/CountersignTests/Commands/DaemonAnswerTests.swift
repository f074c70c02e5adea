import Support
import Testing

/// What commands print of a daemon's answer: the program itself, against a script of answers.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct DaemonAnswerTests {
    private func printed(_ words: [String], exit: Int, of answer: String) async throws -> String {
        let server = try LoopbackServer { _ in .answer(200, [("Content-Type", "application/json")], Array(answer.utf8))
        }
        defer { server.stop() }
        var transcript = try Transcript()
        return try await transcript.type(words + ["--api", server.url], exit: exit).output
    }

    @Test func `an alert is told with its facts, and how often and when its cause was met`() async throws {
        let told = try await printed(
            ["alerts"], exit: 1,
            of: """
                {"alerts":[{"id":2,"code":"log.unread","state":"open","observed":"it was not read","fix":"see why",
                "facts":{"next_index":"4711","log":"https://rekor.example.com"},"raised_at":"2026-01-01T00:00:00.000Z",
                "seen_at":"2026-01-02T00:00:00.000Z","times":3}]}
                """)
        #expect(
            told == """
                2\topen\tlog.unread\t2026-01-01T00:00:00.000Z\t-
                  it was not read
                  fix: see why
                  seen 3 times, last at 2026-01-02T00:00:00.000Z
                  log: https://rekor.example.com
                  next_index: 4711

                """)
    }

    @Test func `a signed head of the audit log is told as one`() async throws {
        let told = try await printed(
            ["log", "search"], exit: 0,
            of: """
                {"count":1,"count_is_capped":false,"entries":[{"id":1,"state":"live","format":"bundle","subjects":[],
                "log":"https://rekor.example.com","log_id":"ab","log_index":0,"logged_at":"2026-01-01T00:00:00Z",
                "audit_position":12}]}
                """)
        #expect(told.contains("  for  the daemon's audit log, up to row 12\n"), "\(told)")
    }
}
