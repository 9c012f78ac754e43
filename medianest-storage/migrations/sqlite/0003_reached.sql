-- For PostgreSQL, which may have replicas. Here there are none, and nothing to remember.
SELECT 1;
