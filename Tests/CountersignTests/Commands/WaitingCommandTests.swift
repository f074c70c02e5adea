import FoundationEssentials
import Support
import Synchronization
import Testing

/// Commands that wait for a daemon which restarts meanwhile: the program itself, against a script of answers.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct WaitingCommandTests {
    /// What was printed, and `exit N` as the last line.
    private func run(_ server: LoopbackServer, _ arguments: String...) async throws -> [String] {
        let program = try #require(CountersignProgram.path)
        let words = ["/bin/sh", "-c", "\"$@\"; echo \"exit $?\"", "sh", program] + arguments + ["--api", server.url]
        return try await ChildProcess(words).finish().split(separator: "\n").map(String.init)
    }

    private static func batch(ended: Int) -> LoopbackServer.Action {
        let isDone = ended == 2
        let end = isDone ? #","ended_at":"2026-01-01T00:00:05.000Z""# : ""
        let counts = isDone ? #"{"signed":2}"# : #"{"signed":\#(ended),"queued":\#(2 - ended)}"#
        let batch = """
            {"id":7,"action":"sign","state":"\(isDone ? "done" : "running")","requested_by":"x","members":2,
            "created_at":"2026-01-01T00:00:00.000Z","started_at":"2026-01-01T00:00:00.000Z"\(end),"progress":{"counts":\(counts),"ended":\(ended),"targets":2}}
            """
        return .answer(200, [("Content-Type", "application/json")], Array(#"{"batch":\#(batch),"items":[]}"#.utf8))
    }

    /// Answers `GET` in this order, the last one for ever; a `POST` stores the batch.
    private func daemon(_ answers: [LoopbackServer.Action]) throws -> LoopbackServer {
        let rest = Mutex(answers)
        return try LoopbackServer { request in
            if request.method == "POST" {
                guard case .answer(_, let headers, let body) = Self.batch(ended: 0) else { return .drop }
                // the batch alone, as it is answered when it is stored
                let text = String(decoding: body, as: UTF8.self)
                return .answer(
                    202, headers, Array(text.dropFirst(#"{"batch":"#.count).dropLast(#","items":[]}"#.count).utf8))
            }
            return rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
    }

    private static let reference = "registry.example/team/app:1"

    /// What a proxy says while nobody is behind it.
    private static func page(_ status: Int) -> LoopbackServer.Action {
        .answer(status, [("Content-Type", "text/html")], Array("<html>".utf8))
    }

    @Test func `a batch is followed through a restart, which is said once, and its end counts`() async throws {
        let server = try daemon([
            .drop, .answer(503), Self.batch(ended: 1), .answer(502), Self.page(404), Self.batch(ended: 2),
        ])
        defer { server.stop() }
        let lines = try await run(server, "batch", Self.reference)
        #expect(lines.last == "exit 0", "\(lines)")
        #expect(lines.count { $0.hasPrefix("asking again") } == 1, "\(lines)")
        #expect(lines.contains("batch 7 done: signed 2 of 2"))
    }

    @Test func `a time that is up is neither yes nor no`() async throws {
        let server = try daemon([Self.batch(ended: 1)])
        defer { server.stop() }
        let lines = try await run(server, "resign", "--reason", "r", "--timeout", "10ms", Self.reference)
        #expect(lines.last == "exit 4", "\(lines)")
        #expect(lines.contains { $0.contains("1 of 2 have ended [wait.timeout]") })

        let away = try daemon([.answer(503)])
        defer { away.stop() }
        #expect(try await run(away, "batch", "--timeout", "10ms", Self.reference).last == "exit 4")
    }

    @Test func `what does not pass by itself is told at once`() async throws {
        let server = try daemon([.answer(403)])
        defer { server.stop() }
        let lines = try await run(server, "batch", Self.reference)
        #expect(lines.last == "exit 3", "\(lines)")
        #expect(server.requests.count == 2)
    }

    private static func artifact(_ members: String) -> LoopbackServer.Action {
        let status = """
            {"reference":"\(reference)","registry":"registry.example","repository":"team/app","state":"signed","attempts":1,
            "generation":0,"received_at":"2026-01-01T00:00:00.000Z","pushed_at":"2026-01-01T00:00:00.000Z",\(members)}
            """
        return .answer(200, [("Content-Type", "application/json")], Array(status.utf8))
    }

    @Test(arguments: [
        (#""recheck":false,"broken":false"#, 0), (#""recheck":false"#, 0), (#""recheck":true"#, 1),
        (#""recheck":false,"broken":true"#, 1),
    ])
    func `signed is success only when the look has ended, and did not find it broken`(members: String, exit: Int)
        async throws
    {
        let server = try LoopbackServer { request in
            request.method == "POST"
                ? .answer(
                    200, [("Content-Type", "application/json")],
                    Array(#"{"items":[{"reference":"\#(Self.reference)","verdict":"known"}]}"#.utf8))
                : Self.artifact(members)
        }
        defer { server.stop() }
        for command in ["sign", "wait"] {
            let lines = try await run(server, command, "--timeout", "300ms", Self.reference)
            #expect(lines.last == "exit \(exit)", "\(command): \(lines)")
        }
        // whoever asks for the status of what is looked at again is told what is known
        let lines = try await run(server, "status", Self.reference)
        let isBroken = members.contains(#""broken":true"#)
        #expect(lines.last == "exit \(isBroken ? 1 : 0)", "\(lines)")
    }

    @Test func `an artifact is waited for through a restart, and its own end counts`() async throws {
        let unknown = LoopbackServer.Action.answer(
            404, [("Content-Type", "application/problem+json")],
            Array(#"{"code":"artifact.unknown","title":"No"}"#.utf8))
        let server = try daemon([
            Self.page(404), .answer(503), unknown, .drop, Self.page(404), Self.artifact(#""recheck":false"#),
        ])
        defer { server.stop() }
        let lines = try await run(server, "wait", Self.reference)
        #expect(lines.last == "exit 0", "\(lines)")
        #expect(lines.count { $0.hasPrefix("asking again") } == 1, "\(lines)")

        // nobody knows what became of it meanwhile
        let away = try daemon([Self.artifact(#""recheck":true"#), Self.page(404)])
        defer { away.stop() }
        let left = try await run(away, "wait", "--timeout", "700ms", Self.reference)
        #expect(left.last == "exit 3" && left.contains { $0.hasSuffix("[api.status_404]") }, "\(left)")
    }

    @Test func `an attestation that was found broken is no success either`() async throws {
        for (members, exit) in [(#","broken":false"#, 0), (#","broken":true"#, 1), ("", 0)] {
            let status = """
                {"id":1,"reference":"\(Self.reference)","predicate_type":"https://spdx.dev/Document","facts":"f",
                "document":{"digest":"sha256:1","size":2},"state":"signed","replaces":false,"sender":"x",
                "taken_at":"2026-01-01T00:00:00.000Z","attempts":1\(members)}
                """
            let server = try LoopbackServer { _ in
                .answer(202, [("Content-Type", "application/json")], Array(status.utf8))
            }
            defer { server.stop() }
            let lines = try await run(
                server, "attest", "--type", "spdxjson", "--predicate", "/etc/os-release", Self.reference)
            #expect(lines.last == "exit \(exit)", "\(lines)")
        }
    }

    private static func attestation(_ state: String) -> LoopbackServer.Action {
        let text = """
            {"id":1,"reference":"\(Self.reference)","predicate_type":"https://spdx.dev/Document","facts":"f",
            "document":{"digest":"sha256:1","size":2},"state":"\(state)","replaces":false,"sender":"x",
            "taken_at":"2026-01-01T00:00:00.000Z","attempts":1}
            """
        return .answer(202, [("Content-Type", "application/json")], Array(text.utf8))
    }

    @Test func `an attestation is waited for through a restart, and its own end counts`() async throws {
        func lines(_ answers: [LoopbackServer.Action], timeout: String) async throws -> [String] {
            let rest = Mutex(answers)
            let server = try LoopbackServer { request in
                request.method == "PUT"
                    ? Self.attestation("waiting") : rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            }
            defer { server.stop() }
            return try await run(
                server, "attest", "--type", "spdxjson", "--predicate", "/etc/os-release", "--timeout", timeout,
                Self.reference)
        }
        let signed = try await lines([Self.page(404), .drop, .answer(503), Self.attestation("signed")], timeout: "1m")
        #expect(signed.last == "exit 0" && signed.count { $0.hasPrefix("asking again") } == 1, "\(signed)")
        let away = try await lines([Self.page(502)], timeout: "700ms")
        #expect(away.last == "exit 3" && away.contains { $0.hasSuffix("[api.status_502]") }, "\(away)")
    }

    @Test func `a sweep is waited for through a restart`() async throws {
        let rest = Mutex<[LoopbackServer.Action]>([
            .drop, .answer(503), Self.sweeps(pending: 1, #""state":"sweeping""#), Self.page(404),
            Self.sweeps(pending: 0, Self.swept),
        ])
        let server = try LoopbackServer { request in
            request.method == "POST"
                ? .answer(202, [], Array(#"{"requested_at":"2026-01-01T00:00:00.000Z","pending":1}"#.utf8))
                : rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
        defer { server.stop() }
        let lines = try await run(server, "reconcile", "--wait")
        #expect(lines.last == "exit 0" && lines.count { $0.hasPrefix("asking again") } == 1, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("swept 2026-01-01T00:00:05.000Z\t") }, "\(lines)")
    }

    private static func sweeps(pending: Int, _ members: String) -> LoopbackServer.Action {
        let sweep =
            #"{"repository":"registry.example/team/app","tags":3,"missed":1,"moved":0,"unreadable":0,\#(members)}"#
        let page = #"{"pending":\#(pending),"registries":[],"repositories":[\#(sweep)],"logs":[]}"#
        return .answer(200, [("Content-Type", "application/json")], Array(page.utf8))
    }

    @Test func `a sweep that does not end in time goes on, and that is said`() async throws {
        let server = try LoopbackServer { request in
            request.method == "POST"
                ? .answer(202, [], Array(#"{"requested_at":"2026-01-01T00:00:00.000Z","pending":1}"#.utf8))
                : Self.sweeps(pending: 1, #""state":"due","requested_at":"2026-01-01T00:00:00.000Z""#)
        }
        defer { server.stop() }
        let lines = try await run(server, "reconcile", "--wait", "--timeout", "300ms")
        #expect(lines.last == "exit 4", "\(lines)")
        #expect(lines.contains { $0.hasSuffix("the time is up: 1 to do [wait.timeout]") }, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("due\tregistry.example/team/app") }, "\(lines)")
        // who only looks has asked for nothing
        #expect(try await run(server, "reconcile", "--show").last == "exit 0")
    }

    private static let swept = #""state":"waiting","swept_at":"2026-01-01T00:00:05.000Z""#

    @Test(arguments: [
        (swept, "swept 2026-01-01T00:00:05.000Z", 0),
        (swept + #","requested_at":"2026-01-01T00:00:06.000Z""#, "waiting", 0),
        (swept + #","started_at":"2026-01-01T00:00:06.000Z""#, "waiting", 0),
        (swept + #","error":{"code":"registry.unavailable","stage":"s","observed":"o","fix":"f"}"#, "waiting", 1),
        (#""state":"waiting""#, "waiting", 0), (#""state":"sweeping""#, "sweeping", 0),
    ])
    func `a sweep that has ended is not one that waits`(members: String, words: String, exit: Int) async throws {
        let server = try LoopbackServer { _ in Self.sweeps(pending: 0, members) }
        defer { server.stop() }
        let lines = try await run(server, "reconcile", "--show")
        #expect(lines.first == "\(words)\tregistry.example/team/app\ttags 3\tmissed 1\tmoved 0", "\(lines)")
        #expect(lines.last == "exit \(exit)", "\(lines)")
    }

    @Test func `a withdrawal is waited for through a restart`() async throws {
        let artifact: @Sendable (String?) -> LoopbackServer.Action = { removal in
            let revocation = removal.map { removal in
                #","revocation":{"revoked_at":"2026-01-01T00:00:00.000Z","revoked_by":"x","reason":"r","removal":"\#(removal)"}"#
            }
            let status = """
                {"reference":"\(Self.reference)","registry":"registry.example","repository":"team/app","state":"revoked",
                "recheck":false,"attempts":1,"generation":0,"received_at":"2026-01-01T00:00:00.000Z",
                "pushed_at":"2026-01-01T00:00:00.000Z"\(revocation ?? "")}
                """
            return .answer(200, [("Content-Type", "application/json")], Array(status.utf8))
        }
        for (answers, exit) in [
            ([.drop, artifact("asked"), .answer(503), artifact("removed")], 0), ([artifact("listed")], 1),
            ([.answer(503), artifact("asked")], 4), ([artifact("asked"), artifact(nil)], 3),
        ] as [([LoopbackServer.Action], Int)] {
            let rest = Mutex(answers)
            let server = try LoopbackServer { request in
                if request.method == "POST" {
                    return .answer(
                        200, [], Array(#"{"items":[{"reference":"x","state":"revoked","changed":true}]}"#.utf8))
                }
                return rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            }
            defer { server.stop() }
            let time = exit == 4 ? "700ms" : "30s"
            let lines = try await run(
                server, "revoke", "--reason", "r", "--remove", "--timeout", time, Self.reference)
            #expect(lines.last == "exit \(exit)", "\(lines)")
            // the same as a document: what became of it stands there, however it ended
            guard case .answer(200, _, let last)? = answers.last else { continue }
            let again = try await run(
                server, "revoke", "--reason", "r", "--remove", "--timeout", "300ms", "-o", "json", Self.reference)
            #expect(again.last == "exit \(exit)", "\(again)")
            let removal = ["asked", "listed", "removed"].first { String(decoding: last, as: UTF8.self).contains($0) }
            #expect(
                again.contains { $0.contains(#""removal" : "\#(removal ?? "")"#) } == (removal != nil), "\(again)")
        }
    }
}
