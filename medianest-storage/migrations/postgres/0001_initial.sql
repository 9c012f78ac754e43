-- Times are microseconds since 1970 in UTC, documents JSON text. What lists are sorted by compares
-- bytewise (COLLATE "C"), as in SQLite.

CREATE TABLE medianest_libraries (
    id             uuid             NOT NULL PRIMARY KEY,
    tenant         uuid             NOT NULL,
    name           text COLLATE "C" NOT NULL,
    version        bigint           NOT NULL,
    recipe         text             NOT NULL,
    recipe_version bigint           NOT NULL,
    created_at     bigint           NOT NULL,
    updated_at     bigint           NOT NULL
);
CREATE INDEX medianest_libraries_by_name ON medianest_libraries (tenant, name, id);

CREATE TABLE medianest_members (
    tenant     uuid             NOT NULL,
    library_id uuid             NOT NULL REFERENCES medianest_libraries (id) ON DELETE CASCADE,
    subject    text COLLATE "C" NOT NULL,
    role       text             NOT NULL,
    added_at   bigint           NOT NULL,
    PRIMARY KEY (library_id, subject)
);
CREATE INDEX medianest_members_by_subject ON medianest_members (tenant, subject, library_id);

CREATE TABLE medianest_intents (
    id         uuid    NOT NULL PRIMARY KEY,
    tenant     uuid    NOT NULL,
    key        text    NOT NULL,
    taken      boolean NOT NULL,
    expires_at bigint  NOT NULL
);
CREATE INDEX medianest_intents_by_expiry ON medianest_intents (expires_at);

CREATE TABLE medianest_blobs (
    id           uuid   NOT NULL PRIMARY KEY,
    tenant       uuid   NOT NULL,
    key          text   NOT NULL,
    size         bigint NOT NULL,
    sha256       bytea  NOT NULL,
    content_type text   NOT NULL,
    state        text   NOT NULL,
    purge_after  bigint,
    created_at   bigint NOT NULL
);
CREATE UNIQUE INDEX medianest_blobs_by_content ON medianest_blobs (tenant, sha256, size)
    WHERE state <> 'purging';
CREATE INDEX medianest_blobs_tombstoned ON medianest_blobs (purge_after) WHERE state = 'tombstoned';
CREATE INDEX medianest_blobs_purging ON medianest_blobs (id) WHERE state = 'purging';

CREATE TABLE medianest_assets (
    -- Grows with each asset; what the search index knows it by.
    seq             bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              uuid             NOT NULL UNIQUE,
    tenant          uuid             NOT NULL,
    library_id      uuid             NOT NULL REFERENCES medianest_libraries (id),
    owner           text             NOT NULL,
    state           text             NOT NULL,
    failure_code    text,
    failure_message text,
    kind            text,
    name            text COLLATE "C" NOT NULL,
    blob_id         uuid             NOT NULL REFERENCES medianest_blobs (id),
    facts           text,
    taken_at        bigint           NOT NULL,
    attached_to     text,
    expires_at      bigint,
    trashed         boolean          NOT NULL,
    trashed_at      bigint,
    version         bigint           NOT NULL,
    created_at      bigint           NOT NULL,
    updated_at      bigint           NOT NULL,
    search_text     text             NOT NULL,
    idempotency_key text,
    ingested_name   text             NOT NULL
);
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
    id              uuid             NOT NULL PRIMARY KEY,
    tenant          uuid             NOT NULL,
    -- No reference: tombstones outlive their asset.
    asset_id        uuid             NOT NULL,
    job_id          uuid             NOT NULL,
    variant         text COLLATE "C" NOT NULL,
    definition      text             NOT NULL,
    fingerprint     text             NOT NULL,
    required        boolean          NOT NULL,
    state           text             NOT NULL,
    failure_code    text,
    failure_message text,
    info            text,
    size            bigint           NOT NULL,
    created_at      bigint           NOT NULL,
    purging         boolean          NOT NULL,
    purge_after     bigint
);
CREATE INDEX medianest_renditions_by_asset ON medianest_renditions (asset_id, variant, created_at);
CREATE INDEX medianest_renditions_by_job ON medianest_renditions (job_id);
CREATE UNIQUE INDEX medianest_renditions_ready ON medianest_renditions (asset_id, variant)
    WHERE state = 'ready';
CREATE UNIQUE INDEX medianest_renditions_open ON medianest_renditions (asset_id, variant)
    WHERE state IN ('pending', 'failed');
CREATE INDEX medianest_renditions_tombstoned ON medianest_renditions (purging, purge_after)
    WHERE state = 'tombstoned';

CREATE TABLE medianest_parts (
    rendition_id uuid   NOT NULL REFERENCES medianest_renditions (id) ON DELETE CASCADE,
    ordinal      bigint NOT NULL,
    tenant       uuid   NOT NULL,
    key          text   NOT NULL,
    size         bigint NOT NULL,
    duration_us  bigint NOT NULL,
    PRIMARY KEY (rendition_id, ordinal)
);

