-- Many rows after the pattern of the one asset that is there. :rows is how many assets.
SET session_replication_role = replica;
SET maintenance_work_mem = '256MB';

INSERT INTO medianest_users (id, tenant, login, login_key, name, password_hash, role, must_change_password,
        auth_epoch, created_at)
    SELECT md5('user' || n)::uuid, tenant, 'user' || n, 'user' || n, 'User ' || n, password_hash, 'user', FALSE,
        1, created_at
    FROM medianest_users, generate_series(1, :rows / 20) AS n WHERE login = 'admin';
INSERT INTO medianest_sessions (id, tenant, user_id, auth_epoch, client, refresh_hash, created_at, refreshed_at,
        expires_at, ends_at)
    SELECT md5('session' || n)::uuid, tenant, md5('user' || n)::uuid, 1, client, refresh_hash, created_at,
        refreshed_at, expires_at, ends_at
    FROM (SELECT * FROM medianest_sessions LIMIT 1) AS s, generate_series(1, :rows / 20) AS n;

INSERT INTO medianest_libraries (id, tenant, name, version, recipe, recipe_version, created_at, updated_at)
    SELECT md5('library' || n)::uuid, tenant, 'Library ' || n, 1, recipe, 1, created_at, updated_at
    FROM (SELECT * FROM medianest_libraries LIMIT 1) AS l, generate_series(1, :rows / 10) AS n;
-- The first user is a member of more libraries than are walked through one by one, the second of a few.
INSERT INTO medianest_members (tenant, library_id, subject, role, added_at)
    SELECT tenant, md5('library' || n)::uuid, md5('user' || u)::uuid::text, 'owner', added_at
    FROM (SELECT * FROM medianest_members LIMIT 1) AS m, generate_series(1, :rows / 10) AS n,
        LATERAL (SELECT 3 + n % 1000 UNION SELECT 1 WHERE n <= 100 UNION SELECT 2 WHERE n <= 5
                 UNION SELECT 2000 + n % 3000) AS joined (u);

INSERT INTO medianest_intents (id, tenant, key, taken, expires_at)
    SELECT md5('intent' || n)::uuid, tenant, 'blobs/intent' || n, FALSE, created_at + 86400000000
    FROM (SELECT * FROM medianest_blobs LIMIT 1) AS b, generate_series(1, :rows / 20) AS n;
INSERT INTO medianest_reached (tenant, subject, position)
    SELECT tenant, id::text, 1 FROM medianest_users WHERE login <> 'admin';
INSERT INTO medianest_consumers (tenant, name, epoch, position)
    SELECT tenant, 'consumer' || n, 1, 1 FROM medianest_users, generate_series(1, 10) AS n WHERE login = 'admin';

INSERT INTO medianest_blobs (id, tenant, key, size, sha256, content_type, state, created_at)
    SELECT md5('blob' || n)::uuid, tenant, 'blobs/' || n, size, sha256(n::text::bytea), content_type, 'live',
        created_at
    FROM (SELECT * FROM medianest_blobs LIMIT 1) AS b, generate_series(1, :rows) AS n;

-- Half of all in one library, the rest in all; one of fifty in the trash.
INSERT INTO medianest_assets (id, tenant, library_id, owner, state, kind, name, blob_id, facts, taken_at, trashed,
        trashed_at, version, created_at, updated_at, search_text, ingested_name)
    SELECT md5('asset' || n)::uuid, tenant,
        md5('library' || CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % (:rows / 10) END)::uuid,
        md5('user' || n % 20)::uuid::text, CASE WHEN n % 100 = 7 THEN 'failed' ELSE 'ready' END,
        CASE n % 10 WHEN 0 THEN 'video' WHEN 1 THEN 'audio' ELSE 'image' END, 'img' || n % 1000 || '.jpg',
        md5('blob' || n)::uuid, facts, taken_at - n * 60000000::bigint, n % 50 = 3,
        CASE WHEN n % 50 = 3 THEN created_at END, 1, created_at - (:rows - n), updated_at, '', name
    FROM (SELECT * FROM medianest_assets LIMIT 1) AS a, generate_series(1, :rows) AS n;
