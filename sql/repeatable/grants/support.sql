-- Job: what administrators may look at for all tenants; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- Counts, names and states: no secret, no parameters of mails, no strategy's settings.
GRANT USAGE ON SCHEMA trading, live, notify TO candela_support;
GRANT SELECT ON trading.accounts, trading.bots, trading.bot_runs, trading.trades, trading.halts
TO candela_support;
GRANT SELECT (tenant_id, bot_id, version, definition_id, created_at) ON trading.bot_versions
TO candela_support;
GRANT SELECT ON live.executors, live.outbox TO candela_support;
GRANT SELECT (tenant_id, mail_id, user_id, kind, created_at, due_at, sent_at, failed_at, attempts)
ON notify.mails TO candela_support;
