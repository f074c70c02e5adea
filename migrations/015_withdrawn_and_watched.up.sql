-- Countersign, migration 15: what was revoked may be deleted from its registry; what the looks at logs passed over is counted;
-- receivers of notifications go only when no daemon has them any more.
-- compatible from: 13
--
-- Additive. Daemons of the version before do not know the word `deleted`: give `registries[].deletion` once all of them are of
-- this one. One of them that starts beside newer ones still removes the receivers that it does not have.

-- ---------------------------------------------------------------------------------------------------------------------
ALTER TABLE countersign.revocation
    DROP CONSTRAINT revocation_removal_check,
    DROP CONSTRAINT revocation_check1,
    ADD COLUMN removal_error jsonb CHECK (removal_error ?& ARRAY['code', 'stage', 'observed', 'fix']), -- of the last attempt
    ADD CONSTRAINT revocation_removal CHECK (removal IN ('none', 'asked', 'removed', 'deleted', 'listed')), -- listed: by the registry itself
    ADD CONSTRAINT revocation_removed_at CHECK ((removal IN ('removed', 'deleted', 'listed')) = (removed_at IS NOT NULL));

-- After `revocation`: whoever publishes reads that one first.
ALTER TABLE countersign.attachment ADD COLUMN deleted_at timestamptz;

-- ---------------------------------------------------------------------------------------------------------------------
-- Of the entries that were passed: those of kinds that we do not read, and those that could not be read as what they say.
-- Whoever signs as us in one of them is not seen.
ALTER TABLE countersign.followed_log
    ADD COLUMN unknown_kinds bigint NOT NULL DEFAULT 0 CHECK (unknown_kinds >= 0),
    ADD COLUMN unreadable    bigint NOT NULL DEFAULT 0 CHECK (unreadable >= 0);

-- ---------------------------------------------------------------------------------------------------------------------
-- When a daemon last said that it has this receiver.
ALTER TABLE countersign.notification_sink ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
