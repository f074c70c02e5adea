-- Countersign, migration 25: tokens that follow their tenants, and no repository whose name is none.
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

-- ---------------------------------------------------------------------------------------------------------------------
-- The names that a daemon reads (`OCI.Repository`), no others: whoever may insert a push may insert a repository, and lists
-- fail at a row that is none. Daemons have written only such rows. One of before by another hand gets a name that no registry
-- has (RFC 2606): what belongs to it stays to be seen, and is refused.
DO $$
DECLARE
    rule text := $rule$length(registry) + 1 + length(name) <= 255
        -- components of letters and digits, with single separators between these
        AND name ~ '^[a-z0-9]+((\.|__?|-+|/)[a-z0-9]+)*$'
        -- a DNS name or an IPv6 address in brackets, in lower case; labels and addresses have bounds, and so has the port
        AND registry ~ '^([a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*|\[([0-9a-f.]+:|:[0-9a-f:.])[0-9a-f:.]*\])(:[0-9]{1,5})?$'
        AND registry !~ '[a-z0-9-]{64}|^\[[^]]{40}'
        AND coalesce(substring(registry FROM ':([0-9]{1,5})$')::int, 1) BETWEEN 1 AND 65535$rule$;
BEGIN
    EXECUTE 'UPDATE countersign.repository SET registry = ''malformed.invalid'', name = ''row-'' || id WHERE NOT (' || rule || ')';
    EXECUTE 'ALTER TABLE countersign.repository ADD CONSTRAINT repository_spelling CHECK (' || rule || ')';
END $$;
