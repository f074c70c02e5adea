-- Countersign, migration 14: what is kept for how long.
-- compatible from: 13
--
-- Additive. A daemon of the version before goes on: what it makes `gone` is noted by the trigger, and it removes events, dead
-- letters and batches by the figures that were fixed then.

-- ---------------------------------------------------------------------------------------------------------------------
-- deleted_artifact: a target whose image its registry does not have any more, and since when. Its evidence is kept while it
-- could be put back, and for `retention.deleted_artifacts` after that. A table of its own, because no index of `target` may
-- contain its state.
CREATE TABLE countersign.deleted_artifact (
    target_id bigint      PRIMARY KEY REFERENCES countersign.target (id),
    gone_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_artifact_by_age ON countersign.deleted_artifact (gone_at, target_id);

-- Whoever changes a state may note it, also the intake, whose push brings an image back.
CREATE FUNCTION countersign.note_deleted_artifact() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.state = 'gone' THEN
        INSERT INTO countersign.deleted_artifact (target_id) VALUES (NEW.id)
        ON CONFLICT (target_id) DO UPDATE SET gone_at = now();
    ELSE
        DELETE FROM countersign.deleted_artifact WHERE target_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER target_deleted AFTER UPDATE OF state ON countersign.target FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND (NEW.state = 'gone' OR OLD.state = 'gone'))
    EXECUTE FUNCTION countersign.note_deleted_artifact();

-- ---------------------------------------------------------------------------------------------------------------------
-- Vacuum. The usual fifth of a table is a working set for the small hot ones and millions of dead rows for the large ones.
ALTER TABLE countersign.worker SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE countersign.turn SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE countersign.subject_lease SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE countersign.target SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE countersign.evidence SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE countersign.attachment SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
