-- Countersign, roles: what the daemon may do in its database when it does not own it.
--
-- Three kinds, each a role of the operator's choice: `work` (workers, API), `intake` (webhooks: it can store a push and
-- nothing more), `read` (dashboards; no secrets). The role that migrates owns everything. `countersign migrate --grant
-- work=NAME` remembers a role here, and each migration grants anew, because it may have made tables.
--
-- Additive: a daemon that connects as the owner goes on as before.

CREATE TABLE countersign.role_grant (
    kind       text        NOT NULL CHECK (kind IN ('work', 'intake', 'read')),
    role       name        NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, role)
);

-- Partitions are made and dropped by whoever owns the table; the daemon asks for it through these two, within bounds, and
-- can do nothing else to it: what it may not delete it may not have dropped either. The path is fixed, so that no caller
-- can slip in a function of his own.
ALTER FUNCTION countersign.create_event_partitions(int) RENAME TO own_create_event_partitions;
ALTER FUNCTION countersign.drop_event_partitions(interval) RENAME TO own_drop_event_partitions;
REVOKE EXECUTE ON FUNCTION countersign.own_create_event_partitions(int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION countersign.own_drop_event_partitions(interval) FROM PUBLIC;
CREATE FUNCTION countersign.create_event_partitions(ahead int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF session_user <> current_user AND ahead NOT BETWEEN 0 AND 60 THEN
        RAISE insufficient_privilege USING MESSAGE = 'partitions are made for 0 to 60 days ahead';
    END IF;
    RETURN countersign.own_create_event_partitions(ahead);
END $$;
CREATE FUNCTION countersign.drop_event_partitions(keep interval) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF session_user <> current_user AND keep < interval '1 day' THEN
        RAISE insufficient_privilege USING MESSAGE = 'the events of a day are kept';
    END IF;
    RETURN countersign.own_drop_event_partitions(keep);
END $$;
REVOKE EXECUTE ON FUNCTION countersign.create_event_partitions(int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION countersign.drop_event_partitions(interval) FROM PUBLIC;

-- A push makes a target due and says nothing of its signature: whoever is only the intake cannot make one signed, or lift
-- its revocation.
CREATE FUNCTION countersign.intake_says_queued() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM countersign.role_grant WHERE kind = 'intake' AND role = session_user)
        AND NOT EXISTS (SELECT FROM countersign.role_grant WHERE kind = 'work' AND role = session_user) THEN
        RAISE insufficient_privilege USING MESSAGE = 'the intake may only queue a target';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER target_intake BEFORE UPDATE OF state ON countersign.target FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state
        AND NOT (NEW.state = 'queued' AND OLD.state IN ('waiting', 'refused', 'gone', 'failed', 'cancelled')))
    EXECUTE FUNCTION countersign.intake_says_queued();
-- Triggers write the outbox for whoever changes a state, also for the intake.
ALTER FUNCTION countersign.tell_target() SECURITY DEFINER;
ALTER FUNCTION countersign.tell_target() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION countersign.tell_log_alarm() SECURITY DEFINER;
ALTER FUNCTION countersign.tell_log_alarm() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION countersign.tell_alert() SECURITY DEFINER;
ALTER FUNCTION countersign.tell_alert() SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION countersign.tell(text, text, jsonb) FROM PUBLIC;

-- Grants every remembered role what its kind may, on the tables of now. Called by `countersign migrate` at its end.
-- Returns how many roles that were. A role that is gone from the server is forgotten.
CREATE FUNCTION countersign.grant_roles() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    found   record;
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
            EXECUTE format('REVOKE UPDATE, DELETE ON countersign.audit, countersign.event FROM %I', found.role);
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
REVOKE EXECUTE ON FUNCTION countersign.grant_roles() FROM PUBLIC;

-- A setting of every session of this role in this database: where a pooler shares connections, none can be set for a session.
CREATE FUNCTION countersign.set_for_role(role text, name text, value text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %I = %L', role, current_database(), name, value);
END $$;
REVOKE EXECUTE ON FUNCTION countersign.set_for_role(text, text, text) FROM PUBLIC;
