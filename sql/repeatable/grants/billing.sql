-- Job: who may do what in schema billing; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- app: what a tenant sees and buys; door: whose customer it is; support: reads; pipelines: reads,
-- and counts what comes in. Repairs of the night go through app, tenant by tenant.
GRANT USAGE ON SCHEMA billing TO
candela_app, candela_door, candela_support, candela_pipelines;
GRANT SELECT, INSERT, UPDATE ON
billing.customers, billing.checkouts, billing.invoices, billing.payments
TO candela_app;
GRANT SELECT, INSERT ON billing.events TO candela_app;
GRANT SELECT, INSERT, UPDATE ON billing.prices TO candela_app;
GRANT SELECT ON billing.customers TO candela_door;
GRANT SELECT ON ALL TABLES IN SCHEMA billing TO candela_support, candela_pipelines;
GRANT INSERT, UPDATE ON billing.mrr_daily TO candela_pipelines;