INSERT INTO medianest_search (seq, words)
    SELECT seq, array_to_tsvector(ARRAY[mark || 'wimg' || seq % 1000, mark || 'wjpg', mark || 'bi', mark || 'bim',
        mark || 'bimg', mark || 'bj', mark || 'bjp', mark || 'bjpg', mark || 'k' || kind,
        mark || 'l' || replace(library_id::text, '-', '')])
    FROM medianest_assets, LATERAL (SELECT right(tenant::text, 8)) AS marked (mark)
    WHERE NOT trashed AND id <> (SELECT id FROM medianest_assets ORDER BY seq LIMIT 1);

INSERT INTO medianest_renditions (id, tenant, asset_id, job_id, variant, definition, fingerprint, required, state,
        info, size, created_at, purging)
    SELECT md5(variant || n)::uuid, tenant, md5('asset' || n)::uuid, md5('job' || n)::uuid, variant, definition,
        fingerprint, required, state, info, size, created_at, FALSE
    FROM (SELECT * FROM medianest_renditions) AS r, generate_series(1, :rows) AS n;
INSERT INTO medianest_parts (rendition_id, ordinal, tenant, key, size, duration_us)
    SELECT id, 0, tenant, 'renditions/' || id, 1, 0 FROM medianest_renditions
    WHERE asset_id <> (SELECT id FROM medianest_assets ORDER BY seq LIMIT 1);

-- Periods, as after some days.
DO $$ DECLARE kept text; next bigint; BEGIN
    FOR kept IN SELECT DISTINCT rows_of FROM medianest_periods LOOP
        FOR more IN 1..4 LOOP
            next := (SELECT max(period) + 1 FROM medianest_periods WHERE rows_of = kept);
            EXECUTE format('CREATE TABLE medianest_%s_%s (LIKE medianest_%1$s_0 INCLUDING DEFAULTS INCLUDING INDEXES)', kept, next);
            EXECUTE format('ALTER TABLE medianest_%s ATTACH PARTITION medianest_%1$s_%s FOR VALUES IN (%2$s)', kept, next);
            INSERT INTO medianest_periods SELECT kept, next, max(began_at) FROM medianest_periods WHERE rows_of = kept;
        END LOOP;
    END LOOP;
END $$;
INSERT INTO medianest_jobs (id, tenant, kind, asset_id, payload, state, priority, attempt, failures, crashes, run_at,
        progress, called_off, created_at, finished_at, period)
    SELECT md5('job' || n)::uuid, tenant, CASE n % 3 WHEN 0 THEN 'transcode' WHEN 1 THEN 'render' ELSE kind END,
        md5('asset' || n)::uuid, payload, state, priority, 1, 0, 0,
        run_at + CASE state WHEN 'queued' THEN 31536000000000 ELSE 0 END, 0, FALSE, created_at,
        CASE WHEN state = 'done' THEN finished_at END,
        CASE WHEN state = 'done' THEN (SELECT max(period) FROM medianest_periods WHERE rows_of = 'jobs') - n % 4 ELSE 0 END
    FROM (SELECT * FROM medianest_jobs WHERE kind = 'understand' LIMIT 1) AS j (id, tenant, kind, asset_id, payload,
            was, priority),
        generate_series(1, :rows) AS n,
        LATERAL (SELECT CASE n % 100 WHEN 0 THEN 'queued' WHEN 1 THEN 'dead' ELSE 'done' END) AS states (state);
INSERT INTO medianest_events (id, position, tenant, kind, library_id, subject, data, at, period)
    SELECT md5('event' || n)::uuid, head + n, tenant, kind, md5('library' || n % (:rows / 10))::uuid, NULL, data, at,
        (SELECT max(period) FROM medianest_periods WHERE rows_of = 'events') - 3 + (n - 1) * 4 / (2 * :rows)
    FROM (SELECT * FROM medianest_events WHERE position IS NOT NULL AND library_id IS NOT NULL LIMIT 1) AS e,
        medianest_event_log AS l, generate_series(1, 2 * :rows) AS n;
INSERT INTO medianest_audit (id, tenant, actor, action, target, data, at, period)
    SELECT md5('audit' || n)::uuid, tenant, 'user' || n % 1000, 'session.opened', 'user:' || n, '{}',
        at - n * 1000000::bigint, (SELECT max(period) FROM medianest_periods WHERE rows_of = 'audit') - n % 4
    FROM (SELECT * FROM medianest_audit LIMIT 1) AS a, generate_series(1, :rows) AS n;
UPDATE medianest_event_log SET head = (SELECT max(position) FROM medianest_events);
