import HTTPTypes

extension IntakeController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/endpoints", "endpoints", "How this daemon's webhooks fare since it started.",
            access: .role(.viewer), reach: .everything,
            answers: [
                .json(
                    200, "counts by result",
                    .object([
                        "since": .time,
                        "endpoints": .list(
                            of: .object([
                                "name": .string, "kind": .string, "registry": .string,
                                "repositories": .list(of: .string), "deliveries": .map(of: .count),
                                "events": .map(of: .count), "ignored": .map(of: .count),
                            ])),
                    ]))
            ]),
        Operation(
            .get, "/v1/policy", "policy", "What this daemon would sign.", access: .role(.viewer), reach: .everything,
            answers: [
                .json(
                    200, "the rules in their order",
                    .object([
                        "version": .string,
                        "rules": .list(
                            of: .object([
                                "name": .string, "effect": .string, "repositories": .list(of: .string),
                                "untagged": .string, "index": .string,
                            ])),
                    ]))
            ]),
    ]
}
