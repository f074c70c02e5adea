import HTTPTypes

extension JobsController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/jobs", "jobs", "Work that is left, newest first.", access: .role(.viewer), reach: .filtered,
            parameters: [
                .query("state", .one(of: ["queued", "signing", "waiting"]), "only jobs in that state"),
                .query("repository", .string, "registry/name"), .limit, .before,
            ],
            answers: [
                .json(200, "a page", .object(["jobs": .list(of: .job)], optional: ["next": .id]))
            ], problems: [400: ["api.bad_parameter"]]),
        Operation(
            .get, "/v1/jobs/{id}", "job", "One job, while there is work left in it.", access: .role(.viewer),
            reach: .filtered, parameters: [.path("id", .id, "the job")], answers: [.json(200, "its state", .job)],
            problems: [400: ["api.bad_parameter"], 404: ["job.unknown"]]),
        Operation(
            .get, "/v1/dead-letters", "deadLetters", "Work that was given up, newest first.", access: .role(.viewer),
            reach: .filtered, parameters: [.limit, .before],
            answers: [
                .json(200, "a page", .object(["dead_letters": .list(of: .deadLetter)], optional: ["next": .id]))
            ], problems: [400: ["api.bad_parameter"]]),
    ]
}

extension Operation.Parameter {
    static let limit = query("limit", .integer(1...500), "rows of a page; 100 if not said")
    static let before = query("before", .id, "the 'next' of the page before")
}

extension Schema {
    static let job = object(
        [
            "id": id, "kind": string, "repository": string, "state": one(of: ["queued", "signing", "waiting"]),
            "lane": one(of: Lane.allCases.map(\.name)), "recheck": boolean, "attempt": count, "failures": count,
            "crashes": count, "received_at": time, "run_at": time,
        ], optional: ["digest": digest, "tag": string, "lease_expires_at": time, "last_error": failure]
    ).named("Job")

    static let deadLetter = object(
        [
            "job": id, "kind": string, "repository": string, "buried_at": time, "received_at": time, "attempts": count,
            "crashes": count, "error": failure,
        ], optional: ["digest": digest, "tag": string]
    ).named("DeadLetter")
}
