-- Job: who may do what in schema audit; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- app adds entries, and blanks those of closed tenants; pipelines links and verifies; support
-- reads. Nobody changes or takes away a link, a head or a verification.
GRANT USAGE ON SCHEMA audit TO candela_app, candela_support, candela_pipelines;
GRANT SELECT, INSERT, UPDATE (actor, address, user_agent, detail, salt) ON audit.entries
TO candela_app;
GRANT SELECT ON audit.links, audit.heads, audit.verifications TO candela_app;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO candela_support, candela_pipelines;
-- Of tenants that were erased; a trigger lets nothing else through.
GRANT UPDATE (actor, address, user_agent, detail, salt) ON audit.entries TO candela_pipelines;
GRANT INSERT ON audit.links, audit.heads, audit.verifications TO candela_pipelines;
