-- Job: the rollups as continuous aggregates, in place of the views of plain/.
-- Reads: candles, batches. Writes: candles_5m to candles_1d, rollup_ranges.
-- Lock: candles, while the aggregates are noted.
-- Only what a refresh has written is in them (materialized_only): joining in what is newer would
-- help the newest candles alone, never late ones or the history of another instrument. Readers go
-- through read_candles_5m to read_candles_1d, which compute the spans of rollup_ranges instead.
-- Buckets are UTC whatever the session's zone: time_bucket without a zone.
-- Only an aggregate's owner may refresh it, and refreshing is what pipelines does.
DROP VIEW IF EXISTS
market.candles_5m, market.candles_15m, market.candles_1h, market.candles_4h, market.candles_1d;

GRANT USAGE, CREATE ON SCHEMA market TO candela_pipelines;
GRANT SELECT, TRIGGER ON market.candles TO candela_pipelines;
SET LOCAL ROLE candela_pipelines;

CREATE MATERIALIZED VIEW market.candles_5m
WITH (
    timescaledb.continuous,
    timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false,
    timescaledb.chunk_interval = '90 days'
) AS
SELECT
    instrument_id,
    timeframe_s,
    time_bucket('5 minutes', time) AS time,
    first(open, time) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close, time) AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 300 AND 300 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3
WITH NO DATA;
CREATE INDEX ix_candles_5m_series ON market.candles_5m (instrument_id, timeframe_s, time);

CREATE MATERIALIZED VIEW market.candles_15m
WITH (
    timescaledb.continuous,
    timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false,
    timescaledb.chunk_interval = '90 days'
) AS
SELECT
    instrument_id,
    timeframe_s,
    time_bucket('15 minutes', time) AS time,
    first(open, time) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close, time) AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 900 AND 900 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3
WITH NO DATA;
CREATE INDEX ix_candles_15m_series ON market.candles_15m (instrument_id, timeframe_s, time);

CREATE MATERIALIZED VIEW market.candles_1h
WITH (
    timescaledb.continuous,
    timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false
) AS
SELECT
    instrument_id,
    timeframe_s,
    time_bucket('1 hour', time) AS time,
    first(open, time) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close, time) AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 3600 AND 3600 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3
WITH NO DATA;
CREATE INDEX ix_candles_1h_series ON market.candles_1h (instrument_id, timeframe_s, time);

CREATE MATERIALIZED VIEW market.candles_4h
WITH (
    timescaledb.continuous,
    timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false
) AS
SELECT
    instrument_id,
    timeframe_s,
    time_bucket('4 hours', time) AS time,
    first(open, time) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close, time) AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 14400 AND 14400 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3
WITH NO DATA;
CREATE INDEX ix_candles_4h_series ON market.candles_4h (instrument_id, timeframe_s, time);

CREATE MATERIALIZED VIEW market.candles_1d
WITH (
    timescaledb.continuous,
    timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false
) AS
SELECT
    instrument_id,
    timeframe_s,
    time_bucket('1 day', time) AS time,
    first(open, time) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close, time) AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 86400 AND 86400 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3
WITH NO DATA;
CREATE INDEX ix_candles_1d_series ON market.candles_1d (instrument_id, timeframe_s, time);

SET LOCAL ROLE candela_owner;
REVOKE CREATE ON SCHEMA market FROM candela_pipelines;
REVOKE TRIGGER ON market.candles FROM candela_pipelines;

-- Where a plain database becomes this one, nothing that it holds is rolled up yet.
INSERT INTO market.rollup_ranges (from_at, to_at, batch_id)
SELECT
    from_at,
    to_at,
    batch_id
FROM market.batches
WHERE rows_new > 0 OR rows_changed > 0;
