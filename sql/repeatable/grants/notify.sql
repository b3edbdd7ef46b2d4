-- Job: who may do what in schema notify; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- app writes what is to be told and reads the inbox, the executor's courier sends; pipelines writes
-- daily summaries, and sees of people their ids and languages only, never an address.
GRANT USAGE ON SCHEMA notify TO candela_app, candela_pipelines;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.mails, notify.deliveries, notify.notifications
TO candela_app;
GRANT INSERT ON notify.mails, notify.notifications TO candela_pipelines;
GRANT SELECT (tenant_id, user_id, once_key) ON notify.mails, notify.notifications
TO candela_pipelines;
GRANT SELECT (tenant_id, user_id, language, is_active) ON tenancy.users TO candela_pipelines;
