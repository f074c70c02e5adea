-- Countersign, migration 26: several timestamps and several log entries of one signature.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- Where an instance wants several of them for each signature: what `timestamp_token` has no room for, and the entries in other
-- logs than that of the row. Like the row's own, an entry has its request BEFORE it is sent. The row is logged last: `logged_at`
-- there says that every log has answered. Abandoned evidence keeps its further entries, so that whoever watches a log can have
-- them explained; identity and issuer are those of the row, to be searched by.
ALTER TABLE countersign.evidence
    ADD COLUMN further_timestamps bytea[] NOT NULL DEFAULT '{}',    -- RFC 3161 TimeStampResp each
    ADD COLUMN logged_whole boolean NOT NULL DEFAULT false;         -- said by whoever logs it and knows of all this (below)

CREATE TABLE countersign.further_entry (
    id              bigint      PRIMARY KEY DEFAULT nextval('countersign.evidence_id'), -- one kind of number for all entries
    evidence_id     bigint      NOT NULL REFERENCES countersign.evidence,
    log             text        NOT NULL,       -- its URL
    log_request     bytea       NOT NULL,       -- empty only for an entry that was found, not made
    logged_at       timestamptz,
    log_entry       bytea,                      -- the entry as the log returned it
    log_id          text        CHECK (log_id ~ '^[0-9a-f]{64}$'),
    log_index       bigint      CHECK (log_index >= 0),
    log_uuid        text,
    integrated_at   timestamptz,
    first_missed_at timestamptz,                -- when the log, asked, first did not have it
    identity        text,
    issuer          text,
    UNIQUE (evidence_id, log),
    CHECK ((logged_at IS NULL) = (log_entry IS NULL)),
    CHECK (logged_at IS NULL OR (log_id IS NOT NULL AND log_index IS NOT NULL)),
    CHECK (octet_length(log_request) > 0 OR logged_at IS NOT NULL)
);
CREATE INDEX further_entry_by_identity ON countersign.further_entry (identity, id DESC) WHERE log_index IS NOT NULL;
CREATE INDEX further_entry_by_place ON countersign.further_entry (log_id, log_index) WHERE log_index IS NOT NULL;
CREATE INDEX further_entry_by_log ON countersign.further_entry (log, id DESC) WHERE log_index IS NOT NULL;
CREATE INDEX further_entry_by_log_id ON countersign.further_entry (log_id, id DESC) WHERE log_index IS NOT NULL;
CREATE INDEX further_entry_by_index ON countersign.further_entry (log_index) WHERE log_index IS NOT NULL;
CREATE INDEX further_entry_by_uuid ON countersign.further_entry (right(log_uuid, 64)) WHERE log_uuid IS NOT NULL;
CREATE INDEX further_entry_by_time ON countersign.further_entry (logged_at) WHERE logged_at IS NOT NULL;

-- A daemon of before would log such evidence with one entry and one timestamp, publish that and call it signed. It is refused,
-- and tries again until a newer one was faster. As the owner, since roles get the new table only after this.
CREATE FUNCTION countersign.evidence_is_logged_whole() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(NEW.further_timestamps) > 0
        OR EXISTS (SELECT FROM countersign.further_entry f WHERE f.evidence_id = NEW.id) THEN
        RAISE object_not_in_prerequisite_state
            USING MESSAGE = 'several timestamps or log entries of one signature wait for a daemon that knows migration 26';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evidence_logged_whole BEFORE UPDATE OF logged_at ON countersign.evidence FOR EACH ROW
    WHEN (OLD.logged_at IS NULL AND NEW.logged_at IS NOT NULL AND NEW.abandoned_at IS NULL AND NOT NEW.logged_whole)
    EXECUTE FUNCTION countersign.evidence_is_logged_whole();

-- ---------------------------------------------------------------------------------------------------------------------
-- As in migration 20; `work` deletes no further entry either.
CREATE OR REPLACE FUNCTION countersign.grant_roles() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    found   record;
    part    record;
    granted int := 0;
BEGIN
    DELETE FROM countersign.role_grant g WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = g.role);
    FOR found IN SELECT kind, role FROM countersign.role_grant ORDER BY kind, role LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA countersign TO %I', found.role);
        -- a daemon that starts looks whether the database is of its version
        IF to_regclass('public.schema_migration') IS NOT NULL THEN
            EXECUTE format('GRANT SELECT ON public.schema_migration TO %I', found.role);
        END IF;
        CASE found.kind
        WHEN 'work' THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA countersign TO %I', found.role);
            EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA countersign TO %I', found.role);
            EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA countersign TO %I', found.role);
            -- history is written once, what was migrated is not the daemon's, and it cannot give itself more
            EXECUTE format('REVOKE UPDATE, DELETE ON countersign.audit, countersign.event, countersign.audit_anchor,
                countersign.log_alarm FROM %I', found.role);
            FOR part IN SELECT inhrelid::regclass AS name FROM pg_catalog.pg_inherits
                WHERE inhparent = 'countersign.event'::regclass LOOP
                EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM %I', part.name, found.role);
            END LOOP;
            -- what was signed is kept, and so is whatever it rests on
            EXECUTE format('REVOKE DELETE ON countersign.alert, countersign.revocation, countersign.evidence,
                countersign.evidence_target, countersign.further_entry, countersign.attestation, countersign.repository
                FROM %I', found.role);
            -- who may command it is not for the daemon to say
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON countersign.api_token FROM %I', found.role);
            EXECUTE format('GRANT UPDATE (last_used_at) ON countersign.api_token TO %I', found.role);
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON countersign.role_grant FROM %I', found.role);
            EXECUTE format('REVOKE EXECUTE ON FUNCTION countersign.tell(text, text, jsonb), countersign.grant_roles(),
                countersign.set_for_role(text, text, text), countersign.own_create_event_partitions(int),
                countersign.own_drop_event_partitions(interval) FROM %I', found.role);
        WHEN 'intake' THEN
            EXECUTE format('GRANT SELECT, INSERT ON countersign.repository, countersign.tag_history TO %I', found.role);
            EXECUTE format('GRANT INSERT ON countersign.event TO %I', found.role);
            -- a push makes a target due; who signed it, and where, is out of its reach
            EXECUTE format('GRANT SELECT ON countersign.target, countersign.job TO %I', found.role);
            EXECUTE format('GRANT INSERT (digest, repository_id, purpose, generation, media_type, rule, policy_version),
                UPDATE (state, last_error, media_type, rule, policy_version, pushes, pushed_at, updated_at)
                ON countersign.target TO %I', found.role);
            EXECUTE format('GRANT INSERT (kind, target_id, repository_id, tag, lane, actor, delivery_key, run_at, received_at, depth),
                UPDATE (pushed_again, run_at, lane, depth, delivery_key, cancel_requested) ON countersign.job TO %I', found.role);
            EXECUTE format('GRANT SELECT, DELETE, UPDATE (delivery_key) ON countersign.dead_letter TO %I', found.role);
            EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA countersign TO %I', found.role);
        WHEN 'read' THEN
            EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA countersign TO %I', found.role);
            EXECUTE format('REVOKE SELECT ON countersign.api_token FROM %I', found.role);
        END CASE;
        granted := granted + 1;
    END LOOP;
    RETURN granted;
END $$;
