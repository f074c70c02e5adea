-- Countersign, migration 19: predicate types in the scope of every role.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- A token of any role may be confined to predicate types, beside its repositories: `**` for all. A daemon of the version
-- before keeps such a token from sending documents of other types, and lets it read them.
ALTER TABLE countersign.api_token DROP CONSTRAINT api_token_scope;
ALTER TABLE countersign.api_token ADD CONSTRAINT api_token_scope CHECK (CASE
    WHEN role = 'attester' OR predicate_types IS NOT NULL
    THEN coalesce(cardinality(repositories), 0) > 0 AND coalesce(cardinality(predicate_types), 0) > 0
    ELSE repositories IS NULL OR cardinality(repositories) > 0 END);
