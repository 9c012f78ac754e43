-- What few of a million assets are found by: their owner, a state that they are seldom in.
CREATE INDEX medianest_assets_by_owner ON medianest_assets (tenant, owner, trashed, taken_at, id);
CREATE INDEX medianest_assets_by_state ON medianest_assets (tenant, state, trashed, taken_at, id)
    WHERE state <> 'ready';
