-- Job: the rollups as views, computed from the candles at each read; never stale.
-- Reads: candles. Writes: candles_5m to candles_1d. Lock: none on existing tables.
-- Same names, columns and values as the aggregates of timescale/: a reader cannot tell.
-- Volume is summed as numeric, so that the order of the rows never matters.

CREATE VIEW market.candles_5m AS
SELECT
    instrument_id,
    timeframe_s,
    date_bin('5 minutes', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
    (array_agg(open ORDER BY time ASC))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY time ASC))[count(*)::integer] AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 300 AND 300 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3;

CREATE VIEW market.candles_15m AS
SELECT
    instrument_id,
    timeframe_s,
    date_bin('15 minutes', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
    (array_agg(open ORDER BY time ASC))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY time ASC))[count(*)::integer] AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 900 AND 900 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3;

CREATE VIEW market.candles_1h AS
SELECT
    instrument_id,
    timeframe_s,
    date_bin('1 hour', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
    (array_agg(open ORDER BY time ASC))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY time ASC))[count(*)::integer] AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 3600 AND 3600 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3;

CREATE VIEW market.candles_4h AS
SELECT
    instrument_id,
    timeframe_s,
    date_bin('4 hours', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
    (array_agg(open ORDER BY time ASC))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY time ASC))[count(*)::integer] AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 14400 AND 14400 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3;

CREATE VIEW market.candles_1d AS
SELECT
    instrument_id,
    timeframe_s,
    date_bin('1 day', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
    (array_agg(open ORDER BY time ASC))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY time ASC))[count(*)::integer] AS close,
    sum(volume::numeric) AS volume,
    count(*) AS candles
FROM market.candles
WHERE timeframe_s < 86400 AND 86400 % timeframe_s = 0
GROUP BY instrument_id, timeframe_s, 3;
