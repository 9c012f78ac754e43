-- How far the write-ahead log had come after the last write of a caller, in bytes, so that lists and searches go
-- to no replica that has not replayed it; under the empty subject, after the last change of anybody's rights.
CREATE TABLE medianest_reached (
    tenant uuid NOT NULL,
    subject text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, subject)
) WITH (fillfactor = 50);
