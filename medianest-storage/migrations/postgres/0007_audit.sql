-- Who did what to whom, when, from where; in partitions as events are (0005_partitions).
CREATE TABLE medianest_audit (
    id         uuid             NOT NULL,
    tenant     uuid             NOT NULL,
    actor      text             NOT NULL,
    action     text             NOT NULL,
    target     text             NOT NULL,
    data       text             NOT NULL,
    request_id text,
    address    text,
    at         bigint           NOT NULL,
    period     bigint           NOT NULL DEFAULT 0
) PARTITION BY LIST (period);
CREATE TABLE medianest_audit_0 (LIKE medianest_audit INCLUDING DEFAULTS, PRIMARY KEY (id));
CREATE INDEX medianest_audit_by_time ON medianest_audit_0 (tenant, at, id);
CREATE INDEX medianest_audit_by_actor ON medianest_audit_0 (tenant, actor, at, id);
CREATE INDEX medianest_audit_by_action ON medianest_audit_0 (tenant, action, at, id);
CREATE INDEX medianest_audit_old ON medianest_audit_0 (at);
ALTER TABLE medianest_audit ATTACH PARTITION medianest_audit_0 FOR VALUES IN (0);
INSERT INTO medianest_periods (rows_of, period, began_at) VALUES ('audit', 0, 0);
