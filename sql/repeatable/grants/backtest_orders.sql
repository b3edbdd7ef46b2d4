-- Job: who may do what with the backtests that tenants asked for; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
GRANT SELECT, INSERT ON trading.backtest_orders TO candela_app;
GRANT SELECT ON trading.backtest_orders TO candela_pipelines;