CREATE TABLE medianest_jobs (
    id              uuid             NOT NULL PRIMARY KEY,
    tenant          uuid             NOT NULL,
    kind            text             NOT NULL,
    asset_id        uuid,
    payload         text             NOT NULL,
    state           text             NOT NULL,
    priority        bigint           NOT NULL,
    attempt         bigint           NOT NULL,
    failures        bigint           NOT NULL,
    crashes         bigint           NOT NULL,
    run_at          bigint           NOT NULL,
    lease_until     bigint,
    worker          text,
    progress        double precision NOT NULL,
    called_off      boolean          NOT NULL,
    failure_code    text,
    failure_message text,
    created_at      bigint           NOT NULL,
    finished_at     bigint
);
CREATE INDEX medianest_jobs_queued ON medianest_jobs (kind, priority DESC, run_at, id)
    WHERE state = 'queued';
CREATE INDEX medianest_jobs_running ON medianest_jobs (lease_until, kind) WHERE state = 'running';
CREATE INDEX medianest_jobs_dead ON medianest_jobs (kind) WHERE state = 'dead';
CREATE INDEX medianest_jobs_ended ON medianest_jobs (finished_at) WHERE state IN ('done', 'cancelled');
CREATE INDEX medianest_jobs_by_asset ON medianest_jobs (asset_id, id) WHERE asset_id IS NOT NULL;
CREATE INDEX medianest_jobs_by_tenant ON medianest_jobs (tenant, id, kind, state);

CREATE TABLE medianest_queues (
    kind   text    NOT NULL PRIMARY KEY,
    paused boolean NOT NULL
);

CREATE TABLE medianest_events (
    -- The order of writing, which is not the order of committing.
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid   NOT NULL,
    position   bigint,
    tenant     uuid   NOT NULL,
    kind       text   NOT NULL,
    library_id uuid,
    subject    text,
    data       text   NOT NULL,
    at         bigint NOT NULL
);
CREATE INDEX medianest_events_unnumbered ON medianest_events (seq) WHERE position IS NULL;
CREATE UNIQUE INDEX medianest_events_numbered ON medianest_events (position) WHERE position IS NOT NULL;
CREATE INDEX medianest_events_by_tenant ON medianest_events (tenant, position) WHERE position IS NOT NULL;

-- One row: the life of the log, the newest position given, the newest position deleted.
CREATE TABLE medianest_event_log (
    id      bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch   bigint NOT NULL,
    head    bigint NOT NULL,
    trimmed bigint NOT NULL
);
INSERT INTO medianest_event_log (id, epoch, head, trimmed) VALUES (1, 1, 0, 0);

CREATE TABLE medianest_consumers (
    tenant   uuid             NOT NULL,
    name     text COLLATE "C" NOT NULL,
    epoch    bigint           NOT NULL,
    position bigint           NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Words folded and split by us: no dictionary, no stemming.
CREATE TABLE medianest_search (
    seq   bigint   NOT NULL PRIMARY KEY REFERENCES medianest_assets (seq) ON DELETE CASCADE,
    words tsvector NOT NULL
);
CREATE INDEX medianest_search_by_words ON medianest_search USING gin (words) WITH (fastupdate = off);

CREATE TABLE medianest_users (
    id                   uuid             NOT NULL PRIMARY KEY,
    tenant               uuid             NOT NULL,
    login                text             NOT NULL,
    login_key            text COLLATE "C" NOT NULL,
    name                 text COLLATE "C" NOT NULL,
    password_hash        text             NOT NULL,
    role                 text             NOT NULL,
    must_change_password boolean          NOT NULL,
    disabled_at          bigint,
    auth_epoch           bigint           NOT NULL,
    created_at           bigint           NOT NULL
);
CREATE UNIQUE INDEX medianest_users_by_login ON medianest_users (tenant, login_key);
CREATE INDEX medianest_users_by_role ON medianest_users (tenant, role);

CREATE TABLE medianest_sessions (
    id            uuid   NOT NULL PRIMARY KEY,
    tenant        uuid   NOT NULL,
    user_id       uuid   NOT NULL REFERENCES medianest_users (id) ON DELETE CASCADE,
    auth_epoch    bigint NOT NULL,
    client        text   NOT NULL,
    refresh_hash  bytea  NOT NULL,
    previous_hash bytea,
    created_at    bigint NOT NULL,
    refreshed_at  bigint NOT NULL,
    -- The idle expiry, never after the absolute one.
    expires_at    bigint NOT NULL,
    ends_at       bigint NOT NULL,
    ended_at      bigint
);
CREATE INDEX medianest_sessions_by_user ON medianest_sessions (user_id, id);
CREATE INDEX medianest_sessions_over ON medianest_sessions (coalesce(ended_at, expires_at));
