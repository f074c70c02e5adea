-- Countersign, migration 28: whose a token is.
-- compatible from: 13
--
-- Two tokens of one person are not two persons. Null: nobody said whose it is, and it is a person by its own name. A batch keeps the
-- person who asked for it; null where a daemon of the version before stored it: there the token says who it was. Such a daemon, while
-- it is there, approves as it always did: by any other token.
ALTER TABLE countersign.api_token ADD COLUMN person text CHECK (length(person) BETWEEN 1 AND 128);
ALTER TABLE countersign.batch ADD COLUMN person text CHECK (length(person) BETWEEN 1 AND 128);
