-- Job: who may do what in schemas tenancy, trading and live; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- app: the door to the world; executor: app, the directory and what executors share;
-- pipelines: reads what trades became, writes parity; analyst: nothing of any tenant.
GRANT USAGE ON SCHEMA tenancy TO candela_app, candela_pipelines;
GRANT SELECT, INSERT, UPDATE ON
tenancy.tenants,
tenancy.users,
tenancy.subscriptions,
tenancy.tenant_keys,
tenancy.secrets
TO candela_app;
GRANT SELECT, INSERT ON tenancy.directory TO candela_app;
-- What was decrypted when can be added to and read, never changed.
GRANT SELECT, INSERT ON tenancy.secret_uses TO candela_app;
GRANT SELECT ON tenancy.tenants, tenancy.subscriptions TO candela_pipelines;

GRANT USAGE ON SCHEMA trading TO candela_app, candela_pipelines;
GRANT SELECT, INSERT, UPDATE ON
trading.accounts,
trading.balances,
trading.bots,
trading.bot_runs,
trading.intents,
trading.order_requests,
trading.orders,
trading.reservations,
trading.external_orders,
trading.positions,
trading.trades,
trading.halts
TO candela_app;
-- Evidence only grows.
GRANT SELECT, INSERT ON
trading.ledger,
trading.fills,
trading.decisions,
trading.bot_versions,
trading.parity
TO candela_app;
GRANT SELECT, INSERT, DELETE ON trading.bot_logs TO candela_app;
GRANT SELECT ON ALL TABLES IN SCHEMA trading TO candela_pipelines;
GRANT INSERT ON trading.parity TO candela_pipelines;
-- A night's work writes why a bot was held back; retention takes logs away.
GRANT INSERT, DELETE ON trading.bot_logs TO candela_pipelines;

GRANT USAGE ON SCHEMA live TO candela_app, candela_pipelines;
GRANT SELECT ON ALL TABLES IN SCHEMA live TO candela_app, candela_pipelines;
GRANT INSERT ON live.definitions, live.outbox TO candela_app, candela_pipelines;
GRANT INSERT, UPDATE ON live.executors, live.shards TO candela_executor;
GRANT INSERT ON live.signals TO candela_executor;
GRANT UPDATE (broken_since, broken_reason) ON live.definitions TO candela_executor;
GRANT UPDATE (published_at), DELETE ON live.outbox TO candela_executor;
GRANT DELETE ON live.signals TO candela_executor;
