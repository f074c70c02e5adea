import FoundationEssentials
import HTTPTypes
import Hummingbird

/// `GET /v1/events`: the pushes that were heard of, and what was decided about each.
struct EventsController: RouteSet {
    let records: EventRecords
    let authority: Authority

    private static let verdicts = EnqueueResult.Verdict.allCases.map(\.rawValue)

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/events") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            var filter = EventRecords.Filter()
            filter.repositories = try request.repositories(principal)
            filter.verdict = try request.parameter("verdict", Self.verdicts.joined(separator: ", ")) {
                Self.verdicts.contains($0) ? $0 : nil
            }
            filter.before = try request.time("until")
            filter.after = try request.time("since")
            let cursor = try request.parameter("before", "the 'next' of the page before") { EventRecords.Cursor($0) }
            let page = try await records.events(filter, before: cursor, limit: try request.limit())
            return try Response.json(
                Answer(events: page.items.map(EventAnswer.init), next: page.next?.description))
        }
    }

    private struct Answer: Encodable {
        let events: [EventAnswer]
        let next: String?
    }

    private struct EventAnswer: Encodable {
        let id: Int64
        let receivedAt: Date
        let source, registry, repository, verdict: String
        let digest, tag, mediaType, actor, reason: String?

        enum CodingKeys: String, CodingKey {
            case id, source, registry, repository, verdict, digest, tag, actor, reason
            case receivedAt = "received_at"
            case mediaType = "media_type"
        }

        init(_ event: EventRecords.Event) {
            id = event.id
            receivedAt = event.receivedAt
            source = event.source
            registry = event.registry
            repository = event.repository
            verdict = event.verdict
            digest = event.digest
            tag = event.tag
            mediaType = event.mediaType
            actor = event.actor
            reason = event.reason
        }
    }

    var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/events", "events", "The pushes that were heard of, the latest first.", access: .role(.viewer),
            reach: .filtered,
            parameters: [
                .query("verdict", .one(of: verdicts), "what was decided"), .registry, .repositories, .olderThan,
                .newerThan, .limit,
                .query("before", .string(matching: "^[0-9]{1,16}-[0-9]{1,16}$"), "the 'next' of the page before"),
            ],
            answers: [
                .json(
                    200, "a page",
                    .object(
                        [
                            "events": .list(
                                of: .object(
                                    [
                                        "id": .id, "received_at": .time, "source": .string, "registry": .string,
                                        "repository": .string, "verdict": .one(of: verdicts),
                                    ],
                                    optional: [
                                        "digest": .string, "tag": .string, "media_type": .string, "actor": .string,
                                        "reason": .string,
                                    ]))
                        ], optional: ["next": .string]))
            ], problems: [400: ["api.bad_parameter"]])
    ]
}
