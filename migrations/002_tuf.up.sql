-- Countersign, migration 2: trusted TUF metadata, kept for all daemons.
--
-- Nothing here is believed because it is here: every daemon verifies it from its own pinned root on. It protects against
-- rollbacks (what one daemon saw, all have seen) and serves while the repository is away. `repository` is the URL with the
-- digest of the pinned root: another pinned root is another line of trust.

-- The chain of roots since the pinned one.
CREATE TABLE countersign.tuf_root (
    repository text        NOT NULL CHECK (length(repository) BETWEEN 1 AND 2048),
    version    bigint      NOT NULL CHECK (version > 0),
    content    bytea       NOT NULL CHECK (octet_length(content) <= 1048576),
    stored_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository, version)
);

-- The last trusted metadata of each role, exactly as it was received. Written only forward by (root_version, version):
-- after keys were rotated versions may begin anew, under a higher root.
CREATE TABLE countersign.tuf_metadata (
    repository   text        NOT NULL CHECK (length(repository) BETWEEN 1 AND 2048),
    role         text        NOT NULL CHECK (length(role) BETWEEN 1 AND 1024),
    root_version bigint      NOT NULL CHECK (root_version > 0),
    version      bigint      NOT NULL CHECK (version > 0),
    content      bytea       NOT NULL CHECK (octet_length(content) <= 16777216),
    stored_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository, role)
);

-- Targets: the trusted root and the signing configuration.
CREATE TABLE countersign.tuf_target (
    repository text        NOT NULL CHECK (length(repository) BETWEEN 1 AND 2048),
    path       text        NOT NULL CHECK (length(path) BETWEEN 1 AND 1024),
    content    bytea       NOT NULL CHECK (octet_length(content) <= 67108864),
    stored_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository, path)
);

-- Whose turn it is to ask the repository. A turn ends by itself; correctness does not rest on it.
CREATE TABLE countersign.tuf_turn (
    repository text        PRIMARY KEY CHECK (length(repository) BETWEEN 1 AND 2048),
    holder     uuid        NOT NULL,
    until      timestamptz NOT NULL
);
