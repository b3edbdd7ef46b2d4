-- Job: one reading path for rollups: the same functions read the aggregates on TimescaleDB.
-- Reads: candles. Writes: nothing. Lock: none.
-- A condition on the time of a view's bucket cannot use the index on the candles' time; here the
-- span bounds the candles themselves. NULL stands for no bound; bounds are on the starts of
-- buckets. A day is 24 hours of UTC, never a day of the zone of the session.

CREATE OR REPLACE FUNCTION market.read_candles_5m(
    wanted_instrument_id integer,
    wanted_timeframe_s integer,
    since timestamptz,
    until timestamptz
) RETURNS TABLE (
    "time" timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume numeric,
    candles bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
AS $$
SELECT
    date_bin('5 minutes', stored.time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
    (array_agg(stored.open ORDER BY stored.time ASC))[1],
    max(stored.high),
    min(stored.low),
    (array_agg(stored.close ORDER BY stored.time ASC))[count(*)::integer],
    sum(stored.volume::numeric),
    count(*)
FROM market.candles AS stored
WHERE
    stored.instrument_id = wanted_instrument_id
    AND stored.timeframe_s = wanted_timeframe_s
    AND wanted_timeframe_s < 300 AND 300 % wanted_timeframe_s = 0
    AND stored.time >= coalesce(
        date_bin(
            '5 minutes',
            since + INTERVAL '5 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        '-infinity'
    )
    AND stored.time < coalesce(
        date_bin(
            '5 minutes',
            until + INTERVAL '5 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        'infinity'
    )
GROUP BY 1
$$;

CREATE OR REPLACE FUNCTION market.read_candles_15m(
    wanted_instrument_id integer,
    wanted_timeframe_s integer,
    since timestamptz,
    until timestamptz
) RETURNS TABLE (
    "time" timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume numeric,
    candles bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
AS $$
SELECT
    date_bin('15 minutes', stored.time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
    (array_agg(stored.open ORDER BY stored.time ASC))[1],
    max(stored.high),
    min(stored.low),
    (array_agg(stored.close ORDER BY stored.time ASC))[count(*)::integer],
    sum(stored.volume::numeric),
    count(*)
FROM market.candles AS stored
WHERE
    stored.instrument_id = wanted_instrument_id
    AND stored.timeframe_s = wanted_timeframe_s
    AND wanted_timeframe_s < 900 AND 900 % wanted_timeframe_s = 0
    AND stored.time >= coalesce(
        date_bin(
            '15 minutes',
            since + INTERVAL '15 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        '-infinity'
    )
    AND stored.time < coalesce(
        date_bin(
            '15 minutes',
            until + INTERVAL '15 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        'infinity'
    )
GROUP BY 1
$$;

CREATE OR REPLACE FUNCTION market.read_candles_1h(
    wanted_instrument_id integer,
    wanted_timeframe_s integer,
    since timestamptz,
    until timestamptz
) RETURNS TABLE (
    "time" timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume numeric,
    candles bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
AS $$
SELECT
    date_bin('1 hour', stored.time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
    (array_agg(stored.open ORDER BY stored.time ASC))[1],
    max(stored.high),
    min(stored.low),
    (array_agg(stored.close ORDER BY stored.time ASC))[count(*)::integer],
    sum(stored.volume::numeric),
    count(*)
FROM market.candles AS stored
WHERE
    stored.instrument_id = wanted_instrument_id
    AND stored.timeframe_s = wanted_timeframe_s
    AND wanted_timeframe_s < 3600 AND 3600 % wanted_timeframe_s = 0
    AND stored.time >= coalesce(
        date_bin(
            '1 hour',
            since + INTERVAL '1 hour' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        '-infinity'
    )
    AND stored.time < coalesce(
        date_bin(
            '1 hour',
            until + INTERVAL '1 hour' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        'infinity'
    )
GROUP BY 1
$$;

CREATE OR REPLACE FUNCTION market.read_candles_4h(
    wanted_instrument_id integer,
    wanted_timeframe_s integer,
    since timestamptz,
    until timestamptz
) RETURNS TABLE (
    "time" timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume numeric,
    candles bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
AS $$
SELECT
    date_bin('4 hours', stored.time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
    (array_agg(stored.open ORDER BY stored.time ASC))[1],
    max(stored.high),
    min(stored.low),
    (array_agg(stored.close ORDER BY stored.time ASC))[count(*)::integer],
    sum(stored.volume::numeric),
    count(*)
FROM market.candles AS stored
WHERE
    stored.instrument_id = wanted_instrument_id
    AND stored.timeframe_s = wanted_timeframe_s
    AND wanted_timeframe_s < 14400 AND 14400 % wanted_timeframe_s = 0
    AND stored.time >= coalesce(
        date_bin(
            '4 hours',
            since + INTERVAL '4 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        '-infinity'
    )
    AND stored.time < coalesce(
        date_bin(
            '4 hours',
            until + INTERVAL '4 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        'infinity'
    )
GROUP BY 1
$$;

CREATE OR REPLACE FUNCTION market.read_candles_1d(
    wanted_instrument_id integer,
    wanted_timeframe_s integer,
    since timestamptz,
    until timestamptz
) RETURNS TABLE (
    "time" timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume numeric,
    candles bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
AS $$
SELECT
    date_bin('1 day', stored.time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
    (array_agg(stored.open ORDER BY stored.time ASC))[1],
    max(stored.high),
    min(stored.low),
    (array_agg(stored.close ORDER BY stored.time ASC))[count(*)::integer],
    sum(stored.volume::numeric),
    count(*)
FROM market.candles AS stored
WHERE
    stored.instrument_id = wanted_instrument_id
    AND stored.timeframe_s = wanted_timeframe_s
    AND wanted_timeframe_s < 86400 AND 86400 % wanted_timeframe_s = 0
    AND stored.time >= coalesce(
        date_bin(
            '1 day',
            since + INTERVAL '24 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        '-infinity'
    )
    AND stored.time < coalesce(
        date_bin(
            '1 day',
            until + INTERVAL '24 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        'infinity'
    )
GROUP BY 1
$$;
