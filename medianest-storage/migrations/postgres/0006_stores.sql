-- Which store bytes are in. Everything was in the default one: a process of the version before goes on, as
-- long as nobody names another.
ALTER TABLE medianest_libraries ADD COLUMN IF NOT EXISTS store text COLLATE "C" NOT NULL DEFAULT 'default';
-- How often something came to be elsewhere than in the store of the library, since all of it was there.
ALTER TABLE medianest_libraries ADD COLUMN IF NOT EXISTS strays bigint NOT NULL DEFAULT 0;
ALTER TABLE medianest_intents ADD COLUMN IF NOT EXISTS store text COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE medianest_blobs ADD COLUMN IF NOT EXISTS store text COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE medianest_renditions ADD COLUMN IF NOT EXISTS store text COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE medianest_jobs ADD COLUMN IF NOT EXISTS library_id uuid;

-- step: outside
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS medianest_blobs_by_place ON medianest_blobs (tenant, sha256, size, store)
    WHERE state <> 'purging';

-- step: outside
-- What a mover walks along.
CREATE INDEX CONCURRENTLY IF NOT EXISTS medianest_assets_by_library ON medianest_assets (library_id, seq);

-- step: outside
CREATE INDEX CONCURRENTLY IF NOT EXISTS medianest_jobs_by_library ON medianest_jobs_0 (library_id, id)
    WHERE library_id IS NOT NULL;

-- step
-- expansion: the index by place says the same as long as there is one store
DROP INDEX medianest_blobs_by_content;
