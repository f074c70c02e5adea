-- Countersign, migration 24: which logs the identity monitor goes on with once the instance has replaced them.
-- compatible from: 13
--
-- Additive. A daemon of the version before follows what it began by itself, and until it ends; what it reads moves the same place.

-- ---------------------------------------------------------------------------------------------------------------------
-- Of a log that the instance chose, not the configuration: with its URL that is all that has to be known to go on with it after
-- a restart, when nobody else names it any more.
ALTER TABLE countersign.followed_log
    ADD COLUMN api_version smallint CHECK (api_version >= 1), -- null: it is followed only while it is in use
    ADD COLUMN at_end      boolean  NOT NULL DEFAULT false;   -- it had nothing more when it was last read
