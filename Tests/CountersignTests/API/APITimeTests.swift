import Curl
import FoundationEssentials
import Sigstore
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Times of the API: how they are written, and in which form they are taken as conditions.
@Suite struct APITimeTests {
    @Test func `a time is written as the millisecond that it is in, and read again it is the same`() {
        for millisecond in 0..<1_000 {
            let time = Date(timeIntervalSince1970: 1_767_366_245 + Double(millisecond) / 1_000)
            let text = "2026-01-02T15:04:05.\(String(1_000 + millisecond).dropFirst())Z"
            #expect(time.apiText == text)
            #expect(Date(rfc3339: text)?.apiText == text)
        }
        #expect(Date(timeIntervalSince1970: 1_767_366_245.6789).apiText == "2026-01-02T15:04:05.678Z")
    }

    /// A time as a condition, wherever there is one.
    private static func conditions(_ time: String) -> [String] {
        [
            "/v1/artifacts?since=\(time)", "/v1/artifacts?until=\(time)", "/v1/events?since=\(time)",
            "/v1/events?until=\(time)", "/v1/log-entries?from=\(time)", "/v1/log-entries?to=\(time)",
        ]
    }

    private static func selected(_ doors: DoorsFixture, signedBefore time: String, token: String) async throws
        -> HTTPResponse
    {
        try await doors.send(
            .post, .api, "/v1/batches", headers: ["Authorization": "Bearer \(token)"],
            body: Array(#"{"dry_run":true,"selector":{"signed_before":"\#(time)"}}"#.utf8))
    }

    @Test func `a time of an answer is a condition everywhere`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification("signed")))
            _ = try await doors.queue.queue.settle(doors.queue.claimOne(), as: .signed(sampleRecord()))
            let token = try await doors.token(.operator)
            let reference = percentEncoded("registry.example.com/team/app@\(sampleDigest("signed"))")
            let artifact = try await doors.get("/v1/artifacts?ref=\(reference)", token: token)
            let time = try #require(try JSONValue(parsing: artifact.body)["signature"]?["signed_at"]?.text)
            #expect(Date(rfc3339: time)?.apiText == time)
            for path in Self.conditions(time) {
                #expect(try await doors.get(path, token: token).status == 200, "\(path)")
            }
            // itself it was not signed before that
            for (condition, members) in [(time, 0), ("2100-01-31T00:00:00.000Z", 1)] {
                let answer = try await Self.selected(doors, signedBefore: condition, token: token)
                #expect(try JSONValue(parsing: answer.body)["members"]?.integer == members, "\(condition)")
            }
        }
    }

    @Test func `what only begins as a time, and a day that is none, are refused everywhere`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            for text in [
                "2026-01-02T15:04:05Zx", "2026-01-02T25:04:05Z", "2026-02-31T00:00:00Z", "2026-1-2T15:04:05Z",
                "2026-01-02T15:04:05", "yesterday",
            ] {
                for path in Self.conditions(text) {
                    #expect(try await doors.get(path, token: token).status == 400, "\(path)")
                }
                #expect(try await Self.selected(doors, signedBefore: text, token: token).status == 400, "\(text)")
            }
        }
    }

    @Test(arguments: [
        ("2026-01-02T15:04:05.678Z", true, true), ("2026-01-31T00:00:00Z", true, true),
        ("2024-02-29T00:00:00Z", true, true), ("2000-02-29T00:00:00+01:00", true, true),
        ("2026-02-29T00:00:00Z", false, false), ("1900-02-29T00:00:00Z", false, false),
        ("2026-04-31T00:00:00Z", false, false), ("2026-01-02T24:00:00Z", false, false),
        ("2026-01-02", false, true), ("2026-02-29", false, false), ("yesterday", false, false),
    ])
    func `what is described is what is taken`(text: String, isTime: Bool, isDayOrTime: Bool) {
        let check = SchemaCheck(document: .null)
        func fits(_ schema: Schema) -> Bool { check.faults(.string(text), .object(schema.json)).isEmpty }
        #expect(fits(.moment) == isTime)
        #expect(fits(.dayOrMoment) == isDayOrTime)
        #expect((Date(rfc3339: text) != nil) == isTime)
    }

    @Test func `every condition on a time has the schema of one`() throws {
        let parameters = LogEntriesController.operations[0].parameters + ArtifactsController.operations[0].parameters
        for (name, schema) in [
            ("from", Schema.dayOrMoment), ("to", .dayOrMoment), ("since", .moment), ("until", .moment),
        ] {
            #expect(parameters.first { $0.name == name }?.schema == schema, "\(name)")
        }
        let selector = try #require(Schema.selector.definitions["Selector"])
        #expect(selector["properties"]?["signed_before"] == .object(Schema.moment.json))
    }
}
