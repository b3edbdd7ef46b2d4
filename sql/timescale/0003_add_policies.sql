-- Job: what the server does by itself: compress older chunks, refresh what was forgotten.
-- Reads: nothing. Writes: columnstore settings and jobs. Lock: none on existing rows.
-- Refreshing is the pipeline's work, span by span. The policy behind it looks at the whole of time,
-- since late candles may be of any year, and does nothing where nothing was left out. One pass
-- over what changed: ten buckets at a time, the default, took nine times as long.
CALL add_columnstore_policy('market.candles', after => INTERVAL '7 days');

SET LOCAL ROLE candela_pipelines;

ALTER MATERIALIZED VIEW market.candles_5m SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'instrument_id, timeframe_s',
    timescaledb.orderby = 'time'
);
SELECT add_continuous_aggregate_policy(
    'market.candles_5m',
    start_offset => NULL,
    end_offset => INTERVAL '5 minutes',
    schedule_interval => INTERVAL '6 hours',
    buckets_per_batch => 0
);
CALL add_columnstore_policy('market.candles_5m', after => INTERVAL '30 days');

ALTER MATERIALIZED VIEW market.candles_15m SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'instrument_id, timeframe_s',
    timescaledb.orderby = 'time'
);
SELECT add_continuous_aggregate_policy(
    'market.candles_15m',
    start_offset => NULL,
    end_offset => INTERVAL '15 minutes',
    schedule_interval => INTERVAL '6 hours',
    buckets_per_batch => 0
);
CALL add_columnstore_policy('market.candles_15m', after => INTERVAL '30 days');

ALTER MATERIALIZED VIEW market.candles_1h SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'instrument_id, timeframe_s',
    timescaledb.orderby = 'time'
);
SELECT add_continuous_aggregate_policy(
    'market.candles_1h',
    start_offset => NULL,
    end_offset => INTERVAL '1 hour',
    schedule_interval => INTERVAL '6 hours',
    buckets_per_batch => 0
);
CALL add_columnstore_policy('market.candles_1h', after => INTERVAL '30 days');

ALTER MATERIALIZED VIEW market.candles_4h SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'instrument_id, timeframe_s',
    timescaledb.orderby = 'time'
);
SELECT add_continuous_aggregate_policy(
    'market.candles_4h',
    start_offset => NULL,
    end_offset => INTERVAL '4 hours',
    schedule_interval => INTERVAL '6 hours',
    buckets_per_batch => 0
);
CALL add_columnstore_policy('market.candles_4h', after => INTERVAL '30 days');

ALTER MATERIALIZED VIEW market.candles_1d SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'instrument_id, timeframe_s',
    timescaledb.orderby = 'time'
);
SELECT add_continuous_aggregate_policy(
    'market.candles_1d',
    start_offset => NULL,
    end_offset => INTERVAL '1 day',
    schedule_interval => INTERVAL '6 hours',
    buckets_per_batch => 0
);
CALL add_columnstore_policy('market.candles_1d', after => INTERVAL '30 days');

SET LOCAL ROLE candela_owner;
