import HTTPTypes

extension AlertsController {
    package var operations: [Operation] { Self.operations }

    private static let states = RaisedAlert.State.allCases.map(\.rawValue)

    static let operations = [
        Operation(
            .get, "/v1/alerts", "alerts",
            "What somebody has to look at, the latest first. Those about no repository are only for tokens without a scope.",
            access: .role(.viewer), reach: .filtered,
            parameters: [.query("state", .one(of: states), "only such alerts"), .limit, .before],
            answers: [.json(200, "a page", .object(["alerts": .list(of: alert)], optional: ["next": .id]))],
            problems: [400: ["api.bad_parameter"]]),
        Operation(
            .post, "/v1/alerts/{id}/acknowledge", "acknowledgeAlert",
            "Somebody has seen it; it counts as open no more.",
            access: .role(.operator), reach: .filtered,
            parameters: [
                .path("id", .id, "the alert"),
                .query("note", .string(atMost: 1_000), "what was found out; kept for the record"),
            ],
            answers: [.json(200, "as it stands; one that was acknowledged before is not changed", alert)],
            problems: [400: ["api.bad_parameter"], 404: ["alert.unknown"]]),
    ]

    private static let alert = Schema.object(
        [
            "id": .id, "code": .one(of: Alert.Code.allCases.map(\.rawValue)), "state": .one(of: states),
            "observed": .string, "fix": .string, "facts": .map(of: .string), "raised_at": .time, "seen_at": .time,
            "times": .count,
        ],
        optional: [
            "repository": .string, "digest": .digest, "acknowledged_at": .time, "acknowledged_by": .string,
            "note": .string, "ended_at": .time,
        ]
    ).named("Alert")
}
