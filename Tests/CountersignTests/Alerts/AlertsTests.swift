import Curl
import FoundationEssentials
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct AlertsTests {
    private func alert(_ subject: String = "1", repository: String? = "team/app") throws -> Alert {
        var alert = Alert(.signatureRejected, about: subject, observed: "it does not verify", fix: "look")
        alert.repository = try repository.map { try Repository(registry: "registry.example.com", name: $0) }
        alert.digest = sampleDigest("image")
        alert.facts = ["error": "verify.identity"]
        return alert
    }

    @Test func `an alert stands once for its cause, ends with it, and is raised anew when that comes back`()
        async throws
    {
        let fixture = try await QueueFixture()
        let alerts = Alerts(pool: fixture.pool, logger: SigningDaemon.silence)
        #expect(try await alerts.raise(alert()))
        #expect(try await !alerts.raise(alert()))
        #expect(try await alerts.raise(alert("2")))
        #expect(try await alerts.alerts().items.map(\.times) == [1, 2])
        try await alerts.end([.signatureTampered], about: "1")
        #expect(try await alerts.open() == ["signature.rejected": 2])
        try await alerts.end([.signatureRejected], about: "1")
        #expect(try await alerts.open() == ["signature.rejected": 1])
        #expect(try await alerts.raise(alert()))
        #expect(try await alerts.alerts().items.map(\.state) == [.open, .open, .ended])
        #expect(
            try await AuditLog(pool: fixture.pool).latest(10).map(\.action) == Array(repeating: "alert.raise", count: 3)
        )
        #expect(try await AuditLog(pool: fixture.pool).latest(1).map(\.actor) == ["daemon"])
    }

    /// The gauge's series, by code.
    private func shown(by metrics: ServiceMetrics) async -> [String: String] {
        let prefix = "countersign_alerts_open{code=\""
        let lines = await metrics.registry.scrape().split(separator: "\n").filter { $0.hasPrefix(prefix) }
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let parts = line.dropFirst(prefix.count).split(separator: "\"} ")
                return (String(parts[0]), String(parts[1]))
            })
    }

    @Test func `the gauge has every code, and counts what nobody has acknowledged`() async throws {
        let fixture = try await QueueFixture()
        let alerts = Alerts(pool: fixture.pool, logger: SigningDaemon.silence)
        let metrics = ServiceMetrics()
        metrics.collectAlerts(from: alerts, monitorsIdentities: true)
        try await alerts.raise(alert())
        let shown = await shown(by: metrics)
        #expect(Set(shown.keys) == Set(Alert.Code.allCases.map(\.rawValue)))
        #expect(shown["signature.rejected"] == "1" && shown["identity.unknown_entry"] == "0")
    }

    @Test func `while the identity monitor is off, no 0 says that nobody signs as us`() async throws {
        let fixture = try await QueueFixture()
        let alerts = Alerts(pool: fixture.pool, logger: SigningDaemon.silence)
        let metrics = ServiceMetrics()
        metrics.collectAlerts(from: alerts, monitorsIdentities: false)
        let codes = Set(Alert.Code.allCases.map(\.rawValue)).subtracting(["identity.unknown_entry", "log.unread"])
        #expect(await Set(shown(by: metrics).keys) == codes)
        // what was found while it was on stands
        try await alerts.raise(Alert(.unknownEntry, about: "log:1", observed: "not ours", fix: "look"))
        #expect(await shown(by: metrics)["identity.unknown_entry"] == "1")
    }

    @Test func `operators see and acknowledge what their scope has, and it is written down who did`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            let alerts = Alerts(pool: doors.queue.pool, logger: SigningDaemon.silence)
            try await alerts.raise(alert())
            try await alerts.raise(alert("entry", repository: nil))
            let all = try await doors.token(.operator)
            let inside = try await doors.token(.operator, of: "registry.example.com/team/**")
            let outside = try await doors.token(.operator, of: "registry.example.com/else/**")
            func listed(_ token: String, _ query: String = "") async throws -> [Int] {
                let answer = try await doors.get("/v1/alerts\(query)", token: token)
                guard case .array(let items)? = try JSONValue(parsing: answer.body)["alerts"] else { return [-1] }
                return items.compactMap { $0["id"]?.integer }
            }
            #expect(try await listed(all) == [2, 1])
            #expect(try await listed(inside) == [1])
            #expect(try await listed(outside) == [])
            #expect(try await doors.get("/v1/alerts?state=loud", token: all).status == 400)

            func acknowledge(_ path: String, _ token: String) async throws -> HTTPResponse {
                try await doors.send(
                    .post, .api, "/v1/alerts/\(path)", headers: ["Authorization": "Bearer \(token)"])
            }
            #expect(try await acknowledge("1/acknowledge", outside).status == 404)
            #expect(try await acknowledge("2/acknowledge", inside).status == 404)
            #expect(try await acknowledge("9/acknowledge", all).status == 404)
            let answer = try await acknowledge("1/acknowledge?note=seen%20it", inside)
            #expect(answer.status == 200)
            let shown = try JSONValue(parsing: answer.body)
            #expect(shown["state"]?.text == "acknowledged" && shown["note"]?.text == "seen it")
            // once is enough: who was first stays
            let again = try JSONValue(parsing: try await acknowledge("1/acknowledge", all).body)
            #expect(again["acknowledged_by"] == shown["acknowledged_by"])
            #expect(try await listed(all, "?state=open") == [2])
            #expect(try await listed(all, "?state=acknowledged") == [1])
            let rows = try await AuditLog(pool: doors.queue.pool).latest(10).filter { $0.action == "alert.acknowledge" }
            #expect(rows.filter { $0.outcome == .refused }.map(\.subject) == ["alert 9", "alert 2", "alert 1"])
            let acts = rows.filter { $0.outcome == .accepted }
            #expect(acts.count == 1 && acts.first?.repository == "registry.example.com/team/app")
            #expect(acts.first?.detail == "alert 1: seen it")
        }
    }

    @Test func `who is confined to predicate types sees and acknowledges no alert of another type`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let operators = APITokens(pool: doors.queue.pool)
            func token(_ types: [String]) async throws -> String {
                try await operators.create(
                    name: types.joined(), role: .operator, lifetime: nil,
                    scope: TokenScope(repositories: ["registry.example.com/team/**"], predicateTypes: types))
            }
            let (own, other, every) = (
                try await token(["openvex"]), try await token(["spdxjson"]), try await token(["*"])
            )
            let sent = try await doors.send(
                .put, .api,
                "/v1/attestations?ref=registry.example.com/team/app@\(sampleDigest("image"))&type=openvex",
                headers: ["Authorization": "Bearer \(own)"], body: sampleVEX(1))
            #expect(sent.status == 202)
            _ = try await doors.deliver(envelope(notification()))
            let alerts = Alerts(pool: doors.queue.pool, logger: SigningDaemon.silence)
            for purpose in ["<> 'signature'", "= 'signature'"] {
                let target = try await doors.queue.number(
                    Query(unsafeSQL: "SELECT id FROM countersign.target WHERE purpose \(purpose)"))
                try await alerts.raise(alert("\(target)"))
            }
            try await alerts.raise(alert("none of the targets"))
            func listed(_ token: String) async throws -> [Int] {
                let answer = try await doors.get("/v1/alerts", token: token)
                guard case .array(let items)? = try JSONValue(parsing: answer.body)["alerts"] else { return [-1] }
                return items.compactMap { $0["id"]?.integer }
            }
            // the document's is 1, the image's 2: that one is of every type
            #expect(try await listed(own) == [2, 1])
            #expect(try await listed(other) == [2])
            #expect(try await listed(every) == [3, 2, 1])
            for (token, statuses) in [(other, [404, 200, 404]), (own, [200, 200, 404])] {
                for (id, status) in zip(1...3, statuses) {
                    let answer = try await doors.send(
                        .post, .api, "/v1/alerts/\(id)/acknowledge", headers: ["Authorization": "Bearer \(token)"])
                    #expect(answer.status == status, "\(id)")
                }
            }
        }
    }
}
