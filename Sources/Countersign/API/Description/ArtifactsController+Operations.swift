import HTTPTypes

extension ArtifactsController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/artifacts", "artifact", "What became of one artifact, or of many: without 'ref' a list.",
            access: .role(.viewer),
            reach: .filtered,
            parameters: [
                .query("ref", .string, "host/repository@digest or host/repository:tag"), .wait,
                .header("If-None-Match", .string, "the ETag of an answer with 'ref'; 304 if it is still true"),
                .query("state", .state, "in that state"), .registry, .repositories,
                .query("identity", .string, "signed by that subject alternative name"), .olderThan, .newerThan, .limit,
                .before,
            ],
            answers: [
                .json(
                    200, "its state, with an ETag; or a page, the newest first",
                    .either(.artifact, .object(["artifacts": .list(of: .artifact)], optional: ["next": .id]))),
                .empty(304, "as the ETag says"),
            ],
            problems: [
                400: ["api.bad_parameter", "reference.malformed", "reference.incomplete"], 403: ["api.out_of_scope"],
                404: ["artifact.unknown"], 503: ["api.too_many_waiters"],
            ])
    ]
}

extension Operation.Parameter {
    /// How long a reader waits for a final state.
    static let wait = query(
        "wait", .string(matching: "^(0|[0-9]+(ms|s|m|h|d))$"), "such as 30s: answer when the state is final")
}

extension Schema {
    static let state = one(of: TargetState.allCases.map(\.rawValue))

    static let failure = object(
        ["code": string, "stage": string, "observed": string, "fix": string], optional: ["upstream": string]
    ).named("Failure")

    static let artifact = object(
        [
            "reference": string, "registry": string, "repository": string, "state": state, "recheck": boolean,
            "broken": boolean, "generation": count, "attempts": count, "received_at": time, "pushed_at": time,
        ],
        optional: [
            "digest": digest, "tag": string, "resolved_at": time, "media_type": string, "rule": string,
            "policy_version": string, "next_attempt_at": time, "last_error": failure, "signature": signature,
            "generations": list(of: generation), "revocation": revocation, "formats": list(of: format),
        ]
    ).named("Artifact")

    static let generation = object(
        ["generation": count, "state": state, "opened_at": time, "removed": boolean],
        optional: [
            "reason": string, "requested_by": string, "signed_at": time, "log_index": count, "referrer": string,
        ]
    ).named("Generation")

    static let revocation = object(
        [
            "reason": string, "revoked_by": string, "revoked_at": time,
            "removal": one(of: Revocations.Removal.allCases.map(\.rawValue)),
        ], optional: ["removal_error": failure, "released_at": time, "released_by": string, "release_reason": string]
    ).named("Revocation")

    static let signature = object(
        [
            "identity": string, "issuer": string, "log_id": string(matching: "^[0-9a-f]{64}$"), "log_index": count,
            "referrer": string, "formats": list(of: format), "signed_at": time, "verified_at": time,
        ], optional: ["log_uuid": string, "integrated_at": time]
    ).named("Signature")
}
