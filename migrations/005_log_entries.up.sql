-- Countersign, migration 5: our entries in the logs, to be searched by who signed, for what, when, and where they are.

-- ---------------------------------------------------------------------------------------------------------------------
-- evidence: whose certificate it is. Known before the entry is public, so that an entry that was put aside is found by the
-- name that a monitor of the log would look for. null: a managed key signed, or a daemon of the version before wrote it.
ALTER TABLE countersign.evidence ADD COLUMN identity text, ADD COLUMN issuer text;
UPDATE countersign.evidence e SET identity = t.identity, issuer = t.issuer
FROM countersign.evidence_target l JOIN countersign.target t ON t.id = l.target_id
WHERE l.evidence_id = e.id AND t.identity IS NOT NULL AND cardinality(e.certificate_chain) > 0;

-- All of these hold rows only from the log's answer on: until then a row changes without them.
CREATE INDEX evidence_by_identity ON countersign.evidence (identity, id DESC) WHERE log_index IS NOT NULL;
CREATE INDEX evidence_by_index ON countersign.evidence (log_index) WHERE log_index IS NOT NULL;
CREATE INDEX evidence_by_uuid ON countersign.evidence (right(log_uuid, 64)) WHERE log_uuid IS NOT NULL; -- the leaf's hash
CREATE INDEX evidence_by_time ON countersign.evidence (logged_at) WHERE logged_at IS NOT NULL;
CREATE INDEX evidence_target_by_target ON countersign.evidence_target (target_id); -- evidence_one_live has the live ones only
