import FoundationEssentials
import StrictJSON
import Support
import Testing

@testable import Countersign

/// `-o json` of what the daemon answered, and what commands make of a daemon of another version: the program itself, against
/// answers as the OpenAPI document describes them.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct AnswerDocumentTests {
    private static let reference = "registry.example/team/app:1"

    /// A command, how it ends, and what it is answered; where that is a page, the members of it that are printed.
    struct Case: Sendable {
        let words: [String]
        let exit: Int
        let answer: @Sendable (DescribedExample) -> JSONValue
        var printed: [String]?

        init(
            _ words: [String], exit: Int, printed: [String]? = nil, _ operations: [Countersign.Operation], _ id: String
        ) {
            self.init(words, exit: exit, printed: printed) { example in
                let schema = operations.first { $0.id == id }?.answers.first?.schema
                return schema.map { example.value(of: $0) } ?? .null
            }
        }

        init(
            _ words: [String], exit: Int, printed: [String]? = nil,
            _ answer: @escaping @Sendable (DescribedExample) -> JSONValue
        ) {
            (self.words, self.exit, self.printed, self.answer) = (words, exit, printed, answer)
        }

        /// What is answered, and what of it is to be printed.
        func documents(_ example: DescribedExample) -> (answer: JSONValue, printed: JSONValue) {
            guard let printed, case .object(var object) = answer(example) else {
                return (answer(example), answer(example))
            }
            // there is no other page
            object["next"] = nil
            let shown = object.members.filter { printed.contains($0.name) }
            return (.object(object), .object(JSONObject(shown)))
        }
    }

    private static let cases = [
        Case(["status", reference], exit: 1, ArtifactsController.operations, "artifact"),
        Case(["batch", "--dry-run", reference], exit: 0, BatchesController.operations, "signBatch"),
        Case(["batch", "approve", "7"], exit: 0, BatchesController.operations, "approveBatch"),
        Case(
            ["batch", "status", "7"], exit: 1, printed: ["batch"], BatchesController.operations, "batch"),
        Case(
            ["attest", "--type", "spdxjson", "--predicate", "/etc/os-release", "--no-wait", reference], exit: 0,
            AttestationsController.operations, "attest"),
        Case(["alerts"], exit: 1, printed: ["alerts"], AlertsController.operations, "alerts"),
        Case(["alerts", "acknowledge", "7"], exit: 0, AlertsController.operations, "acknowledgeAlert"),
        Case(
            ["reconcile", "--show"], exit: 1, printed: ["pending", "registries", "repositories", "logs"],
            ReconcileController.operations, "sweeps"),
        Case(["reconcile"], exit: 0, ReconcileController.operations, "reconcile"),
    ]

    @Test(arguments: cases.indices, [false, true])
    func `a command prints all that it was answered, also what only a newer daemon says`(
        index: Int, isNewer: Bool
    ) async throws {
        let one = Self.cases[index]
        let (answer, printed) = one.documents(DescribedExample(isNewer: isNewer))
        let server = try LoopbackServer { _ in .answer(200, [], answer.encoded()) }
        defer { server.stop() }
        let command = one.words + ["--api", server.url]
        let told = try await CountersignProgram.run(command)
        #expect(told.status == one.exit, "\(command): \(told)")
        let run = try await CountersignProgram.run(command + ["-o", "json"])
        #expect(run.status == one.exit, "\(command): \(run)")
        var document = try JSONValue(parsing: Array(run.text.utf8))
        // of a batch those are listed that ended without a signature: here none
        if case .object(var object) = document, one.words.starts(with: ["batch", "status"]) {
            #expect(object["items"] == .array([]))
            object["items"] = nil
            document = .object(object)
        }
        #expect(document.canonical() == printed.canonical(), "\(command): \(run.text)")
    }

    @Test func `an entry is printed as the daemon recorded it`() async throws {
        let schema = try #require(LogEntriesController.operations[0].answers[0].schema)
        let answer = DescribedExample(isNewer: true).value(of: schema)
        let server = try LoopbackServer { _ in .answer(200, [], answer.encoded()) }
        defer { server.stop() }
        let run = try await CountersignProgram.run(["log", "search", "--api", server.url, "-o", "json"])
        #expect(run.status == 0, "\(run)")
        let printed = try JSONValue(parsing: Array(run.text.utf8))["records"]
        #expect(printed?.canonical() == answer["entries"]?.canonical(), "\(run.text)")
    }

    @Test func `a daemon that does not say yet what was added later is read`() async throws {
        let signature = """
            {"identity":"a","issuer":"b","log_id":"ab","log_index":1,"referrer":"r","signed_at":"2026-01-01T00:00:00Z",
            "verified_at":"2026-01-01T00:00:00Z"}
            """
        let answer = """
            {"reference":"r","registry":"registry.example","repository":"team/app","state":"signed","recheck":false,
            "generation":0,"attempts":1,"received_at":"2026-01-01T00:00:00Z","pushed_at":"2026-01-01T00:00:00Z",
            "signature":\(signature)}
            """
        let server = try LoopbackServer { _ in .answer(200, [], Array(answer.utf8)) }
        defer { server.stop() }
        let run = try await CountersignProgram.run(["status", Self.reference, "--api", server.url])
        #expect(run.status == 0 && run.text.hasSuffix("verified   2026-01-01T00:00:00.000Z"), "\(run)")
    }

    @Test func `a batch's status says what was asked, who agreed, and why it stands still`() async throws {
        let time = #""2026-01-01T00:00:00.000Z""#
        let page = """
            {"batch":{"id":7,"action":"sign","state":"running","requested_by":"alice","members":3,"created_at":\(time),
            "started_at":\(time),"selector":{"repository":"registry.example/team/**","unsigned":true},"formats":["bundle"],
            "grouping":{"max_subjects":32,"across_repositories":false},"rate":100,"reason":"before the freeze",
            "approved_by":"bob","approved_at":\(time),"error":{"code":"postgres.unavailable","stage":"batch",
            "observed":"the database did not answer","fix":"see that it runs"},
            "progress":{"counts":{"failed":1,"pending":2},"ended":1,"targets":1}},
            "items":[{"ordinal":0,"reference":"registry.example/team/app:v1","state":"failed","new":true,"ended_at":\(time),
            "error":{"code":"registry.not_found","stage":"resolve","observed":"no such tag","fix":"push it"}}]}
            """
        let server = try LoopbackServer { _ in .answer(200, [], Array(page.utf8)) }
        defer { server.stop() }
        var transcript = try Transcript(["api": server.url])
        try await transcript.type(["batch", "status", "7", "--api", "{api}"], exit: 1, [.text, .json])
        try transcript.compare(with: "batch-status")
    }
}
