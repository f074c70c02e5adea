import HTTPTypes

extension AttestationsController {
    var operations: [Operation] { Self.operations }

    private static let number = Operation.Parameter.path("id", .id, "the attestation")

    static let operations = [
        Operation(
            .put, "/v1/attestations", "attest", "Takes a document about an artifact, to be signed and attached.",
            access: .role(.attester), reach: .one,
            parameters: [
                .query("ref", .string, "host/repository@digest or host/repository:tag", required: true),
                .query("type", .string, "spdxjson, openvex, … or a URI", required: true),
                .query("replace", .one(of: ["true", "false"]), "whether older ones of the type are superseded"),
                .header("Content-Digest", .string, "RFC 9530; compared where it has sha-256"),
            ],
            body: .anything, answers: [.json(202, "it is stored", .attestation)],
            problems: [
                400: [
                    "api.bad_parameter", "api.malformed", "api.interrupted", "reference.malformed",
                    "reference.incomplete", "attestation.type_unknown", "attestation.digest_mismatch",
                ],
                403: ["attestation.type_out_of_scope", SigningPolicy.refusedCode], 404: ["attestation.tag_unknown"],
                409: ["attestation.artifact_refused"], 413: ["api.too_large"],
                422: ["attestation.document_invalid"], 502: ["attestation.registry"],
                503: ["attestation.too_many_uploads"],
            ]),
        Operation(
            .get, "/v1/attestations", "attestations", "The attestations of one artifact, newest first.",
            access: .role(.viewer), reach: .one,
            parameters: [.query("ref", .string, "host/repository@digest", required: true)],
            answers: [.json(200, "all of them", .object(["attestations": .list(of: .attestation)]))],
            problems: [400: ["api.bad_parameter", "reference.malformed", "reference.incomplete"]]),
        Operation(
            .get, "/v1/attestations/{id}", "attestation", "One attestation.", access: .role(.viewer), reach: .filtered,
            parameters: [number], answers: [.json(200, "its state", .attestation)],
            problems: [404: ["attestation.unknown"]]),
        Operation(
            .get, "/v1/attestations/{id}/document", "attestedDocument", "Its document, as it was sent.",
            access: .role(.viewer), reach: .filtered, parameters: [number],
            answers: [.bytes(200, "the bytes; the media type is the document's", "*/*")],
            problems: [404: ["attestation.unknown"], 410: ["attestation.document_gone"]]),
    ]
}

extension Schema {
    static let attestation = object(
        [
            "id": id, "reference": string, "predicate_type": string, "facts": string,
            "document": object(["digest": digest, "size": count], optional: ["url": string]), "state": state,
            "replaces": boolean, "sender": string, "taken_at": time, "attempts": count, "recheck": boolean,
            "broken": boolean,
        ],
        optional: [
            "routes": map(of: one(of: ["inline", "reference"])), "expires_at": time, "superseded_by": id,
            "superseded_at": time, "rule": string, "next_attempt_at": time, "last_error": failure,
            "signature": signature,
        ]
    ).named("Attestation")
}
