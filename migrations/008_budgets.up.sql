-- Countersign, migration 8: what all daemons together may ask of a service, and whether it is asked at all.
--
-- Additive: a daemon of the version before asks without budget and breaker, as it always did.

-- ---------------------------------------------------------------------------------------------------------------------
-- upstream: one row for each service and registry, with its circuit breaker and what is left of its budget. Written when
-- something changes (a breaker opens, a handful of tokens is taken), never for each request. The steps are
-- Budgets/CircuitBreaker.swift and Budgets/TokenBucket.swift; here they meet, under the lock of the row.
CREATE TABLE countersign.upstream (
    kind         text             NOT NULL CHECK (kind IN ('fulcio', 'tsa', 'rekor', 'identity', 'registry')),
    name         text             NOT NULL CHECK (length(name) BETWEEN 1 AND 2048),
    openings     int              NOT NULL DEFAULT 0 CHECK (openings >= 0), -- in a row; 0: closed
    open_until   timestamptz,                                    -- from then on one holder may try
    probe_holder uuid,
    probe_until  timestamptz,                                    -- its holder may have died
    changed_at   timestamptz      NOT NULL DEFAULT now(),         -- when the breaker last opened or closed
    failure_code text             CHECK (length(failure_code) <= 100),
    failed_at    timestamptz,
    tokens       double precision NOT NULL DEFAULT 1 CHECK (tokens >= 0),
    refilled_at  timestamptz      NOT NULL DEFAULT now(),
    slowed_rate  double precision CHECK (slowed_rate > 0),        -- it was too much: what the rate was lowered to
    slowed_from  double precision,
    slowed_at    timestamptz,
    paused_until timestamptz,                                    -- Retry-After
    PRIMARY KEY (kind, name),
    CHECK ((openings = 0) = (open_until IS NULL)),
    CHECK ((probe_holder IS NULL) = (probe_until IS NULL)),
    CHECK (probe_until IS NULL OR open_until IS NOT NULL),
    CHECK ((slowed_rate IS NULL) = (slowed_at IS NULL) AND (slowed_rate IS NULL) = (slowed_from IS NULL)),
    CHECK ((failure_code IS NULL) = (failed_at IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Jobs that wait for a breaker: due at once when it closes. Only these have the member.
CREATE INDEX job_withheld ON countersign.job ((last_error ->> 'upstream'), id) WHERE NOT leased AND last_error ? 'upstream';

-- ---------------------------------------------------------------------------------------------------------------------
-- tenant: whose repositories they are, as the configuration says. Claims are shared out among tenants, so that nobody's
-- flood stands before another's push. Rows are never deleted: jobs of one that left the configuration are claimed all the
-- same.
CREATE TABLE countersign.tenant (
    id   smallint PRIMARY KEY CHECK (id >= 0),
    name text     NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63)
);
INSERT INTO countersign.tenant (id, name) VALUES (0, 'everybody');

-- null: not looked at yet; the daemons do so within a second.
ALTER TABLE countersign.repository ADD COLUMN tenant smallint REFERENCES countersign.tenant;
CREATE INDEX repository_unassigned ON countersign.repository (id) WHERE tenant IS NULL;

-- Copied, so that a claim reads one index and nothing else.
ALTER TABLE countersign.job ADD COLUMN tenant smallint NOT NULL DEFAULT 0;
CREATE FUNCTION countersign.job_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.tenant := coalesce((SELECT r.tenant FROM countersign.repository r WHERE r.id = NEW.repository_id), 0);
    RETURN NEW;
END $$;
CREATE TRIGGER job_tenant BEFORE INSERT ON countersign.job FOR EACH ROW EXECUTE FUNCTION countersign.job_tenant();

-- How many indexes lead to it: those within those within an index are not followed.
ALTER TABLE countersign.job ADD COLUMN depth smallint NOT NULL DEFAULT 0 CHECK (depth >= 0);

DROP INDEX countersign.job_claim;
CREATE INDEX job_claim ON countersign.job (lane, tenant, run_at, id) WHERE NOT leased; -- matches the ORDER BY of the claim exactly

CREATE INDEX job_by_repository ON countersign.job (repository_id, id) WHERE NOT leased; -- those of one registry or tenant

-- ---------------------------------------------------------------------------------------------------------------------
-- repository_day: signatures that a repository with a daily cap got in a UTC day. Counted before a signature is made, given
-- back if it is not; only of repositories that have a cap.
CREATE TABLE countersign.repository_day (
    repository_id int  NOT NULL REFERENCES countersign.repository,
    day           date NOT NULL,
    signatures    int  NOT NULL CHECK (signatures >= 0),
    PRIMARY KEY (repository_id, day)
) WITH (fillfactor = 50);
