-- Countersign, attestations: documents that somebody with a token of the right scope sends, what becomes of them, and
-- who did what.

-- ---------------------------------------------------------------------------------------------------------------------
-- api_token: the attester, who may send documents and nothing else, of these types and for these repositories. A daemon
-- of the version before does not know the role and refuses the token; it cannot take it for one without a scope.
ALTER TABLE countersign.api_token DROP CONSTRAINT api_token_role_check;
ALTER TABLE countersign.api_token ADD CONSTRAINT api_token_role_check
    CHECK (role IN ('viewer', 'attester', 'operator', 'admin'));
ALTER TABLE countersign.api_token
    ADD COLUMN repositories    text[],   -- globs over registry/repository
    ADD COLUMN predicate_types text[],   -- URIs, or '*'
    ADD CONSTRAINT api_token_scope CHECK (CASE WHEN role = 'attester'
        THEN coalesce(cardinality(repositories), 0) > 0 AND coalesce(cardinality(predicate_types), 0) > 0
        ELSE repositories IS NULL AND predicate_types IS NULL END);

-- ---------------------------------------------------------------------------------------------------------------------
-- document: one SBOM, VEX or provenance as it was sent, in parts. It gets its digest only once it is whole and was found
-- to be what it says; what has none after an hour was broken off, and is deleted.
CREATE TABLE countersign.document (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    begun_at     timestamptz NOT NULL DEFAULT now(),
    digest       text        UNIQUE CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
    size         bigint      CHECK (size BETWEEN 1 AND 67108864),
    CHECK ((digest IS NULL) = (size IS NULL))
);
CREATE INDEX document_unfinished ON countersign.document (begun_at) WHERE digest IS NULL;

CREATE TABLE countersign.document_part (
    document_id bigint NOT NULL REFERENCES countersign.document ON DELETE CASCADE,
    number      int    NOT NULL CHECK (number >= 0),
    bytes       bytea  NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 1048576),
    PRIMARY KEY (document_id, number)
);

-- ---------------------------------------------------------------------------------------------------------------------
-- attestation: a document about an artifact. Its state is that of its target, whose purpose names predicate type and
-- document digest: sent twice, it is the same one. A document that was superseded and is sent again is a new generation.
CREATE TABLE countersign.attestation (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id       bigint      NOT NULL UNIQUE REFERENCES countersign.target (id),
    predicate_type  text        NOT NULL CHECK (length(predicate_type) BETWEEN 1 AND 400),
    format          text        NOT NULL CHECK (format ~ '^[a-z][a-z0-9-]{0,30}$'),  -- which check it passed
    facts           text        NOT NULL CHECK (length(facts) <= 200),               -- what it was found to be: 'SPDX 2.3'
    document_digest text        NOT NULL CHECK (document_digest ~ '^sha256:[0-9a-f]{64}$'),
    document_size   bigint      NOT NULL CHECK (document_size > 0),
    document_id     bigint      REFERENCES countersign.document (id),  -- null once the bytes are not kept any more
    replaces        boolean     NOT NULL,   -- once it is attached, older ones of its type are superseded
    taken_at        timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,   -- how long it waits for its artifact to be signed
    token_id        bigint      REFERENCES countersign.api_token (id),
    token_name      text        NOT NULL,
    -- how it was brought into the log, decided once for each format: whole, or by the digest of its own referrer
    bundle_route    text        CHECK (bundle_route IN ('inline', 'reference')),
    legacy_route    text        CHECK (legacy_route IN ('inline', 'reference')),
    superseded_by   bigint      REFERENCES countersign.attestation (id),
    superseded_at   timestamptz,
    CHECK ((superseded_by IS NULL) = (superseded_at IS NULL)),
    CHECK (superseded_by > id)
);
CREATE INDEX attestation_document ON countersign.attestation (document_id) WHERE document_id IS NOT NULL;

ALTER TABLE countersign.job ADD CONSTRAINT job_attest_target CHECK (kind <> 'attest' OR target_id IS NOT NULL);

-- ---------------------------------------------------------------------------------------------------------------------
-- audit: who did what, accepted or refused. Append-only: the trigger refuses every change, so that a chain of hashes can
-- be laid over the rows in the order of their ids.
CREATE TABLE countersign.audit (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    token_id   bigint,
    actor      text        NOT NULL CHECK (length(actor) BETWEEN 1 AND 128),   -- the token's name
    action     text        NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    repository text        CHECK (length(repository) <= 512),
    subject    text        CHECK (length(subject) <= 140),    -- digest or tag, as asked for
    type       text        CHECK (length(type) <= 500),       -- predicate type, as asked for where it is none
    digest     text        CHECK (length(digest) <= 140),     -- of the document, once it was read whole
    outcome    text        NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    code       text        CHECK (length(code) <= 100),
    detail     text        CHECK (length(detail) <= 1000),
    CHECK (outcome = 'accepted' OR code IS NOT NULL)
);
CREATE INDEX audit_by_repository ON countersign.audit (repository, id DESC);

CREATE FUNCTION countersign.audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'countersign.audit is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON countersign.audit
    FOR EACH ROW EXECUTE FUNCTION countersign.audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON countersign.audit
    FOR EACH STATEMENT EXECUTE FUNCTION countersign.audit_is_append_only();
