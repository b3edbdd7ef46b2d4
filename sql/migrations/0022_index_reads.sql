-- Job: lists that begin at the newest trade of a tenant.
-- Reads: trades. Writes: an index. Lock: share on trading.trades while it is built.
CREATE INDEX ix_trades_opened ON trading.trades (tenant_id, opened_at, trade_id);
