import FoundationEssentials
import HTTPTypes
import Hummingbird

/// `GET /v1/audit`: who did what, accepted or refused.
struct AuditController: RouteSet {
    let audit: AuditLog
    let authority: Authority

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/audit") { request, _ in
            let principal = try await authority.identify(.operator, for: request)
            var filter = AuditLog.Filter()
            filter.repositories = try request.repositories(principal)
            filter.actor = request.parameter("actor")
            filter.action = request.parameter("action")
            filter.outcome = try request.parameter("outcome", "accepted or refused") {
                AuditLog.Outcome(rawValue: $0)
            }
            let page = try await audit.page(filter, before: try request.cursor(), limit: try request.limit())
            return try Response.json(Answer(acts: page.items.map(ActAnswer.init), next: page.next))
        }
    }

    private struct Answer: Encodable {
        let acts: [ActAnswer]
        let next: Int64?
    }

    private struct ActAnswer: Encodable {
        let position: Int64
        let at: Date
        let actor, action, outcome, hash: String
        let repository, subject, type, digest, code, detail: String?

        init(_ record: AuditLog.Record) {
            position = record.position
            at = record.at
            hash = record.hash
            actor = record.entry.actor
            action = record.entry.action
            outcome = record.entry.outcome.rawValue
            repository = record.entry.repository
            subject = record.entry.subject
            type = record.entry.type
            digest = record.entry.digest
            code = record.entry.code
            detail = record.entry.detail
        }
    }

    var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/audit", "audit", "Who did what, the latest first.", access: .role(.operator), reach: .filtered,
            parameters: [
                .query("actor", .string, "the token's name"), .query("action", .string, "such as job.cancel"),
                .query("outcome", .one(of: ["accepted", "refused"]), "only such acts"), .registry, .repositories,
                .limit, .before,
            ],
            answers: [
                .json(
                    200, "a page",
                    .object(
                        [
                            "acts": .list(
                                of: .object(
                                    [
                                        "position": .id, "at": .time, "actor": .string, "action": .string,
                                        "outcome": .one(of: ["accepted", "refused"]),
                                        "hash": .string(matching: "^[0-9a-f]{64}$"),
                                    ],
                                    optional: [
                                        "repository": .string, "subject": .string, "type": .string, "digest": .string,
                                        "code": .string, "detail": .string,
                                    ]))
                        ], optional: ["next": .id]))
            ], problems: [400: ["api.bad_parameter"]])
    ]
}
