-- Countersign, migration 1: what a push becomes.
--
-- Permanent record and hot work are different tables. A `target` stays for ever and its primary key is the uniqueness
-- rule ("never sign the same thing twice"); a `job` exists only while there is work left and is deleted when it ends, so
-- that claims never walk past finished millions and vacuum works on megabytes.
--
-- States are text with CHECK constraints: a row that contradicts itself cannot be stored, whatever the code does.
-- Every lease and every delay is measured with the clock of this database, never with a daemon's.

CREATE SCHEMA IF NOT EXISTS countersign;

-- ---------------------------------------------------------------------------------------------------------------------
-- repository: dictionary. Filled only for repositories that the configuration allows; what a payload merely claims stays
-- in `event`, so that strings chosen by an attacker never grow this table.
CREATE TABLE countersign.repository (
    id       int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    registry text NOT NULL CHECK (length(registry) BETWEEN 1 AND 255), -- canonical name, as in the signed statement
    name     text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    UNIQUE (registry, name)
);

-- ---------------------------------------------------------------------------------------------------------------------
-- event: one push notification as it was received. Append-only, one partition a day, dropped (never DELETEd) when old.
-- It is history, not authority: duplicates are folded by the primary key of `target`.
CREATE SEQUENCE countersign.event_id;
CREATE TABLE countersign.event (
    id             bigint      NOT NULL DEFAULT nextval('countersign.event_id'),
    received_at    timestamptz NOT NULL DEFAULT now(),
    source         text        NOT NULL CHECK (length(source) BETWEEN 1 AND 255), -- the endpoint that took it
    delivery_key   bytea       NOT NULL CHECK (octet_length(delivery_key) <= 64), -- names the delivery in logs and here
    registry       text        NOT NULL CHECK (length(registry) <= 255),   -- as claimed when refused, canonical when accepted
    repository     text        NOT NULL CHECK (length(repository) <= 255),
    digest         text                 CHECK (length(digest) <= 140),
    tag            text                 CHECK (length(tag) <= 128),
    media_type     text                 CHECK (length(media_type) <= 255),
    actor          text                 CHECK (length(actor) <= 255),
    verdict        text        NOT NULL CHECK (verdict IN ('accepted', 'known', 'filtered', 'refused')),
    reason         text                 CHECK (length(reason) <= 500),
    policy_version text,
    target_id      bigint,                                                 -- what it became; null while only a tag is known
    body           bytea       NOT NULL CHECK (octet_length(body) <= 1048576), -- scrubbed of URLs, tokens and addresses
    PRIMARY KEY (received_at, id),
    CHECK (verdict NOT IN ('filtered', 'refused') OR reason IS NOT NULL),
    CHECK (verdict <> 'known' OR target_id IS NOT NULL),
    CHECK (verdict NOT IN ('filtered', 'refused') OR target_id IS NULL)
) PARTITION BY RANGE (received_at);
CREATE INDEX event_delivery ON countersign.event (delivery_key);
CREATE INDEX event_refused ON countersign.event (digest, received_at DESC) WHERE verdict = 'refused'; -- the status API answers from it

-- An alarm, not a home: a row here means that nobody created partitions ahead. See create_event_partitions.
CREATE TABLE countersign.event_default PARTITION OF countersign.event DEFAULT;

