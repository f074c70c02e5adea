import HTTPTypes

extension UpstreamsController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/upstreams", "upstreams",
            "What is asked of services and registries by all daemons together, and which are not asked now.",
            access: .role(.viewer), reach: .everything,
            answers: [
                .json(200, "each that was seen so far", .object(["daemons": .count, "upstreams": .list(of: upstream)]))
            ])
    ]

    private static let upstream = Schema.object(
        [
            "upstream": .string.described("As in last_error.upstream."),
            "kind": .one(of: Dependency.Kind.allCases.map(\.rawValue)), "name": .string,
            "breaker": .one(of: ["closed", "half_open", "open"]), "openings": .count, "changed_at": .time,
            "waiting": .count.described("Jobs that wait for it."),
        ],
        optional: [
            "next_probe_at": .time, "last_failure": .object(["code": .string, "at": .time]),
            "rate": .number.described("Requests a second now; absent: no limit."), "concurrency": .count,
            "paused_until": .time,
        ]
    ).named("Upstream")
}
