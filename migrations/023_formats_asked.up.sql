-- Countersign, migration 23: a batch may ask for fewer formats than the rule names.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- Null: all that the rule names. It counts only while `pushes` is `formats_as_of`: whoever asks for the digest after that asks
-- for all, and need not know these columns. So a push that a daemon of the version before stores lifts the limit, and so does
-- one by the role of the intake, which has no right to them. A daemon of the version before that gets hold of such a job signs
-- in all formats of the rule, as it always did.
ALTER TABLE countersign.target
    ADD COLUMN formats       text[],
    ADD COLUMN formats_as_of int;
-- the rows that are there have none: they need not be read under the lock
ALTER TABLE countersign.target
    ADD CONSTRAINT target_formats CHECK (formats <@ ARRAY['bundle', 'legacy'] AND cardinality(formats) > 0) NOT VALID;

-- ---------------------------------------------------------------------------------------------------------------------
-- Why a member of a batch that groups is signed by itself.
ALTER TABLE countersign.batch_member
    ADD COLUMN alone jsonb CHECK (alone ?& ARRAY['code', 'stage', 'observed', 'fix']);
