-- Countersign, migration 6: the audit log becomes a chain of hashes, whose head is signed and logged daily; what lists
-- are filtered by.

-- ---------------------------------------------------------------------------------------------------------------------
-- audit: each row carries the hash of the one before it. `position` is the order of the chain, without a gap: ids are
-- drawn before a writer's turn comes, and are lost when it fails. Computed here, by a trigger, so that a daemon of the
-- version before chains its rows too. It tells of changes by whoever can write these tables; who can write everything
-- for ever could compute a chain of his own, and is caught by the anchors.
ALTER TABLE countersign.audit
    ADD COLUMN position      bigint,
    ADD COLUMN previous_hash bytea,
    ADD COLUMN hash          bytea;

-- One field of the hashed text: a netstring (`5:token,`), or `-,` where there is nothing.
CREATE FUNCTION countersign.audit_field(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value IS NULL THEN '-,' ELSE octet_length(convert_to(value, 'UTF8')) || ':' || value || ',' END
$$;

-- The time as it is hashed: UTC, to the microsecond.
CREATE FUNCTION countersign.audit_time(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- SHA-256 over the netstrings of these fields in this order (docs/operations.md has the words).
CREATE FUNCTION countersign.audit_hash(entry countersign.audit) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(
        countersign.audit_field('countersign.audit.v1')
        || countersign.audit_field(encode(entry.previous_hash, 'hex'))
        || countersign.audit_field(entry.position::text)
        || countersign.audit_field(countersign.audit_time(entry.at))
        || countersign.audit_field(entry.token_id::text) || countersign.audit_field(entry.actor)
        || countersign.audit_field(entry.action) || countersign.audit_field(entry.repository)
        || countersign.audit_field(entry.subject) || countersign.audit_field(entry.type)
        || countersign.audit_field(entry.digest) || countersign.audit_field(entry.outcome)
        || countersign.audit_field(entry.code) || countersign.audit_field(entry.detail), 'UTF8'))
$$;

-- Rows of before the chain join it in the order of their ids: from here on they cannot change unnoticed either.
ALTER TABLE countersign.audit DISABLE TRIGGER audit_append_only;
DO $$
DECLARE
    entry    countersign.audit;
    number   bigint := 0;
    previous bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR entry IN SELECT * FROM countersign.audit ORDER BY id LOOP
        number := number + 1;
        entry.position := number;
        entry.previous_hash := previous;
        entry.hash := countersign.audit_hash(entry);
        UPDATE countersign.audit SET position = number, previous_hash = previous, hash = entry.hash WHERE id = entry.id;
        previous := entry.hash;
    END LOOP;
END $$;
ALTER TABLE countersign.audit ENABLE TRIGGER audit_append_only;

ALTER TABLE countersign.audit
    ALTER COLUMN position SET NOT NULL, ALTER COLUMN previous_hash SET NOT NULL, ALTER COLUMN hash SET NOT NULL,
    ADD CHECK (position > 0), ADD CHECK (octet_length(previous_hash) = 32), ADD CHECK (octet_length(hash) = 32),
    ADD CONSTRAINT audit_position UNIQUE (position),
    -- no two rows follow the same one, whatever a writer does
    ADD CONSTRAINT audit_one_successor UNIQUE (previous_hash);

CREATE FUNCTION countersign.chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head record;
BEGIN
    -- one writer at a time, until its transaction ends; the look that follows has a snapshot of its own
    PERFORM pg_advisory_xact_lock(hashtextextended('countersign.audit', 0));
    SELECT position, hash INTO head FROM countersign.audit ORDER BY position DESC LIMIT 1;
    NEW.position := coalesce(head.position, 0) + 1;
    NEW.previous_hash := coalesce(head.hash, decode(repeat('00', 32), 'hex'));
    NEW.at := clock_timestamp();
    NEW.hash := countersign.audit_hash(NEW);
    RETURN NEW;
END $$;
CREATE TRIGGER audit_chain BEFORE INSERT ON countersign.audit FOR EACH ROW EXECUTE FUNCTION countersign.chain_audit();

-- audit_anchor: the head of the chain, signed as the daemon signs everything, and its log entry. Its evidence belongs to
-- no target: whoever asks about an entry of the log finds it among the others.
CREATE TABLE countersign.audit_anchor (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position    bigint      NOT NULL REFERENCES countersign.audit (position),
    head        bytea       NOT NULL CHECK (octet_length(head) = 32),
    evidence_id bigint      NOT NULL UNIQUE REFERENCES countersign.evidence,
    begun_at    timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Lists by age and by repository. `received_at` of a target never changes, so that finishing one stays a heap-only update.
CREATE INDEX target_by_age ON countersign.target (received_at, id);
CREATE INDEX event_by_repository ON countersign.event (registry, repository, received_at DESC, id DESC);

-- A scope for every role: what a viewer or an operator may see and do. Predicate types are an attester's alone. Tokens
-- without a scope stay what they were; a daemon of the version before reads one with repositories and no types as a
-- token without a scope: run it beside this version only until all are replaced, then make such tokens.
ALTER TABLE countersign.api_token DROP CONSTRAINT api_token_scope;
ALTER TABLE countersign.api_token ADD CONSTRAINT api_token_scope CHECK (CASE WHEN role = 'attester'
    THEN coalesce(cardinality(repositories), 0) > 0 AND coalesce(cardinality(predicate_types), 0) > 0
    ELSE predicate_types IS NULL AND (repositories IS NULL OR cardinality(repositories) > 0) END);
