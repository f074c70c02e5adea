import HTTPTypes

extension WebhookController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .post, "/webhooks/{endpoint}", "deliver", "Takes a registry's notifications.", access: .endpointSecret,
            parameters: [.path("endpoint", .string, "its name in the configuration")],
            body: .json(WebhookDialects.bodySchema),
            answers: [
                .json(
                    202, "everything is durable",
                    .object(["accepted": .count, "ignored": .count, "known": .count, "refused": .count]))
            ],
            problems: [
                400: ["intake.malformed", "intake.too_many_events", "intake.interrupted"],
                401: ["intake.unauthorized"], 404: ["intake.unknown_endpoint"], 413: ["intake.too_large"],
                503: ["intake.unavailable"],
            ])
    ]
}
