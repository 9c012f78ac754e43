-- Whether somebody corrected the date: it is then not read from the file again.
ALTER TABLE medianest_assets ADD COLUMN taken_at_set boolean NOT NULL DEFAULT FALSE;
