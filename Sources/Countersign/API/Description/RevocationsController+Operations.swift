import HTTPTypes

extension RevocationsController {
    package var operations: [Operation] { Self.operations }

    private static let references = Schema.list(of: .string, count: 1...100)
    private static let reason = Schema.string(atMost: 1_000)

    private static let refusals: [Int: [String]] = [
        400: [
            "api.malformed", "api.interrupted", "reference.malformed", "reference.incomplete",
            "reference.digest_needed",
        ],
        413: ["api.too_large"], 422: [Registries.unknownCode],
    ]

    static let operations = [
        Operation(
            .post, "/v1/revoke", "revoke",
            "These digests are not signed in their repositories until they are released.",
            access: .role(.operator), reach: .one,
            body: .json(.object(["references": references, "reason": reason], optional: ["remove": .boolean])),
            answers: [
                .json(200, "they are revoked", items(["revoked"])),
                .json(202, "they are; what was published is being taken out of the lists", items(["revoked"])),
            ], problems: refusals),
        Operation(
            .post, "/v1/revoke/release", "release", "Lifts revocations.", access: .role(.admin), reach: .everything,
            body: .json(.object(["references": references, "reason": reason])),
            answers: [.json(200, "what had been pushed is queued", items(["released", "not_revoked"]))],
            problems: refusals),
    ]

    private static func items(_ states: [String]) -> Schema {
        .object([
            "items": .list(
                of: .object(["reference": .string, "state": .one(of: states), "changed": .boolean]))
        ])
    }
}
