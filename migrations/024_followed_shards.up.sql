-- Countersign, migration 24: which logs the identity monitor goes on with once the instance has replaced them.
-- compatible from: 13
--
-- Additive. A daemon of the version before follows what it began by itself, and until it ends; what it reads moves the same place.

-- ---------------------------------------------------------------------------------------------------------------------
-- Of a log that the instance chose, not the configuration: with its URL that is all that has to be known to go on with it after
-- a restart, when nobody else names it any more.
ALTER TABLE countersign.followed_log
    ADD COLUMN api_version smallint CHECK (api_version >= 1), -- null: it is followed only while it is in use
    ADD COLUMN known_size  bigint   NOT NULL DEFAULT 0 CHECK (known_size >= 0), -- the most entries that it ever said it has
    ADD COLUMN at_end      boolean  NOT NULL DEFAULT false,   -- it was read to its end since it was replaced
    ADD COLUMN unanswered_since timestamptz;                  -- of a replaced one: since when nothing could be read
