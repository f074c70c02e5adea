-- Countersign, migration 9: what makes up for webhooks that were lost, what looks again at what was published, and who else
-- signs under our name.
--
-- Additive. A daemon of the version before goes on beside a newer one and knows nothing of all this; what a sweep or a look
-- back puts into the queue are jobs like any other.

-- ---------------------------------------------------------------------------------------------------------------------
-- turn: one daemon at a time for work that asks somebody outside: a registry that is swept, a log that is followed. A lease,
-- not a lock, because it is held across such calls. Whoever writes what came of it looks at its row first.
CREATE TABLE countersign.turn (
    name       text        PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 2100), -- sweep:<registry>, log:<url>
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------------------------------------------------------------
-- swept_registry: whether a registry names its repositories, and how far the look at published signatures came in it.
CREATE TABLE countersign.swept_registry (
    registry          text        PRIMARY KEY CHECK (length(registry) BETWEEN 1 AND 255),
    requested_at      timestamptz,                      -- somebody asked for it; null again once its repositories are known
    due_at            timestamptz,                      -- when its repositories are listed again; null: only on request
    catalog           text        NOT NULL DEFAULT 'unknown' CHECK (catalog IN ('unknown', 'not_needed', 'listed', 'absent')),
    page              text        CHECK (length(page) BETWEEN 1 AND 4096), -- the next page of a listing that is under way
    listed_at         timestamptz,                      -- when its repositories were last known completely
    failures          int         NOT NULL DEFAULT 0 CHECK (failures >= 0),
    error             jsonb       CHECK (error ?& ARRAY['code', 'stage', 'observed', 'fix']),
    -- the look back: a round goes over all targets of the registry, by repository and id
    recheck_stepped_at   timestamptz NOT NULL DEFAULT now(),
    recheck_round_at     timestamptz,                   -- when the round began that is under way; null between two
    recheck_ended_at     timestamptz,                   -- when the last whole round ended
    recheck_repository   int         NOT NULL DEFAULT 0,
    recheck_target       bigint      NOT NULL DEFAULT 0,
    recheck_queued       bigint      NOT NULL DEFAULT 0 -- of the round under way, else of the last
) WITH (fillfactor = 50);

-- swept_repository: where the sweep of one repository stands, and what the last whole one came to.
CREATE TABLE countersign.swept_repository (
    repository_id int         PRIMARY KEY REFERENCES countersign.repository,
    requested_at  timestamptz,                          -- somebody asked for it; null again at the end
    due_at        timestamptz,                          -- null: only on request
    started_at    timestamptz,                          -- of the sweep that is under way; null between two
    page          text        CHECK (length(page) BETWEEN 1 AND 4096),
    swept_at      timestamptz,                          -- when the last whole sweep ended
    -- counts of the sweep that is under way, else of the last: tags; digests that no webhook had told of and that were put
    -- into the queue; tags that point elsewhere than they did; tags whose manifest cannot be read
    tags          int         NOT NULL DEFAULT 0 CHECK (tags >= 0),
    missed        int         NOT NULL DEFAULT 0 CHECK (missed >= 0),
    moved         int         NOT NULL DEFAULT 0 CHECK (moved >= 0),
    unreadable    int         NOT NULL DEFAULT 0 CHECK (unreadable >= 0),
    failures      int         NOT NULL DEFAULT 0 CHECK (failures >= 0), -- in a row: drives the backoff
    error         jsonb       CHECK (error ?& ARRAY['code', 'stage', 'observed', 'fix']),
    CHECK (page IS NULL OR started_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX swept_repository_due ON countersign.swept_repository (due_at);

-- ---------------------------------------------------------------------------------------------------------------------
-- alert: something that somebody has to look at. One open at a time for a key; it ends when its cause does, and stays as a
-- record.
CREATE TABLE countersign.alert (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key             text        NOT NULL CHECK (length(key) BETWEEN 1 AND 512),
    code            text        NOT NULL CHECK (code ~ '^[a-z0-9_.]{1,100}$'),
    repository_id   int         REFERENCES countersign.repository, -- null: it is about no repository
    digest          text        CHECK (digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'),
    observed        text        NOT NULL CHECK (length(observed) <= 2000),
    fix             text        NOT NULL CHECK (length(fix) <= 500),
    facts           jsonb       NOT NULL DEFAULT '{}',   -- names and values, as text
    raised_at       timestamptz NOT NULL DEFAULT now(),
    seen_at         timestamptz NOT NULL DEFAULT now(),  -- when its cause was last met
    times           int         NOT NULL DEFAULT 1,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text        CHECK (length(note) BETWEEN 1 AND 1000),
    ended_at        timestamptz,
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CHECK (note IS NULL OR acknowledged_at IS NOT NULL)
);
CREATE UNIQUE INDEX alert_standing ON countersign.alert (key) WHERE ended_at IS NULL;
CREATE INDEX alert_open ON countersign.alert (id) WHERE ended_at IS NULL AND acknowledged_at IS NULL;

-- ---------------------------------------------------------------------------------------------------------------------
-- followed_log: how far a log was read for entries under our identities.
CREATE TABLE countersign.followed_log (
    log        text        PRIMARY KEY CHECK (length(log) BETWEEN 1 AND 2048), -- its URL
    next_index bigint      NOT NULL CHECK (next_index >= 0),
    began_at   bigint      NOT NULL CHECK (began_at >= 0),                      -- the index of the first entry that was read
    read_at    timestamptz NOT NULL DEFAULT now(),
    entries    bigint      NOT NULL DEFAULT 0,
    ours       bigint      NOT NULL DEFAULT 0
);

-- suspected_entry: an entry under one of our identities that no evidence explains. It becomes an alert unless one does
-- within the grace: after a restore of an older dump, signatures are found again one by one.
CREATE TABLE countersign.suspected_entry (
    log        text        NOT NULL,
    log_id     text        NOT NULL CHECK (log_id ~ '^[0-9a-f]{64}$'),
    log_index  bigint      NOT NULL CHECK (log_index >= 0),
    signature  bytea       NOT NULL,
    identity   text        NOT NULL,
    issuer     text        NOT NULL,
    facts      jsonb       NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log, log_index)
);

-- Whose signature an entry holds is asked of everything that was ever prepared: also of what the log took and we do not know
-- yet, and of what was put aside. The signature is the one thing that all of them have.
CREATE INDEX evidence_by_signature ON countersign.evidence USING hash (signature);
