import HTTPTypes

extension ReconcileController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/reconcile", "sweeps", "How the sweeps for lost webhooks stand, repository by repository.",
            access: .role(.viewer), reach: .filtered, parameters: [.registry, .repositories, .limit, .before],
            answers: [
                .json(
                    200, "a page; registries and logs are only for tokens without a scope",
                    .object(
                        [
                            "pending": .count, "registries": .list(of: registry), "repositories": .list(of: sweep),
                            "logs": .list(of: log),
                        ], optional: ["next": .id]))
            ], problems: [400: ["api.bad_parameter"]]),
        Operation(
            .post, "/v1/reconcile", "reconcile", "Sweeps at once: one repository, or without 'repository' all.",
            access: .role(.operator), reach: .one,
            parameters: [.query("repository", .string, "host/repository")],
            answers: [
                .json(
                    202, "it is under way; 'pending' of GET for that repository is 0 at its end",
                    .object(["requested_at": .time, "pending": .count], optional: ["repository": .string]))
            ],
            problems: [400: ["reference.malformed"], 422: [SigningPolicy.refusedCode, Registries.unknownCode]]),
    ]

    private static let registry = Schema.object(
        [
            "registry": .string, "catalog": .one(of: ["unknown", "not_needed", "listed", "absent"]),
            "rechecked": .count,
        ],
        optional: [
            "requested_at": .time, "due_at": .time, "listed_at": .time, "recheck_began_at": .time,
            "recheck_ended_at": .time, "error": .failure,
        ]
    ).named("SweptRegistry")

    private static let log = Schema.object([
        "log": .string, "next_index": .count, "entries": .count, "ours": .count, "unknown_kinds": .count,
        "unreadable": .count, "suspected": .count, "read_at": .time,
    ]).named("FollowedLog")

    private static let sweep = Schema.object(
        [
            "repository": .string, "state": .one(of: ["waiting", "due", "sweeping"]), "tags": .count, "missed": .count,
            "moved": .count, "unreadable": .count,
        ],
        optional: [
            "requested_at": .time, "due_at": .time, "started_at": .time, "swept_at": .time, "error": .failure,
        ]
    ).named("Sweep")
}
