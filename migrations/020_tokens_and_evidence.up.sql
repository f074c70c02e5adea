-- Countersign, migration 20: the daemon's role makes no tokens, and deletes nothing of what was signed.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- As in migration 18, except that `work` may not write to `api_token` but when a token was used (`countersign token` works as
-- the owner), nor delete evidence, attestations and repositories.
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
                countersign.evidence_target, countersign.attestation, countersign.repository FROM %I', found.role);
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
