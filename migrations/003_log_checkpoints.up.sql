-- Countersign, migration 3: what transparency logs have told us.
--
-- A log must never show one history today and another tomorrow. So every checkpoint it gives us is kept: one row for a tree
-- and size, so that a second root of the same size is noticed at once, and a periodic look proves that each extends the last.

-- Checkpoints that were seen. `log` is the log's URL, `origin` the tree's own name. `note` is the signed note: the evidence.
CREATE TABLE countersign.log_checkpoint (
    log       text        NOT NULL CHECK (length(log) BETWEEN 1 AND 2048),
    origin    text        NOT NULL CHECK (length(origin) BETWEEN 1 AND 2048),
    size      bigint      NOT NULL CHECK (size >= 0),
    root      bytea       NOT NULL CHECK (octet_length(root) = 32),
    note      text        NOT NULL CHECK (length(note) BETWEEN 1 AND 16384),
    seen_at   timestamptz NOT NULL DEFAULT now(),
    -- consistent with every other proven one of the tree; null: not looked at yet
    proven_at timestamptz,
    PRIMARY KEY (log, origin, size)
);

CREATE INDEX log_checkpoint_pending ON countersign.log_checkpoint (log, origin) WHERE proven_at IS NULL;

-- A log contradicted itself: nothing is entered in it until somebody has cleared the alarm. Rows stay as a record.
CREATE TABLE countersign.log_alarm (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    log         text        NOT NULL CHECK (length(log) BETWEEN 1 AND 2048),
    origin      text        NOT NULL CHECK (length(origin) BETWEEN 1 AND 2048),
    detail      text        NOT NULL,
    first_note  text        NOT NULL,
    second_note text        NOT NULL,
    raised_at   timestamptz NOT NULL DEFAULT now(),
    cleared_at  timestamptz,
    cleared_by  text,
    CHECK ((cleared_at IS NULL) = (cleared_by IS NULL))
);

CREATE UNIQUE INDEX log_alarm_open ON countersign.log_alarm (log) WHERE cleared_at IS NULL;

-- What an operator calls once the contradiction is explained. The tree's remembered checkpoints go: what the log says next
-- is believed as on the first day. Returns how many alarms were cleared.
CREATE FUNCTION countersign.clear_log_alarm(alarmed text, operator text) RETURNS integer LANGUAGE sql AS $$
    WITH cleared AS (
        UPDATE countersign.log_alarm SET cleared_at = now(), cleared_by = operator
        WHERE log = alarmed AND cleared_at IS NULL RETURNING log, origin),
    forgotten AS (
        DELETE FROM countersign.log_checkpoint c USING cleared a WHERE c.log = a.log AND c.origin = a.origin)
    SELECT count(*)::integer FROM cleared
$$;
