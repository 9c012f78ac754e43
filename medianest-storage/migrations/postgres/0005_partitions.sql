-- Events and finished jobs lie in partitions, one for each period of time, which begins and goes as a whole
-- (catalog/periods.rs). Partition 0 is the table of before: it keeps open and dead jobs, and what programs write that
-- know nothing of periods. Nothing is copied, and nobody waits while rows are looked at: each step is a transaction of
-- its own, and comes again when it was interrupted.
ALTER TABLE medianest_jobs ADD COLUMN IF NOT EXISTS period bigint NOT NULL DEFAULT 0;
ALTER TABLE medianest_events ADD COLUMN IF NOT EXISTS period bigint NOT NULL DEFAULT 0;
-- expansion: a constraint of the partition to be, which every program keeps, since 0 is the default
ALTER TABLE medianest_jobs DROP CONSTRAINT IF EXISTS medianest_jobs_period,
    ADD CONSTRAINT medianest_jobs_period CHECK (period = 0) NOT VALID;
-- expansion: as above
ALTER TABLE medianest_events DROP CONSTRAINT IF EXISTS medianest_events_period,
    ADD CONSTRAINT medianest_events_period CHECK (period = 0) NOT VALID;

-- step
ALTER TABLE medianest_jobs VALIDATE CONSTRAINT medianest_jobs_period;

-- step
ALTER TABLE medianest_events VALIDATE CONSTRAINT medianest_events_period;

-- step
CREATE TABLE medianest_periods (
    rows_of  text   NOT NULL,
    period   bigint NOT NULL,
    began_at bigint NOT NULL,
    PRIMARY KEY (rows_of, period)
);
INSERT INTO medianest_periods (rows_of, period, began_at) VALUES ('jobs', 0, 0), ('events', 0, 0);

-- expansion: a table of the old name takes its place
ALTER TABLE medianest_jobs RENAME TO medianest_jobs_0;
CREATE TABLE medianest_jobs (LIKE medianest_jobs_0 INCLUDING DEFAULTS) PARTITION BY LIST (period);
ALTER TABLE medianest_jobs ATTACH PARTITION medianest_jobs_0 FOR VALUES IN (0);
-- expansion: the bounds of the partition say the same
ALTER TABLE medianest_jobs_0 DROP CONSTRAINT medianest_jobs_period;

-- A sequence of its own, for all partitions.
-- expansion: rows are numbered by the default from here on
ALTER TABLE medianest_events ALTER COLUMN seq DROP IDENTITY;
CREATE SEQUENCE medianest_events_seq;
SELECT setval('medianest_events_seq', coalesce(max(seq), 0) + 1, FALSE) FROM medianest_events;
ALTER TABLE medianest_events ALTER COLUMN seq SET DEFAULT nextval('medianest_events_seq');
-- expansion: a table of the old name takes its place
ALTER TABLE medianest_events RENAME TO medianest_events_0;
CREATE TABLE medianest_events (LIKE medianest_events_0 INCLUDING DEFAULTS) PARTITION BY LIST (period);
ALTER TABLE medianest_events ATTACH PARTITION medianest_events_0 FOR VALUES IN (0);
-- expansion: the bounds of the partition say the same
ALTER TABLE medianest_events_0 DROP CONSTRAINT medianest_events_period;

-- Which life of the log this is, by the number that PostgreSQL gives it after each failover: a replica that has not
-- replayed the present number follows another history.
CREATE TABLE medianest_timeline (
    id       bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    timeline bigint NOT NULL
);
