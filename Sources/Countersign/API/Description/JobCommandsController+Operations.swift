import HTTPTypes

extension JobCommandsController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .post, "/v1/jobs/{id}/cancel", "cancelJob",
            "Stops a job. One that withdraws what was revoked only for an admin without a scope.",
            access: .role(.operator), reach: .filtered,
            parameters: [.path("id", .id, "the job")],
            answers: [
                .json(200, "it waited, and is gone", .object(["job": .id, "state": .one(of: ["cancelled"])])),
                .json(202, "it runs, and ends soon", .object(["job": .id, "state": .one(of: ["cancelling"])])),
            ], problems: [400: ["api.bad_parameter"], 403: ["api.out_of_scope"], 404: ["job.unknown"]]),
        Operation(
            .post, "/v1/jobs/{id}/retry", "retryJob", "Makes a job that waits due at once.", access: .role(.operator),
            reach: .filtered, parameters: [.path("id", .id, "the job")],
            answers: [
                .json(
                    202, "it is due, or runs already",
                    .object(["job": .id, "state": .one(of: ["queued", "signing"])]))
            ], problems: [400: ["api.bad_parameter"], 404: ["job.unknown"]]),
        Operation(
            .post, "/v1/dead-letters/{id}/redrive", "redriveDeadLetter", "Takes up again what was given up.",
            access: .role(.operator), reach: .filtered, parameters: [.path("id", .id, "the job that was given up")],
            answers: [.json(202, "a new job", .object(["job": .id]))],
            problems: [400: ["api.bad_parameter"], 404: ["dead_letter.unknown"]]),
        Operation(
            .post, "/v1/dead-letters/redrive", "redriveDeadLetters", "Takes up the oldest of all dead letters.",
            access: .role(.operator), reach: .everything,
            answers: [
                .json(202, "while 'left' is not 0, ask again", .object(["redriven": .count, "left": .count]))
            ]),
    ]
}
