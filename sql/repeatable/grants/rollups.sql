-- Job: who may do what with figures by period; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- pipelines computes them, app shows them.
GRANT SELECT ON trading.metric_rollups, trading.equity_points, trading.rollup_states
TO candela_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON
trading.metric_rollups,
trading.equity_points,
trading.rollup_states
TO candela_pipelines;
GRANT SELECT, INSERT, UPDATE ON live.rollup_watermark TO candela_pipelines;
