extension Problem {
    /// What can be done about a refusal, by its code; an error of another set that becomes one brings its own fix.
    static let fixes: [String: String] = [
        "alert.unknown": "see those that there are: GET /v1/alerts, `countersign alerts`",
        "api.bad_parameter": "correct the parameter that the text names; GET /v1/openapi.json has the form of each",
        "api.forbidden": "send a token with that role; `countersign token create --role …` makes one",
        "api.interrupted": "send it again: it did not arrive whole",
        "api.issuer_unavailable": "try again; if it persists, see that the daemon reaches the issuer's keys",
        "api.malformed": "correct the body where the text says; GET /v1/openapi.json has its form",
        "api.out_of_scope":
            "send a token that is for this (`countersign token create --repositories …`), or for all repositories",
        "api.token_invalid": "compare issuer, audience and times of the token with api.oidc, and the clocks",
        "api.token_malformed": "write the header as `Authorization: Bearer TOKEN`",
        "api.token_missing":
            "send a token as `Authorization: Bearer TOKEN`, of a command with --token-file FILE; `countersign token create "
            + "--role viewer` makes one",
        "api.token_unknown":
            "send a token that is valid, of a command with --token-file FILE; `countersign token create` makes one",
        "api.too_large": "send less at once; of a document, attestations.max_document is the limit",
        "api.too_many_waiters": "ask without 'wait', or raise api.max_waiters",
        "api.unavailable": "try again later; if it persists, the daemon's log has the database's error (postgres.*)",
        "artifact.unknown": "see that the reference is right; push it, or have it signed: `countersign sign REF`",
        "attestation.artifact_refused":
            "see why: `countersign status REF`; nothing is published on what policy refuses or somebody revoked",
        "attestation.digest_mismatch": "send it again: it did not arrive as it was sent",
        "attestation.document_gone": "read what is attached: `countersign verify-attestation`; or send it again",
        "attestation.tag_unknown": "push the image first, or send the document by digest: then it waits for the image",
        "attestation.too_many_uploads": "try again in a moment: attestations.max_uploads bounds them",
        "attestation.type_out_of_scope":
            "send a token for this type: `countersign token create --role attester --predicate-types …`",
        "attestation.type_unknown":
            "name one of cosign's types, or a URI of your own; none under https://sigstore.dev/",
        "attestation.unknown": "see those of its artifact: GET /v1/attestations?ref=…",
        "batch.grouping_format": "leave out 'grouping', or 'legacy'",
        "batch.key_missing": "send the header `Idempotency-Key`, with a key made up for this request",
        "batch.key_reused": "take a new Idempotency-Key for another request",
        "batch.no_repository": "name the repository in full, and see that a rule of the policy signs in it",
        "batch.not_a_person":
            "approve with one of our own tokens: `countersign token create --role admin --person NAME` makes one",
        "batch.own_request": "have another person approve it, with a token of his own",
        "batch.policy_version": "see what it would do now ('dry_run'), and name the version that this shows",
        "batch.selector_source":
            "select by 'registry', 'repository' and 'tag' alone, or by the records: \"source\": \"records\"",
        "batch.state": "see what applies to it: GET /v1/batches/{id}, `countersign batch status`",
        "batch.too_many": "narrow the selector by registry or repository, and ask in several batches",
        "batch.unknown": "see those that there are: GET /v1/batches",
        "dead_letter.unknown": "see those that there are: GET /v1/dead-letters",
        "http.internal": "look at the daemon's log at this time, and report what it says",
        "http.not_found": "see that the path is one of GET /v1/openapi.json, and the port the API's listener",
        "intake.interrupted": "send it again; if it persists, look at the proxy between",
        "intake.malformed": "see that what posts here is a registry, and of the endpoint's dialect",
        "intake.too_large": "raise max_body of the endpoint",
        "intake.too_many_events": "raise max_events of the endpoint",
        "intake.unauthorized": "give the registry the secret of the endpoint, in the header that the text names",
        "intake.unavailable": "send it again; if it persists, the daemon's log has the database's error (postgres.*)",
        "intake.unknown_endpoint": "correct the URL in the registry's configuration: /webhooks/ and an endpoint's name",
        "job.unknown": "see those that there are: GET /v1/jobs; of what ended, GET /v1/artifacts",
        "log_entry.unknown": "see those that there are: GET /v1/log-entries",
        SigningPolicy.refusedCode: "allow the repository in the policy, and in an endpoint's repositories",
        "reference.digest_needed": "write host/repository@sha256:…; `countersign status REF` says where a tag points",
        "reference.incomplete": "say which artifact: host/repository:tag or host/repository@sha256:…",
        "reference.malformed":
            "begin with the registry: host/repository, then :tag or @sha256:… where one artifact is meant",
        Registries.unknownCode: "see that the registry's name is right, or add it to the configuration (registries)",
    ]

    /// Of what only HTTP has a name for.
    static let otherFix = "see method, path and headers of the request against GET /v1/openapi.json"
}
