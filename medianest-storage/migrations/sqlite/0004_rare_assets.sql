-- For PostgreSQL, which would read all assets instead. Here these are filtered within the index of the list.
SELECT 1;
