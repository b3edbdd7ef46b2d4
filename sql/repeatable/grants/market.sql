-- Job: who may do what in schema market; the current truth, also for tables to come.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- pipelines writes all of it, app reads, analyst reads. Nobody but the owner may change tables.
-- On TimescaleDB a chunk can also be read by its own name, with the grants of its table: taking
-- away the extension's schema would stop reads of compressed candles through the table, too. So
-- what is not for every reader must not be in a hypertable.
GRANT USAGE ON SCHEMA market TO candela_app, candela_pipelines, candela_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA market TO candela_app, candela_analyst;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA market TO candela_pipelines;

ALTER DEFAULT PRIVILEGES FOR ROLE candela_owner IN SCHEMA market
GRANT SELECT ON TABLES TO candela_app, candela_analyst;
ALTER DEFAULT PRIVILEGES FOR ROLE candela_owner IN SCHEMA market
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO candela_pipelines;

-- A process may ask whether its schema is the one that it was written for.
GRANT USAGE ON SCHEMA platform TO candela_app, candela_pipelines;
GRANT SELECT ON platform.schema_files TO candela_app, candela_pipelines;
