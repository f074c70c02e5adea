-- Countersign, migration 23: tokens that follow their tenants, and no repository whose name is none.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- A token keeps the names of its tenants; what they have is looked up in the configuration at each request. `repositories` has
-- only what was named beside them, so that it may be empty: a daemon of the version before knows no tenants, and lets such a
-- token do nothing but there. Tokens of before have a copy of what their tenants had, and go on with that.
ALTER TABLE countersign.api_token ADD COLUMN tenants text[];
ALTER TABLE countersign.api_token DROP CONSTRAINT api_token_scope;
ALTER TABLE countersign.api_token ADD CONSTRAINT api_token_scope CHECK (
    CASE WHEN role = 'attester' OR predicate_types IS NOT NULL OR tenants IS NOT NULL
    THEN coalesce(cardinality(repositories) + coalesce(cardinality(tenants), 0), 0) > 0
    ELSE repositories IS NULL OR cardinality(repositories) > 0 END
    AND (role <> 'attester' OR predicate_types IS NOT NULL) AND cardinality(predicate_types) IS DISTINCT FROM 0);
