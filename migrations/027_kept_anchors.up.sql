-- Countersign, migration 27: signed heads of the audit log that nobody hides, tags that were given up are told, and an intake
-- that is a member of a role.
-- compatible from: 13
--
-- Additive. The locks first, in the order of a push; a job that is given up takes the last two the other way round, and one of
-- both is then run again.
LOCK TABLE countersign.evidence, countersign.target, countersign.dead_letter IN SHARE ROW EXCLUSIVE MODE;

-- ---------------------------------------------------------------------------------------------------------------------
-- What a log took of a signed head stays as it is, also what was put aside with its entry because that can never verify. A head
-- is put aside before it counts as logged or never, so that no daemon has to change it. For everybody: a migration that must
-- switches the trigger off. The row itself is held by the reference of `audit_anchor`.
CREATE FUNCTION countersign.logged_head_is_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM countersign.audit_anchor a WHERE a.evidence_id = OLD.id) THEN
        RAISE restrict_violation USING MESSAGE = 'a signed head of the audit log that is in a log is not changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evidence_head_kept BEFORE UPDATE OF payload, signature, certificate_chain, timestamp_token, further_timestamps, log,
    log_request, logged_at, log_entry, log_id, log_index, log_uuid, integrated_at, bundle, abandoned_at
    ON countersign.evidence FOR EACH ROW
    WHEN (OLD.logged_at IS NOT NULL
        AND (OLD.payload, OLD.signature, OLD.certificate_chain, OLD.timestamp_token, OLD.further_timestamps, OLD.log,
            OLD.log_request, OLD.logged_at, OLD.log_entry, OLD.log_id, OLD.log_index, OLD.log_uuid, OLD.integrated_at, OLD.bundle,
            OLD.abandoned_at)
        IS DISTINCT FROM (NEW.payload, NEW.signature, NEW.certificate_chain, NEW.timestamp_token, NEW.further_timestamps, NEW.log,
            NEW.log_request, NEW.logged_at, NEW.log_entry, NEW.log_id, NEW.log_index, NEW.log_uuid, NEW.integrated_at, NEW.bundle,
            NEW.abandoned_at))
    EXECUTE FUNCTION countersign.logged_head_is_kept();

-- ---------------------------------------------------------------------------------------------------------------------
-- A tag whose job was given up has no target that could show it: its letter is told, each time that one is written.
CREATE FUNCTION countersign.tell_dead_letter() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    repository text;
    reference  text;
BEGIN
    IF NOT EXISTS (SELECT FROM countersign.notification_sink) THEN RETURN NULL; END IF;
    SELECT r.registry || '/' || r.name INTO repository FROM countersign.repository r WHERE r.id = NEW.repository_id;
    reference := left(repository || ':' || NEW.tag, 1000); -- no bound holds for the tag of a job
    PERFORM countersign.tell(
        'dev.countersign.artifact.failed', reference,
        jsonb_build_object(
            'reference', reference, 'repository', repository, 'tag', NEW.tag, 'state', 'failed',
            'received_at', NEW.received_at, 'error', NEW.error));
    RETURN NULL;
END $$;
CREATE TRIGGER dead_letter_told AFTER INSERT ON countersign.dead_letter FOR EACH ROW
    WHEN (NEW.target_id IS NULL AND NEW.tag IS NOT NULL)
    EXECUTE FUNCTION countersign.tell_dead_letter();

-- ---------------------------------------------------------------------------------------------------------------------
-- As in migration 12, but told by the right, not by the name of who connected: `intake` may be a role with members. Its right
-- is to some columns of a target. Whoever may update all of them (the owner, `work`) passes, and for them, at two changes of
-- state for each signature, no function is called.
CREATE OR REPLACE FUNCTION countersign.intake_says_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the intake may only queue a target';
END $$;
CREATE OR REPLACE TRIGGER target_intake BEFORE UPDATE OF state ON countersign.target FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state
        AND NOT (NEW.state = 'queued' AND OLD.state IN ('waiting', 'refused', 'gone', 'failed', 'cancelled'))
        AND NOT has_table_privilege('countersign.target'::regclass, 'UPDATE'))
    EXECUTE FUNCTION countersign.intake_says_queued();
