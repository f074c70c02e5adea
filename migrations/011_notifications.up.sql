-- Countersign, notifications: what became of an artifact, told to whom the configuration names.
--
-- Additive. The outbox is filled by triggers, in the commit that makes the event true: no path of the code can change a
-- state and forget to tell it, and nothing is told that was rolled back. Without a row in notification_sink the triggers
-- read an empty table and write nothing.

-- notification_sink: a receiver of the configuration that was read last. Which of its events it wants; where it lives
-- and its secret stay in the configuration.
CREATE TABLE countersign.notification_sink (
    name       text        PRIMARY KEY CHECK (name ~ '^[a-z0-9-]{1,63}$'),
    types      text[]      NOT NULL CHECK (cardinality(types) > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- outbox: one event for one receiver, until that one has taken it. HOT and small, as `job` is.
CREATE TABLE countersign.outbox (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid        NOT NULL,                    -- the event's `id`: the same at every delivery, and for all receivers
    sink        text        NOT NULL CHECK (length(sink) <= 63),
    type        text        NOT NULL CHECK (length(type) <= 100),
    subject     text        NOT NULL CHECK (length(subject) <= 1000), -- registry/repository@digest
    data        jsonb       NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    due_at      timestamptz NOT NULL DEFAULT now(),      -- while a delivery runs: when it counts as lost
    attempts    int         NOT NULL DEFAULT 0,
    last_error  jsonb       CHECK (last_error ?& ARRAY['code', 'stage', 'observed', 'fix'])
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_due ON countersign.outbox (sink, due_at, id);

-- One event for each receiver that wants its type.
CREATE FUNCTION countersign.tell(event_type text, event_subject text, event_data jsonb) RETURNS void
LANGUAGE sql AS $$
    WITH event AS MATERIALIZED (SELECT gen_random_uuid() AS id)
    INSERT INTO countersign.outbox (event_id, sink, type, subject, data)
    SELECT event.id, s.name, event_type, event_subject, event_data
    FROM countersign.notification_sink s, event
    WHERE event_type = ANY (s.types)
$$;

-- A target reached a state that somebody may wait for. What is only under way is not told.
CREATE FUNCTION countersign.tell_target() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    repository text;
BEGIN
    -- the common case: nobody listens
    IF NOT EXISTS (SELECT FROM countersign.notification_sink) THEN RETURN NULL; END IF;
    SELECT r.registry || '/' || r.name INTO repository FROM countersign.repository r WHERE r.id = NEW.repository_id;
    PERFORM countersign.tell(
        'dev.countersign.artifact.' || NEW.state,
        repository || '@' || NEW.digest,
        jsonb_strip_nulls(jsonb_build_object(
            'reference', repository || '@' || NEW.digest, 'repository', repository, 'digest', NEW.digest,
            'purpose', NEW.purpose, 'generation', NEW.generation, 'state', NEW.state,
            'media_type', NEW.media_type, 'rule', NEW.rule, 'policy_version', NEW.policy_version,
            'received_at', NEW.received_at, 'signed_at', NEW.signed_at,
            'identity', NEW.identity, 'issuer', NEW.issuer, 'log_id', NEW.log_id, 'log_index', NEW.log_index,
            'integrated_at', NEW.integrated_at, 'referrer_digest', NEW.referrer_digest,
            'error', CASE WHEN NEW.state <> 'signed' THEN NEW.last_error END)));
    RETURN NULL;
END $$;

CREATE TRIGGER target_told AFTER UPDATE OF state ON countersign.target FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state IN ('signed', 'failed', 'refused', 'gone', 'revoked'))
    EXECUTE FUNCTION countersign.tell_target();
CREATE TRIGGER target_told_new AFTER INSERT ON countersign.target FOR EACH ROW
    WHEN (NEW.state IN ('signed', 'failed', 'refused', 'gone', 'revoked'))
    EXECUTE FUNCTION countersign.tell_target();

-- A transparency log contradicted itself.
CREATE FUNCTION countersign.tell_log_alarm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM countersign.tell('dev.countersign.log.contradiction', NEW.log, 
        jsonb_build_object('log', NEW.log, 'origin', NEW.origin, 'detail', NEW.detail, 'raised_at', NEW.raised_at));
    RETURN NULL;
END $$;
CREATE TRIGGER log_alarm_told AFTER INSERT ON countersign.log_alarm FOR EACH ROW
    EXECUTE FUNCTION countersign.tell_log_alarm();

-- Something that somebody has to look at.
CREATE FUNCTION countersign.tell_alert() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    repository text;
BEGIN
    IF NOT EXISTS (SELECT FROM countersign.notification_sink) THEN RETURN NULL; END IF;
    SELECT r.registry || '/' || r.name INTO repository FROM countersign.repository r WHERE r.id = NEW.repository_id;
    PERFORM countersign.tell(
        'dev.countersign.alert.raised', coalesce(repository || coalesce('@' || NEW.digest, ''), NEW.key),
        jsonb_strip_nulls(jsonb_build_object(
            'alert', NEW.id, 'code', NEW.code, 'repository', repository, 'digest', NEW.digest,
            'observed', NEW.observed, 'fix', NEW.fix, 'facts', NEW.facts, 'raised_at', NEW.raised_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER alert_told AFTER INSERT ON countersign.alert FOR EACH ROW EXECUTE FUNCTION countersign.tell_alert();
