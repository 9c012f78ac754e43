-- For PostgreSQL, which keeps events and finished jobs in partitions, one for each period of time. Here all rows are
-- of period 0, and are deleted one by one.
CREATE TABLE medianest_periods (
    rows_of  TEXT    NOT NULL,
    period   INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    PRIMARY KEY (rows_of, period)
) STRICT, WITHOUT ROWID;
INSERT INTO medianest_periods (rows_of, period, began_at) VALUES ('jobs', 0, 0), ('events', 0, 0);

ALTER TABLE medianest_jobs ADD COLUMN period INTEGER NOT NULL DEFAULT 0;
ALTER TABLE medianest_events ADD COLUMN period INTEGER NOT NULL DEFAULT 0;
