-- Countersign, migration 30: the intake changes what others pushed as a push does, and not otherwise.
-- compatible from: 13
--
-- Additive: every statement of a push, also of a daemon of before, passes. Whoever takes the webhooks' role over can still push
-- what policy allows, but neither keeps back, cancels nor hides what is there. Told by the right, as in migration 27: whoever may
-- update the whole table (the owner, `work`) passes, and for them no function is called. The locks first, in the order of a push.
LOCK TABLE countersign.target, countersign.job, countersign.dead_letter IN SHARE ROW EXCLUSIVE MODE;

CREATE FUNCTION countersign.intake_is_refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the intake may only ' || TG_ARGV[0];
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- A job: brought forward, told of another push, wanted again. A batch's name would have it taken back with the batch. After the
-- row: before it, each claim and heartbeat would lock its row once more.
CREATE TRIGGER job_intake AFTER UPDATE OF run_at, pushed_again, cancel_requested, lane, depth, delivery_key
    ON countersign.job FOR EACH ROW
    WHEN ((NEW.run_at NOT IN (OLD.run_at, least(OLD.run_at, now()))
            OR NEW.pushed_again NOT IN (OLD.pushed_again, OLD.leased)
            OR NEW.cancel_requested > OLD.cancel_requested OR NEW.lane > OLD.lane OR NEW.depth > OLD.depth
            OR (NEW.delivery_key IS DISTINCT FROM OLD.delivery_key AND NEW.delivery_key LIKE 'batch %'))
        AND NOT has_table_privilege('countersign.job'::regclass, 'UPDATE'))
    EXECUTE FUNCTION countersign.intake_is_refused('bring a job forward');
-- One of another kind, or that is due in a hundred years, would stand in the way of those that are to come.
CREATE TRIGGER job_intake_new AFTER INSERT ON countersign.job FOR EACH ROW
    WHEN ((NEW.kind NOT IN ('sign', 'resolve') OR NEW.run_at > now() OR NEW.delivery_key LIKE 'batch %')
        AND NOT has_table_privilege('countersign.job'::regclass, 'UPDATE'))
    EXECUTE FUNCTION countersign.intake_is_refused('queue what was pushed, due at once');

-- ---------------------------------------------------------------------------------------------------------------------
-- A target: as in migration 27, and its error goes with the state that had it, what was signed keeps its rule, and the push is
-- counted, at its time.
CREATE OR REPLACE TRIGGER target_intake BEFORE UPDATE OF state, last_error, rule, policy_version, pushes, pushed_at, updated_at
    ON countersign.target FOR EACH ROW
    WHEN (((OLD.state IS DISTINCT FROM NEW.state
                AND NOT (NEW.state = 'queued' AND OLD.state IN ('waiting', 'refused', 'gone', 'failed', 'cancelled')))
            OR (OLD.last_error IS DISTINCT FROM NEW.last_error
                AND NOT (NEW.last_error IS NULL AND NEW.state = 'queued'
                    AND OLD.state IN ('refused', 'gone', 'failed', 'cancelled')))
            OR (OLD.state = 'signed' AND (OLD.rule, OLD.policy_version) IS DISTINCT FROM (NEW.rule, NEW.policy_version))
            OR NEW.pushes - OLD.pushes NOT IN (0, 1)
            OR NEW.pushed_at NOT IN (OLD.pushed_at, now()) OR NEW.updated_at NOT IN (OLD.updated_at, now()))
        AND NOT has_table_privilege('countersign.target'::regclass, 'UPDATE'))
    EXECUTE FUNCTION countersign.intake_is_refused('queue a target');
DROP FUNCTION countersign.intake_says_queued();

-- What is queued again has a job, once the statement of the push is through.
CREATE FUNCTION countersign.intake_queues_with_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = NEW.id) THEN
        RAISE insufficient_privilege USING MESSAGE = 'the intake may only queue a target with its job';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER target_intake_queued AFTER UPDATE OF state ON countersign.target FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state = 'queued'
        AND NOT has_table_privilege('countersign.target'::regclass, 'UPDATE'))
    EXECUTE FUNCTION countersign.intake_queues_with_job();

-- ---------------------------------------------------------------------------------------------------------------------
-- A dead letter: ended by a push, which has queued the target again, or has written down where the tag went. Of a revoked target
-- there is no job. Few pushes of one tag commit at once: theirs are among its newest rows.
CREATE FUNCTION countersign.intake_ends_letter() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.target_id IS NULL THEN
        PERFORM FROM (SELECT h.seen_at FROM countersign.tag_history h
            WHERE h.repository_id = OLD.repository_id AND h.tag = OLD.tag ORDER BY h.id DESC LIMIT 1000) AS newest
        WHERE newest.seen_at = now();
    ELSE
        PERFORM FROM countersign.target t WHERE t.id = OLD.target_id
            AND (t.state = 'revoked' OR EXISTS (SELECT FROM countersign.job j WHERE j.target_id = t.id));
    END IF;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = 'the intake may only end the letter of what it queues';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER dead_letter_intake AFTER DELETE ON countersign.dead_letter FOR EACH ROW
    WHEN (NOT has_table_privilege('countersign.job'::regclass, 'UPDATE'))
    EXECUTE FUNCTION countersign.intake_ends_letter();
