import HTTPTypes

extension BatchesController {
    package var operations: [Operation] { Self.operations }

    private static let number = Operation.Parameter.path("id", .id, "the batch")
    private static let key = Operation.Parameter.header(
        "Idempotency-Key", .string(atMost: 257), "required unless 'dry_run': repeated under it, this stays one batch")

    private static let refusals: [Int: [String]] = [
        400: [
            "api.malformed", "api.interrupted", "reference.malformed", "reference.incomplete", "batch.key_missing",
            "batch.grouping_format", "batch.selector_source",
        ],
        409: ["batch.policy_version"], 413: ["api.too_large"],
        422: ["batch.key_reused", "batch.too_many", "batch.no_repository", "batch.grouping_legacy"],
        502: ["batch.registry"],
    ]

    static let operations = [
        Operation(
            .post, "/v1/batches", "signBatch", "Asks for many references at once, by a list or a selector.",
            access: .role(.operator), reach: .one, parameters: [key], body: .json(signRequest),
            answers: [.json(200, "a dry run", .dryRun), .json(202, "it is stored, or was", .batch)],
            problems: refusals),
        Operation(
            .post, "/v1/resign", "resign", "Asks for another signature of many references that are signed.",
            access: .role(.operator), reach: .one, parameters: [key],
            body: .json(resignRequest),
            answers: [.json(200, "a dry run", .dryRun), .json(202, "it is stored, or was", .batch)],
            problems: refusals),
        Operation(
            .get, "/v1/batches", "batches", "Batches, newest first, without their progress.", access: .role(.viewer),
            reach: .own, parameters: [.limit, .before],
            answers: [.json(200, "a page", .object(["batches": .list(of: .batch)], optional: ["next": .id]))],
            problems: [400: ["api.bad_parameter"]]),
        Operation(
            .get, "/v1/batches/{id}", "batch", "One batch with a page of its members.", access: .role(.viewer),
            reach: .own,
            parameters: [
                number, .query("limit", .integer(1...1_000), "rows of a page; 100 if not said"),
                .query("after", .count, "the 'next' of the page before"),
                .query("state", .memberState, "only members in that state"),
            ],
            answers: [
                .json(
                    200, "how far it is",
                    .object(["batch": .batch, "items": .list(of: .batchItem)], optional: ["next": .count]))
            ], problems: [400: ["api.bad_parameter"], 404: ["batch.unknown"]]),
        Operation(
            .get, "/v1/batches/{id}/events", "batchEvents",
            "Its progress, as server-sent events, until it ends or the token does.",
            access: .role(.viewer), reach: .own, parameters: [number],
            answers: [.bytes(200, "events 'progress' and 'end'; the data is a batch", "text/event-stream")],
            problems: [400: ["api.bad_parameter"], 404: ["batch.unknown"], 503: ["api.too_many_waiters"]]),
        command(
            "approve", "approveBatch", "Lets a proposed batch run; by another person than asked for it.",
            [403: ["batch.own_request", "batch.not_a_person"]], role: .admin, reach: .everything),
        command("cancel", "cancelBatch", "Takes back what is not signed yet."),
        command("resume", "resumeBatch", "Goes on with what was taken back."),
        command("retry-failed", "retryBatch", "Tries once more what failed, was refused or was gone."),
    ]

    private static func command(
        _ verb: String, _ id: String, _ summary: String, _ more: [Int: [String]] = [:],
        role: APITokens.Role = .operator, reach: Operation.Reach = .own
    ) -> Operation {
        Operation(
            .post, "/v1/batches/{id}/\(verb)", id, summary, access: .role(role), reach: reach,
            parameters: [number], answers: [.json(202, "it is so", .batch)],
            problems: [400: ["api.bad_parameter"], 404: ["batch.unknown"], 409: ["batch.state"]].merging(more) {
                $0 + $1
            })
    }

    private static let references = Schema.list(of: .string, count: 1...BatchRequest.memberLimit)
    private static let formats = Schema.list(of: .format, count: 1...2)

    private static let signRequest = Schema.object(
        [:],
        optional: [
            "references": references, "selector": .selector, "dry_run": .boolean, "formats": formats,
            "reason": .string(atMost: 1_000), "policy_version": .string, "grouping": .grouping, "rate": .count,
        ])
    private static let resignRequest = Schema.object(
        ["reason": .string(atMost: 1_000)],
        optional: [
            "references": references, "selector": .selector, "dry_run": .boolean, "formats": formats,
            "policy_version": .string, "old": .old, "grouping": .grouping, "rate": .count,
        ])
}

extension Schema {
    static let format = one(of: SignatureFormat.allCases.map(\.rawValue))
    static let old = one(of: Batch.OldSignatures.allCases.map(\.rawValue))
    static let memberState = one(of: BatchMember.State.allCases.map(\.rawValue))

    static let selector = object(
        [:],
        optional: [
            "source": one(of: BatchSelector.Source.allCases.map(\.rawValue)), "registry": string, "repository": string,
            "tag": string, "digests": list(of: digest), "unsigned": boolean,
            "signed_before": moment, "identity": string,
        ]
    ).named("Selector")

    static let grouping = object(["max_subjects": count], optional: ["across_repositories": boolean]).named("Grouping")

    static let batch = object(
        [
            "id": id, "action": one(of: ["sign", "resign"]), "state": one(of: Batch.State.allCases.map(\.rawValue)),
            "requested_by": string, "members": count, "created_at": time, "started_at": time,
        ],
        optional: [
            "selector": selector, "formats": list(of: format), "reason": string, "old": old,
            "ended_at": time, "grouping": grouping, "rate": count, "error": failure,
            "approved_by": string, "approved_at": time,
            "progress": object(
                ["counts": map(of: count), "ended": count, "targets": count],
                optional: ["rate": number, "eta_seconds": count]),
        ]
    ).named("Batch")

    static let batchItem = object(
        ["ordinal": count, "reference": string, "state": memberState, "new": boolean],
        optional: ["alone": failure, "error": failure, "ended_at": time]
    ).named("BatchItem")

    static let dryRun = object(
        [
            "dry_run": boolean, "members": count, "plan": map(of: count), "truncated": boolean,
            "policy_version": string,
            "items": list(
                of: object(["reference": string, "plan": string], optional: ["alone": failure, "error": failure])),
        ], optional: ["alone": count]
    ).named("DryRun")
}
