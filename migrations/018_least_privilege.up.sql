-- Countersign, migration 18: history is out of the daemon's reach in its partitions too, and who lifts an alarm of a log or
-- grants a role stands in the audit log.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- As in migration 12, except that `work`
--   - may not write to a partition of `event` by its own name: a push is inserted through the table, and nothing is changed;
--   - deletes nothing of what is kept for ever (signed heads of the audit log, alerts, alarms of logs, revocations), and
--     lifts no alarm of a log: the owner does.
-- Partitions that are made later belong to the owner, and nobody is granted anything on them.
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
            EXECUTE format('REVOKE DELETE ON countersign.alert, countersign.revocation FROM %I', found.role);
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

-- ---------------------------------------------------------------------------------------------------------------------
-- Lifting the alarm of a log that contradicted itself lets us sign for it again: an act, with somebody's name.
CREATE OR REPLACE FUNCTION countersign.clear_log_alarm(alarmed text, operator text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    lifted integer;
BEGIN
    IF coalesce(operator, '') = '' THEN
        RAISE EXCEPTION 'who clears an alarm gives a name' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    WITH cleared AS (
        UPDATE countersign.log_alarm SET cleared_at = now(), cleared_by = operator
        WHERE log = alarmed AND cleared_at IS NULL RETURNING log, origin),
    forgotten AS (
        DELETE FROM countersign.log_checkpoint c USING cleared a WHERE c.log = a.log AND c.origin = a.origin)
    SELECT count(*)::integer INTO lifted FROM cleared;
    IF lifted > 0 THEN
        INSERT INTO countersign.audit (actor, action, outcome, detail)
        VALUES (left('database: ' || operator, 128), 'log.clear_alarm', 'accepted', left('log ' || alarmed, 1000));
    END IF;
    RETURN lifted;
END $$;
