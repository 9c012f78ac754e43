-- What is found by words is marked with the stretch of numbers that it is in: of 4096, and of 32768. So the newest that
-- have a word are found without reading the rows of the others. By a trigger, as programs of the version before write it, too.
CREATE OR REPLACE FUNCTION medianest_mark_stretches() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := NEW.words || array_to_tsvector(ARRAY['near' || to_hex(NEW.seq >> 12), 'far' || to_hex(NEW.seq >> 15)]);
    RETURN NEW;
END
$$;
DROP TRIGGER IF EXISTS medianest_search_stretches ON medianest_search;
-- expansion: what they write is as it was, but for marks that they do not look for
CREATE TRIGGER medianest_search_stretches BEFORE INSERT OR UPDATE ON medianest_search
    FOR EACH ROW EXECUTE FUNCTION medianest_mark_stretches();
-- step: outside
DO $$
DECLARE
    first bigint := 0;
    newest bigint;
BEGIN
    SELECT max(seq) INTO newest FROM medianest_search;
    WHILE first <= newest LOOP
        UPDATE medianest_search SET words = words WHERE seq >= first AND seq < first + 512
            AND NOT words @@ ('near' || to_hex(seq >> 12))::tsquery;
        COMMIT;
        first := first + 512;
    END LOOP;
END
$$;
