CREATE TABLE medianest_audit (
    id         BLOB    NOT NULL PRIMARY KEY,
    tenant     BLOB    NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    request_id TEXT,
    address    TEXT,
    at         INTEGER NOT NULL,
    period     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX medianest_audit_by_time ON medianest_audit (tenant, at, id);
CREATE INDEX medianest_audit_by_actor ON medianest_audit (tenant, actor, at, id);
CREATE INDEX medianest_audit_by_action ON medianest_audit (tenant, action, at, id);
CREATE INDEX medianest_audit_old ON medianest_audit (at);
INSERT INTO medianest_periods (rows_of, period, began_at) VALUES ('audit', 0, 0);
