-- Ids are 16 bytes, times microseconds since 1970 in UTC, documents JSON text.

CREATE TABLE medianest_libraries (
    id             BLOB    NOT NULL PRIMARY KEY,
    tenant         BLOB    NOT NULL,
    name           TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    recipe         TEXT    NOT NULL,
    recipe_version INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX medianest_libraries_by_name ON medianest_libraries (tenant, name, id);

CREATE TABLE medianest_members (
    tenant     BLOB    NOT NULL,
    library_id BLOB    NOT NULL REFERENCES medianest_libraries (id) ON DELETE CASCADE,
    subject    TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    added_at   INTEGER NOT NULL,
    PRIMARY KEY (library_id, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX medianest_members_by_subject ON medianest_members (tenant, subject, library_id);

CREATE TABLE medianest_intents (
    id         BLOB    NOT NULL PRIMARY KEY,
    tenant     BLOB    NOT NULL,
    key        TEXT    NOT NULL,
    taken      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX medianest_intents_by_expiry ON medianest_intents (expires_at);

CREATE TABLE medianest_blobs (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       BLOB    NOT NULL,
    key          TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    sha256       BLOB    NOT NULL,
    content_type TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    purge_after  INTEGER,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX medianest_blobs_by_content ON medianest_blobs (tenant, sha256, size)
    WHERE state <> 'purging';
CREATE INDEX medianest_blobs_tombstoned ON medianest_blobs (purge_after) WHERE state = 'tombstoned';
CREATE INDEX medianest_blobs_purging ON medianest_blobs (id) WHERE state = 'purging';

CREATE TABLE medianest_assets (
    -- Grows with each asset; what the search index knows it by.
    seq             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id              BLOB    NOT NULL UNIQUE,
    tenant          BLOB    NOT NULL,
    library_id      BLOB    NOT NULL REFERENCES medianest_libraries (id),
    owner           TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    failure_code    TEXT,
    failure_message TEXT,
    kind            TEXT,
    name            TEXT    NOT NULL,
    blob_id         BLOB    NOT NULL REFERENCES medianest_blobs (id),
    facts           TEXT,
    taken_at        INTEGER NOT NULL,
    attached_to     TEXT,
    expires_at      INTEGER,
    trashed         INTEGER NOT NULL,
    trashed_at      INTEGER,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    search_text     TEXT    NOT NULL,
    idempotency_key TEXT,
    ingested_name   TEXT    NOT NULL
) STRICT;
CREATE INDEX medianest_assets_by_blob ON medianest_assets (blob_id);
CREATE UNIQUE INDEX medianest_assets_by_idempotency_key
    ON medianest_assets (tenant, owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX medianest_assets_staged ON medianest_assets (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX medianest_assets_trashed ON medianest_assets (trashed_at) WHERE trashed_at IS NOT NULL;
-- Each order of a list is a walk along one of these; kind, state and owner are filtered within the index.
CREATE INDEX medianest_assets_taken
    ON medianest_assets (tenant, trashed, taken_at, id, kind, state, owner);
CREATE INDEX medianest_assets_added
    ON medianest_assets (tenant, trashed, created_at, id, kind, state, owner);
CREATE INDEX medianest_assets_library_taken
    ON medianest_assets (library_id, trashed, taken_at, id, kind, state, owner);
CREATE INDEX medianest_assets_library_added
    ON medianest_assets (library_id, trashed, created_at, id, kind, state, owner);

CREATE TABLE medianest_renditions (
    id              BLOB    NOT NULL PRIMARY KEY,
    tenant          BLOB    NOT NULL,
    -- No reference: tombstones outlive their asset.
    asset_id        BLOB    NOT NULL,
    job_id          BLOB    NOT NULL,
    variant         TEXT    NOT NULL,
    definition      TEXT    NOT NULL,
    fingerprint     TEXT    NOT NULL,
    required        INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    failure_code    TEXT,
    failure_message TEXT,
    info            TEXT,
    size            INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    purging         INTEGER NOT NULL,
    purge_after     INTEGER
) STRICT;
CREATE INDEX medianest_renditions_by_asset ON medianest_renditions (asset_id, variant, created_at);
CREATE INDEX medianest_renditions_by_job ON medianest_renditions (job_id);
CREATE UNIQUE INDEX medianest_renditions_ready ON medianest_renditions (asset_id, variant)
    WHERE state = 'ready';
CREATE UNIQUE INDEX medianest_renditions_open ON medianest_renditions (asset_id, variant)
    WHERE state IN ('pending', 'failed');
CREATE INDEX medianest_renditions_tombstoned ON medianest_renditions (purging, purge_after)
    WHERE state = 'tombstoned';

CREATE TABLE medianest_parts (
    rendition_id BLOB    NOT NULL REFERENCES medianest_renditions (id) ON DELETE CASCADE,
    ordinal      INTEGER NOT NULL,
    tenant       BLOB    NOT NULL,
    key          TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    duration_us  INTEGER NOT NULL,
    PRIMARY KEY (rendition_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE medianest_jobs (
    id              BLOB    NOT NULL PRIMARY KEY,
    tenant          BLOB    NOT NULL,
    kind            TEXT    NOT NULL,
    asset_id        BLOB,
    payload         TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    failures        INTEGER NOT NULL,
    crashes         INTEGER NOT NULL,
    run_at          INTEGER NOT NULL,
    lease_until     INTEGER,
    worker          TEXT,
    progress        REAL    NOT NULL,
    called_off      INTEGER NOT NULL,
    failure_code    TEXT,
    failure_message TEXT,
    created_at      INTEGER NOT NULL,
    finished_at     INTEGER
) STRICT;
CREATE INDEX medianest_jobs_queued ON medianest_jobs (kind, priority DESC, run_at, id)
    WHERE state = 'queued';
CREATE INDEX medianest_jobs_running ON medianest_jobs (lease_until, kind) WHERE state = 'running';
CREATE INDEX medianest_jobs_dead ON medianest_jobs (kind) WHERE state = 'dead';
CREATE INDEX medianest_jobs_ended ON medianest_jobs (finished_at) WHERE state IN ('done', 'cancelled');
CREATE INDEX medianest_jobs_by_asset ON medianest_jobs (asset_id, id) WHERE asset_id IS NOT NULL;
CREATE INDEX medianest_jobs_by_tenant ON medianest_jobs (tenant, id, kind, state);

CREATE TABLE medianest_queues (
    kind   TEXT    NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE medianest_events (
    -- The order of writing, which is not the order of committing.
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id         BLOB    NOT NULL,
    position   INTEGER,
    tenant     BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    library_id BLOB,
    subject    TEXT,
    data       TEXT    NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX medianest_events_unnumbered ON medianest_events (seq) WHERE position IS NULL;
CREATE UNIQUE INDEX medianest_events_numbered ON medianest_events (position) WHERE position IS NOT NULL;
CREATE INDEX medianest_events_by_tenant ON medianest_events (tenant, position) WHERE position IS NOT NULL;

-- One row: the life of the log, the newest position given, the newest position deleted.
CREATE TABLE medianest_event_log (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch   INTEGER NOT NULL,
    head    INTEGER NOT NULL,
    trimmed INTEGER NOT NULL
) STRICT;
INSERT INTO medianest_event_log (id, epoch, head, trimmed) VALUES (1, 1, 0, 0);

CREATE TABLE medianest_consumers (
    tenant   BLOB    NOT NULL,
    name     TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- Words folded and split by us, separated by spaces: the tokenizer only splits. Rows by seq of the asset.
CREATE VIRTUAL TABLE medianest_search USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

CREATE TABLE medianest_users (
    id                   BLOB    NOT NULL PRIMARY KEY,
    tenant               BLOB    NOT NULL,
    login                TEXT    NOT NULL,
    login_key            TEXT    NOT NULL,
    name                 TEXT    NOT NULL,
    password_hash        TEXT    NOT NULL,
    role                 TEXT    NOT NULL,
    must_change_password INTEGER NOT NULL,
    disabled_at          INTEGER,
    auth_epoch           INTEGER NOT NULL,
    created_at           INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX medianest_users_by_login ON medianest_users (tenant, login_key);
CREATE INDEX medianest_users_by_role ON medianest_users (tenant, role);

CREATE TABLE medianest_sessions (
    id            BLOB    NOT NULL PRIMARY KEY,
    tenant        BLOB    NOT NULL,
    user_id       BLOB    NOT NULL REFERENCES medianest_users (id) ON DELETE CASCADE,
    auth_epoch    INTEGER NOT NULL,
    client        TEXT    NOT NULL,
    refresh_hash  BLOB    NOT NULL,
    previous_hash BLOB,
    created_at    INTEGER NOT NULL,
    refreshed_at  INTEGER NOT NULL,
    -- The idle expiry, never after the absolute one.
    expires_at    INTEGER NOT NULL,
    ends_at       INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT;
CREATE INDEX medianest_sessions_by_user ON medianest_sessions (user_id, id);
CREATE INDEX medianest_sessions_over ON medianest_sessions (coalesce(ended_at, expires_at));