-- Creates today's partition and those of the next `ahead` days (UTC), and moves into them what fell into the default
-- partition meanwhile. Returns how many rows that were: more than 0 is worth an alert. Called by this migration and by
-- the janitor of every daemon; the advisory lock lives only for this transaction.
CREATE FUNCTION countersign.create_event_partitions(ahead int) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
    first_day date := current_date;
    day       date;
    partition text;
    strayed   bigint := 0;
    moved     bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('countersign.event', 0));
    FOR day IN
        SELECT d::date FROM generate_series(first_day, first_day + ahead, interval '1 day') AS d
        UNION SELECT received_at::date FROM countersign.event_default
        ORDER BY 1
    LOOP
        partition := format('event_%s', to_char(day, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass('countersign.' || partition) IS NOT NULL;
        -- ATTACH takes a weaker lock on `event` than PARTITION OF would: pushes go on being written meanwhile.
        EXECUTE format('CREATE TABLE countersign.%I (LIKE countersign.event INCLUDING ALL)', partition);
        EXECUTE format(
            'WITH strayed AS (DELETE FROM countersign.event_default WHERE received_at >= %L AND received_at < %L RETURNING *) '
            'INSERT INTO countersign.%I SELECT * FROM strayed', day, day + 1, partition);
        GET DIAGNOSTICS moved = ROW_COUNT;
        strayed := strayed + moved;
        EXECUTE format('ALTER TABLE countersign.event ATTACH PARTITION countersign.%I FOR VALUES FROM (%L) TO (%L)',
            partition, day, day + 1);
    END LOOP;
    RETURN strayed;
END $$;

-- Drops whole days older than `keep`. Returns how many partitions went.
CREATE FUNCTION countersign.drop_event_partitions(keep interval) RETURNS int
LANGUAGE plpgsql SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
    partition text;
    dropped   int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('countersign.event', 0));
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'countersign.event'::regclass AND c.relname ~ '^event_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= now() - keep
    LOOP
        EXECUTE format('DROP TABLE countersign.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

SELECT countersign.create_event_partitions(7);

-- ---------------------------------------------------------------------------------------------------------------------
-- target: one thing to sign. Permanent. For an image the purpose is 'signature'; an attestation's purpose names its
-- predicate type and document. A re-sign campaign is a new generation: visible, attributable, unique in its own right.
-- No index contains `state` or a time, so that finishing a target is a heap-only update.
CREATE SEQUENCE countersign.target_id;
CREATE TABLE countersign.target (
    digest          text        NOT NULL CHECK (digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'),
    repository_id   int         NOT NULL REFERENCES countersign.repository,
    purpose         text        NOT NULL DEFAULT 'signature' CHECK (length(purpose) BETWEEN 1 AND 500),
    generation      int         NOT NULL DEFAULT 0 CHECK (generation >= 0),
    id              bigint      NOT NULL DEFAULT nextval('countersign.target_id') UNIQUE,
    state           text        NOT NULL DEFAULT 'queued' CHECK (state IN
        ('queued', 'signing', 'waiting', 'signed', 'failed', 'refused', 'gone', 'cancelled', 'revoked')),
    media_type      text,
    rule            text        NOT NULL,            -- the policy rule that let it in
    policy_version  text        NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(), -- first push
    pushed_at       timestamptz NOT NULL DEFAULT now(), -- latest push
    pushes          int         NOT NULL DEFAULT 1,
    attempts        int         NOT NULL DEFAULT 0,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    last_error      jsonb       CHECK (last_error ?& ARRAY['code', 'stage', 'observed', 'fix']),
    -- facts of the signature that a verifier can find, copied here so that the status API reads one row
    identity        text,
    issuer          text,
    log_id          text        CHECK (log_id ~ '^[0-9a-f]{64}$'),
    log_index       bigint      CHECK (log_index >= 0),
    log_uuid        text        CHECK (log_uuid ~ '^[0-9a-f]{64,80}$'),
    integrated_at   timestamptz,
    referrer_digest text        CHECK (referrer_digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'),
    signed_at       timestamptz,                     -- when it became signed first
    verified_at     timestamptz,                     -- when the registry's copy last passed our verifier
    PRIMARY KEY (digest, repository_id, purpose, generation),
    -- "signed" is a claim about evidence: it cannot be stored without it
    CHECK (state <> 'signed' OR (identity IS NOT NULL AND issuer IS NOT NULL AND log_id IS NOT NULL
        AND log_index IS NOT NULL AND referrer_digest IS NOT NULL AND signed_at IS NOT NULL AND verified_at IS NOT NULL)),
    CHECK (state NOT IN ('waiting', 'failed', 'refused', 'gone') OR last_error IS NOT NULL)
) WITH (fillfactor = 85);
CREATE INDEX target_by_repository ON countersign.target (repository_id, id DESC);

-- ---------------------------------------------------------------------------------------------------------------------
-- job: work that is left. HOT and small: inserted with its push, deleted when it ends. A new kind of work is a new value
-- of `kind` and one Swift file; a daemon claims only the kinds it knows, so that old and new versions can share a table.
--
-- Fencing: every claim draws a new lease_token from one sequence, and every later write of that attempt carries it. One
-- sequence for all rows, because a job that was buried and redriven is a *new* row: a counter per row would start again
-- and let a zombie of the first life match the second.
CREATE SEQUENCE countersign.job_id;
CREATE SEQUENCE countersign.lease_token;
CREATE TABLE countersign.job (
    id               bigint      PRIMARY KEY DEFAULT nextval('countersign.job_id'),
    kind             text        NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,30}$'),
    target_id        bigint      UNIQUE REFERENCES countersign.target (id), -- at most one job for a target
    repository_id    int         NOT NULL REFERENCES countersign.repository,
    tag              text,                            -- resolve: what to ask the registry for
    actor            text,
    delivery_key     bytea       CHECK (octet_length(delivery_key) <= 64), -- of the latest push: one id from webhook to log
    lane             smallint    NOT NULL DEFAULT 1 CHECK (lane BETWEEN 0 AND 2), -- 0 live push, 1 default, 2 bulk
    run_at           timestamptz NOT NULL DEFAULT now(),
    received_at      timestamptz NOT NULL DEFAULT now(), -- the push that made it; push→signed is measured from here
    leased           boolean     NOT NULL DEFAULT false,
    lease_token      bigint      NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    worker           uuid,
    attempt          int         NOT NULL DEFAULT 0 CHECK (attempt >= 0),  -- those that count towards an end
    failures         int         NOT NULL DEFAULT 0 CHECK (failures >= 0), -- all, in a row: drives the backoff
    first_failed_at  timestamptz,
    crash_count      int         NOT NULL DEFAULT 0 CHECK (crash_count >= 0),
    alone            boolean     NOT NULL DEFAULT false, -- the holder runs nothing else: a crash now is this job's own
    pushed_again     boolean     NOT NULL DEFAULT false, -- a push came during the attempt: its end re-queues
    cancel_requested boolean     NOT NULL DEFAULT false,
    last_error       jsonb,
    CHECK (leased = (worker IS NOT NULL AND lease_expires_at IS NOT NULL)),
    CHECK (leased OR NOT (pushed_again OR alone OR cancel_requested)),
    CHECK (kind <> 'sign' OR target_id IS NOT NULL),
    CHECK (kind <> 'resolve' OR (target_id IS NULL AND tag IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0.2);
CREATE INDEX job_claim ON countersign.job (lane, run_at, id) WHERE NOT leased;   -- matches the ORDER BY of the claim exactly
CREATE INDEX job_lease ON countersign.job (lease_expires_at) WHERE leased;
CREATE INDEX job_resolve ON countersign.job (repository_id, tag) WHERE kind = 'resolve'; -- the status of a tag asks for it

-- dead_letter: given up, and why. Kept until it is redriven, pushed again or expires.
CREATE TABLE countersign.dead_letter (
    job_id          bigint      PRIMARY KEY,
    kind            text        NOT NULL,
    target_id       bigint      UNIQUE REFERENCES countersign.target (id),
    repository_id   int         NOT NULL REFERENCES countersign.repository,
    tag             text,
    delivery_key    bytea,
    buried_at       timestamptz NOT NULL DEFAULT now(),
    received_at     timestamptz NOT NULL,
    attempts        int         NOT NULL,
    crashes         int         NOT NULL,
    first_failed_at timestamptz,
    error           jsonb       NOT NULL CHECK (error ?& ARRAY['code', 'stage', 'observed', 'fix'])
);
CREATE INDEX dead_letter_by_age ON countersign.dead_letter (buried_at, job_id);
CREATE INDEX dead_letter_by_tag ON countersign.dead_letter (repository_id, tag) WHERE target_id IS NULL;

-- ---------------------------------------------------------------------------------------------------------------------
-- evidence: one signed envelope and its log entry. Written in two commits around the public act: `log_request` holds the
-- exact bytes BEFORE they are sent, so that a lost answer is recovered by sending the same bytes, never by signing again.
-- The private key is never here.
CREATE SEQUENCE countersign.evidence_id;
CREATE TABLE countersign.evidence (
    id                    bigint      PRIMARY KEY DEFAULT nextval('countersign.evidence_id'),
    format                text        NOT NULL CHECK (format IN ('bundle', 'legacy')),
    prepared_at           timestamptz NOT NULL DEFAULT now(),
    payload               bytea       NOT NULL,       -- the statement that was signed
    signature             bytea       NOT NULL,
    certificate_chain     bytea[]     NOT NULL,       -- DER, leaf first; empty for a managed key
    certificate_not_after timestamptz,
    timestamp_token       bytea,                      -- RFC 3161 TimeStampResp
    log                   text        NOT NULL,       -- which log it goes to (its configured name)
    log_request           bytea       NOT NULL,       -- empty only for an entry that was found, not made
    log_request_sha256    bytea       NOT NULL GENERATED ALWAYS AS (sha256(log_request)) STORED,
    logged_at             timestamptz,
    log_entry             bytea,                      -- the entry as the log returned it
    log_id                text        CHECK (log_id ~ '^[0-9a-f]{64}$'),
    log_index             bigint      CHECK (log_index >= 0),
    log_uuid              text,
    integrated_at         timestamptz,
    bundle                bytea,
    first_missed_at       timestamptz,                -- when the log, asked, first did not have it
    abandoned_at          timestamptz,
    abandon_reason        text,
    CHECK ((logged_at IS NULL) = (log_entry IS NULL)),
    CHECK (logged_at IS NULL OR (log_id IS NOT NULL AND log_index IS NOT NULL)),
    CHECK ((abandoned_at IS NULL) = (abandon_reason IS NULL)),
    -- "send the same bytes again" must be possible for as long as the log's answer is not known
    CHECK (octet_length(log_request) > 0 OR logged_at IS NOT NULL)
) WITH (fillfactor = 85);
-- One live row for an entry. Abandoned rows keep theirs, so that whoever watches the log can have it explained.
CREATE UNIQUE INDEX evidence_log ON countersign.evidence (log_id, log_index)
    WHERE log_index IS NOT NULL AND abandoned_at IS NULL;

-- evidence_target: what an envelope covers. One row for a push, many for a group. The unique index is the last line of
-- defence: two live signatures of one target in one format cannot be stored.
CREATE TABLE countersign.evidence_target (
    evidence_id bigint  NOT NULL REFERENCES countersign.evidence,
    target_id   bigint  NOT NULL REFERENCES countersign.target (id),
    format      text    NOT NULL,
    live        boolean NOT NULL DEFAULT true,
    PRIMARY KEY (evidence_id, target_id)
);
CREATE UNIQUE INDEX evidence_one_live ON countersign.evidence_target (target_id, format) WHERE live;

-- attachment: one thing that we put in a registry. The manifest is rendered once and kept: pushing it again is then the
-- same bytes under the same digest.
CREATE TABLE countersign.attachment (
    evidence_id     bigint      NOT NULL,
    target_id       bigint      NOT NULL,
    format          text        NOT NULL CHECK (format IN ('bundle', 'legacy')),
    manifest        bytea       NOT NULL,
    media_type      text        NOT NULL,
    digest          text        NOT NULL CHECK (digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'),
    rendered_at     timestamptz NOT NULL DEFAULT now(),
    pushed_at       timestamptz,                      -- last time the registry accepted it
    verified_at     timestamptz,                      -- last time its own copy passed our verifier
    missing_at      timestamptz,                      -- when a check found it gone; null again once restored
    PRIMARY KEY (evidence_id, target_id),
    FOREIGN KEY (evidence_id, target_id) REFERENCES countersign.evidence_target (evidence_id, target_id)
) WITH (fillfactor = 85);
CREATE INDEX attachment_by_target ON countersign.attachment (target_id);

-- subject_lease: who may write the referrers, fallback index or `.sig` tag of one subject now. A short lease with a
-- fencing token instead of a lock: it is held across calls to a registry, and no transaction or session may be.
CREATE TABLE countersign.subject_lease (
    repository_id int         NOT NULL REFERENCES countersign.repository,
    digest        text        NOT NULL,
    token         bigint      NOT NULL,
    job_id        bigint      NOT NULL,
    lease_token   bigint      NOT NULL,               -- the attempt that holds it: the same attempt may take it again
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (repository_id, digest)
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------------------------------------------------------------
-- tag_history: where a tag points, told by a push (accepted or refused) or resolved by us. Append-only: the ledger of
-- moves. Only of repositories that are in the dictionary: others have nothing that a tag could be mistaken for.
CREATE TABLE countersign.tag_history (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository_id int         NOT NULL REFERENCES countersign.repository,
    tag           text        NOT NULL CHECK (length(tag) BETWEEN 1 AND 128),
    digest        text        CHECK (digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'), -- null: moved, nobody said where
    source        text        NOT NULL CHECK (source IN ('told', 'resolved')),
    actor         text,
    seen_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (source = 'told' OR digest IS NOT NULL)
);
CREATE INDEX tag_history_latest ON countersign.tag_history (repository_id, tag, id DESC);

-- worker: heartbeat of each daemon process. A fresh UUID at every start: a reused host name must not hide a dead process.
CREATE TABLE countersign.worker (
    id         uuid        PRIMARY KEY,
    host       text        NOT NULL,
    version    text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    draining   boolean     NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- api_token: who may read and act. Only the SHA-256 of a token is here; the token has 256 bits of its own, so a slow hash
-- would protect nothing.
CREATE TABLE countersign.api_token (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    role         text        NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE UNIQUE INDEX api_token_name ON countersign.api_token (name) WHERE revoked_at IS NULL;
