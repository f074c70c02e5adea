import Curl
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Of a tag there is no target that could show what became of it.
extension NotificationTests {
    @Test func `a tag that was given up is told, and once more when it is given up again`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let sink = try sink(server) { $0.types = [.failed] }
        let (service, _, http) = try await delivery(fixture, sink)
        defer { http.shutdown() }
        let (_, pool) = try await fixture.role(.work)
        let notifier = JobNotifier(signal: JobSignal(), pool: nil, logger: SigningDaemon.silence)
        let work = JobQueue(pool: pool, notifier: notifier, settings: .init())

        try await fixture.push(samplePush(nil, tag: "latest"))
        for outcome in [Outcome.gone(sampleFailure), .failed(sampleFailure)] {
            let claim = try #require(try await work.claim(limit: 100, cursor: ClaimCursor()).first)
            _ = try await work.settle(claim, as: outcome)
            #expect(try await waiting(fixture) == 1)
            try await drain(fixture, service, sink)
            #expect(try await work.redriveOldest(limit: 1).count == 1)
        }
        await pool.close()
        let events = try server.requests.map { try JSONValue(parsing: $0.body) }
        #expect(events.count == 2 && Set(events.map { $0["id"]?.text }).count == 2)
        for event in events {
            #expect(event["type"]?.text == "dev.countersign.artifact.failed")
            #expect(event["subject"]?.text == "registry.example/team/app:latest")
            let data = try #require(event["data"])
            #expect(data["repository"]?.text == "registry.example/team/app" && data["tag"]?.text == "latest")
            #expect(data["state"]?.text == "failed" && data["error"]?["code"]?.text == sampleFailure.code)
            #expect(data["digest"] == nil)
        }
    }
}
