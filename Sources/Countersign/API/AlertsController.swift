import FoundationEssentials
package import Hummingbird
import Logging
import OCI

/// `GET /v1/alerts`: what somebody has to look at. `POST /v1/alerts/{id}/acknowledge`: somebody has.
package struct AlertsController: RouteSet {
    private let alerts: Alerts
    private let authority: Authority

    package init(alerts: Alerts, authority: Authority) {
        self.alerts = alerts
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/alerts") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let states = RaisedAlert.State.allCases.map(\.rawValue).joined(separator: ", ")
            let state = try request.parameter("state", "one of \(states)") { RaisedAlert.State(rawValue: $0) }
            let page = try await alerts.alerts(
                state: state, scope: principal?.scope, before: try request.cursor(), limit: try request.limit())
            return try Response.json(Answer(alerts: page.items.map(AlertAnswer.init), next: page.next))
        }
        router.post("/v1/alerts/:id/acknowledge") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            guard let id = context.parameters.get("id", as: Int64.self), id > 0 else {
                throw Problem(.badRequest, "api.bad_parameter", "the alert in the path must be a number")
            }
            let note = try request.parameter("note", "1 to 1,000 bytes of text") {
                (1...1_000).contains($0.utf8.count) ? $0 : nil
            }
            // of what is outside its scope a token learns nothing, not even that it is there
            guard let alert = try await alerts.alert(id),
                principal.scope.map(alert.isWithin) ?? true,
                try await alerts.acknowledge(id, note: note, by: principal) != .unknown,
                let now = try await alerts.alert(id)
            else { throw Problem(.notFound, "alert.unknown", "there is no alert \(id)") }
            context.logger.notice(
                "alert acknowledged", metadata: ["alert.id": "\(id)", "principal": "\(principal.name)"])
            return try Response.json(AlertAnswer(now))
        }
    }

    private struct Answer: Encodable {
        let alerts: [AlertAnswer]
        let next: Int64?
    }
}
