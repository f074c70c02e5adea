-- Countersign, approvals: a batch that somebody else has to agree to before any of it enters the queue.
--
-- Additive: without `batches.approval` no batch needs one.
ALTER TABLE countersign.batch
    DROP CONSTRAINT batch_state_check,
    ADD CONSTRAINT batch_state_check CHECK (state IN ('proposed', 'running', 'cancelled', 'done')),
    ADD COLUMN needs_approval boolean     NOT NULL DEFAULT false,
    ADD COLUMN approved_by    text        CHECK (length(approved_by) BETWEEN 1 AND 255),
    ADD COLUMN approved_at    timestamptz,
    ADD CONSTRAINT batch_approval CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    ADD CONSTRAINT batch_proposal CHECK (state <> 'proposed' OR (needs_approval AND approved_at IS NULL AND ended_at IS NULL)),
    -- what needs an approval and has none can be proposed or taken back, nothing else
    ADD CONSTRAINT batch_unapproved CHECK (NOT needs_approval OR approved_at IS NOT NULL OR state IN ('proposed', 'cancelled'));
