-- Job: who may do what with the keys of requests; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON tenancy.request_keys TO candela_app;
