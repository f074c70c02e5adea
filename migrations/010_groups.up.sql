-- Countersign, groups: one statement, one signature and one log entry for many digests of a batch.
--
-- Additive. A daemon of the version before takes the jobs of a group one by one and signs each by itself; what a group has
-- signed it finds as evidence and publishes.

-- ---------------------------------------------------------------------------------------------------------------------
-- What a batch asks for beside its members, and how it fares.
ALTER TABLE countersign.batch
    ADD COLUMN max_subjects        int         CHECK (max_subjects BETWEEN 1 AND 1024),    -- null: a statement for each digest
    ADD COLUMN across_repositories boolean     NOT NULL DEFAULT false,
    ADD COLUMN rate                int         CHECK (rate BETWEEN 1 AND 60000),           -- digests a minute, for each registry
    ADD COLUMN error               jsonb       CHECK (error ?& ARRAY['code', 'stage', 'observed', 'fix']), -- of its last step
    ADD COLUMN failed_at           timestamptz,                            -- when that step failed
    ADD CONSTRAINT batch_failure CHECK ((error IS NULL) = (failed_at IS NULL)),
    ADD CONSTRAINT batch_widening CHECK (max_subjects IS NOT NULL OR NOT across_repositories);

-- batch_pace: when more of a batch may enter the queue for a registry. Moved on in the transaction that lets digests in, so
-- that all daemons together keep the rate.
CREATE TABLE countersign.batch_pace (
    batch_id bigint      NOT NULL REFERENCES countersign.batch ON DELETE CASCADE,
    registry text        NOT NULL,
    free_at  timestamptz NOT NULL,
    PRIMARY KEY (batch_id, registry)
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Jobs that may be signed with one statement have one number. It is a hint to whoever claims one of them; the promise that
-- nothing is signed twice is evidence_target's alone, as before.
CREATE SEQUENCE countersign.signing_group;
ALTER TABLE countersign.job ADD COLUMN group_id bigint;
CREATE INDEX job_group ON countersign.job (group_id, id) WHERE group_id IS NOT NULL AND NOT leased;

-- ---------------------------------------------------------------------------------------------------------------------
-- Evidence of a group is sent to its log by one attempt at a time: every member may find it, and a log that forgets what it
-- was sent would make two entries of two simultaneous requests. A lease and not a lock, because it is held across the call.
ALTER TABLE countersign.evidence
    ADD COLUMN subjects     int         NOT NULL DEFAULT 1 CHECK (subjects BETWEEN 1 AND 1024),
    ADD COLUMN sender       bigint,                                        -- the lease token of the attempt that sends
    ADD COLUMN sender_until timestamptz,
    ADD CONSTRAINT evidence_sender CHECK ((sender IS NULL) = (sender_until IS NULL));
