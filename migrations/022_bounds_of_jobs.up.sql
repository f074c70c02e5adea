-- Countersign, migration 22: no row of a job or an event that arithmetic of the others would fail on.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- Whoever may insert a push may write these times. `now() - received_at` of an infinite one fails (22008), and with it every
-- claim or clean-up that meets the row; a counter at its type's end does the same to whoever adds to it. Daemons stop counting
-- at the bound; those of the version before cannot come near it by counting.
--
-- Rows of before are mended first; of events only the default partition can have such rows, and those that are there already are
-- not looked at again: the lock that this takes must not be held for a scan of them all.
UPDATE countersign.job SET received_at = now() WHERE NOT isfinite(received_at);
UPDATE countersign.job SET run_at = now() WHERE NOT isfinite(run_at);
UPDATE countersign.job
SET attempt = least(attempt, 1000000000), failures = least(failures, 1000000000), crash_count = least(crash_count, 1000000000)
WHERE greatest(attempt, failures, crash_count) > 1000000000;
UPDATE countersign.event SET received_at = now() WHERE received_at = ANY('{infinity,-infinity}'::timestamptz[]);

ALTER TABLE countersign.job
    ADD CONSTRAINT job_times CHECK (isfinite(received_at) AND isfinite(run_at)),
    ADD CONSTRAINT job_counters CHECK (attempt <= 1000000000 AND failures <= 1000000000 AND crash_count <= 1000000000);
ALTER TABLE countersign.event ADD CONSTRAINT event_received_at CHECK (isfinite(received_at)) NOT VALID;
