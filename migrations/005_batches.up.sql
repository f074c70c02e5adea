-- Countersign, batches: many references asked for at once, signatures made anew, and signatures withdrawn.
--
-- Additive. A daemon of the version before goes on: it neither expands batches nor claims the kind `withdraw`, and what
-- it signs of a batch counts all the same, because a member's result is read from its target.

-- ---------------------------------------------------------------------------------------------------------------------
-- batch: one request for many references. Stored with all its members in one commit before it is answered; from then on
-- any daemon carries it on, in bounded steps.
CREATE TABLE countersign.batch (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action          text        NOT NULL CHECK (action IN ('sign', 'resign')),
    state           text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'cancelled', 'done')),
    token_id        bigint      NOT NULL REFERENCES countersign.api_token (id),
    token_name      text        NOT NULL,
    idempotency_key text        NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_sha256  bytea       NOT NULL CHECK (octet_length(request_sha256) = 32), -- another body under the same key is refused
    selector        text        CHECK (length(selector) <= 65536),   -- JSON, as it was asked; null for a list
    formats         text[]      CHECK (formats <@ ARRAY['bundle', 'legacy'] AND cardinality(formats) > 0),
    reason          text        CHECK (length(reason) BETWEEN 1 AND 1000),
    old             text        CHECK (old IN ('keep', 'remove')),
    members         int         NOT NULL CHECK (members BETWEEN 0 AND 100000),
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz NOT NULL DEFAULT now(),              -- again with each resume: the rate is measured from here
    ended_at        timestamptz,                                     -- when nothing was left to wait for
    UNIQUE (token_id, idempotency_key),
    CHECK ((action = 'resign') = (old IS NOT NULL)),
    CHECK (action <> 'resign' OR reason IS NOT NULL),
    CHECK (state <> 'done' OR ended_at IS NOT NULL),
    CHECK (state <> 'running' OR ended_at IS NULL)
);
CREATE INDEX batch_open ON countersign.batch (id) WHERE ended_at IS NULL;

-- batch_member: one reference. `pending` until it became (or joined) a target; its result is its target's end, written
-- down once, so that what happens to the artifact later does not change what the batch did.
CREATE TABLE countersign.batch_member (
    batch_id   bigint      NOT NULL REFERENCES countersign.batch ON DELETE CASCADE,
    ordinal    int         NOT NULL CHECK (ordinal >= 0),
    registry   text        NOT NULL CHECK (length(registry) BETWEEN 1 AND 255),
    repository text        NOT NULL CHECK (length(repository) BETWEEN 1 AND 255),
    tag        text        CHECK (length(tag) BETWEEN 1 AND 128),
    digest     text        CHECK (digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'), -- null: the registry is asked
    target_id  bigint      REFERENCES countersign.target (id),
    is_new     boolean     NOT NULL DEFAULT false,       -- it made its target, or a new generation of it
    result     text        CHECK (result IN ('signed', 'failed', 'refused', 'gone', 'cancelled', 'revoked')),
    error      jsonb       CHECK (error ?& ARRAY['code', 'stage', 'observed', 'fix']),
    failures   int         NOT NULL DEFAULT 0 CHECK (failures >= 0),
    due_at     timestamptz NOT NULL DEFAULT now(),       -- when the registry may be asked (again) where the tag points
    ended_at   timestamptz,
    PRIMARY KEY (batch_id, ordinal),
    CHECK (digest IS NOT NULL OR tag IS NOT NULL),
    CHECK (digest IS NOT NULL OR target_id IS NULL),
    CHECK ((result IS NULL) = (ended_at IS NULL)),
    CHECK (target_id IS NOT NULL OR result IS DISTINCT FROM 'signed'),
    CHECK (NOT is_new OR target_id IS NOT NULL)
) WITH (fillfactor = 85);
CREATE INDEX batch_member_pending ON countersign.batch_member (batch_id, ordinal) WHERE target_id IS NULL AND result IS NULL;
CREATE INDEX batch_member_open ON countersign.batch_member (batch_id, target_id) WHERE target_id IS NOT NULL AND result IS NULL;
CREATE INDEX batch_member_digest ON countersign.batch_member (batch_id, digest) WHERE target_id IS NOT NULL;
CREATE INDEX batch_member_target ON countersign.batch_member (target_id);

-- ---------------------------------------------------------------------------------------------------------------------
-- target_generation: why a target is signed anew. One row for each generation but the first.
CREATE TABLE countersign.target_generation (
    target_id     bigint      PRIMARY KEY REFERENCES countersign.target (id),
    reason        text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    removes_older boolean     NOT NULL,     -- older signatures of ours are taken out of what registries list
    token_name    text        NOT NULL,
    batch_id      bigint      NOT NULL,     -- no reference: batches are forgotten, this is not
    opened_at     timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------------------
-- revocation: a digest that is not to be signed in a repository, until it is released. Its newest target says `revoked`
-- exactly as long; this row says who, why, and what became of what had been published.
CREATE TABLE countersign.revocation (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository_id  int         NOT NULL REFERENCES countersign.repository,
    digest         text        NOT NULL CHECK (digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'),
    reason         text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    token_name     text        NOT NULL,
    revoked_at     timestamptz NOT NULL DEFAULT now(),
    removal        text        NOT NULL CHECK (removal IN ('none', 'asked', 'removed', 'listed')), -- listed: by the registry itself
    removed_at     timestamptz,
    released_at    timestamptz,
    released_by    text,
    release_reason text        CHECK (length(release_reason) BETWEEN 1 AND 1000),
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    CHECK ((removal IN ('removed', 'listed')) = (removed_at IS NOT NULL))
);
CREATE UNIQUE INDEX revocation_in_force ON countersign.revocation (repository_id, digest) WHERE released_at IS NULL;

-- what was put in a registry and taken out of its lists again
ALTER TABLE countersign.attachment ADD COLUMN removed_at timestamptz;

ALTER TABLE countersign.job ADD CONSTRAINT job_withdraw_target CHECK (kind <> 'withdraw' OR target_id IS NOT NULL);
