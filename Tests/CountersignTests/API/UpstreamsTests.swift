import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct UpstreamsTests {
    @Test func `an upstream that is down is shown with its failure, its next trial and who waits for it`() async throws
    {
        try await DoorsFixture.withDoors(
            .doors { $0.budgets.upstreams = [.init(kind: .rekor, rate: 20, concurrency: 8)] }
        ) { (doors) async throws in
            let token = try await doors.token(.viewer)
            let empty = try JSONValue(parsing: try await doors.get("/v1/upstreams", token: token).body)
            #expect(empty["upstreams"] == .array([]))

            let daemon = Dependencies.test(BudgetConfiguration(), doors.queue)
            let (rekor, fulcio) = (daemon.gate(.rekor, "https://rekor.example.com"), daemon.gate(.fulcio, "https://f"))
            try await fulcio.admit()
            for _ in 0..<5 { rekor.note(.failed("http.503")) }
            try await eventually("it is written") {
                try await doors.queue.number("SELECT count(*) FROM countersign.upstream WHERE openings > 0") == 1
            }
            _ = try await doors.deliver(envelope(notification()))
            let waiting = Failure(
                code: "breaker.open", stage: "log", observed: "o", fix: "f", upstream: rekor.dependency.description)
            _ = try await doors.queue.queue.settle(
                try await doors.queue.claimOne(), as: .retry(waiting, after: .seconds(3_600), counts: false))

            let answer = try JSONValue(parsing: try await doors.get("/v1/upstreams", token: token).body)
            guard case .array(let upstreams) = answer["upstreams"], upstreams.count == 2 else {
                Issue.record("not two upstreams: \(answer)")
                return
            }
            #expect(upstreams[0]["breaker"]?.text == "closed" && upstreams[0]["rate"] == nil)
            let log = upstreams[1]
            #expect(log["upstream"]?.text == "rekor https://rekor.example.com")
            #expect(log["breaker"]?.text == "open" && log["openings"]?.integer == 1)
            #expect(log["last_failure"]?["code"]?.text == "http.503")
            #expect(log["next_probe_at"] != nil)
            #expect(log["waiting"]?.integer == 1 && log["concurrency"]?.integer == 8)

            let job = try JSONValue(parsing: try await doors.get("/v1/jobs?state=waiting", token: token).body)
            guard case .array(let jobs) = job["jobs"] else {
                Issue.record("no jobs")
                return
            }
            #expect(jobs.first?["last_error"]?["upstream"]?.text == "rekor https://rekor.example.com")
        }
    }
}
