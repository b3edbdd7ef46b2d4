-- Job: one reading path for rollups, right at any moment between a write and its refresh.
-- Reads: the aggregates, rollup_ranges, batches, candles. Writes: nothing. Lock: none.
-- Buckets whose candles have changed since the last refresh are computed from the candles, all
-- others are read. A span is deleted from rollup_ranges only after the refresh of its buckets has
-- committed, so no snapshot misses both. NULL stands for no bound; bounds are on the starts of
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
WITH bounds AS MATERIALIZED (
    SELECT tstzrange(
        date_bin(
            '5 minutes',
            since + INTERVAL '5 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        date_bin(
            '5 minutes',
            until + INTERVAL '5 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) AS wanted
),

pending AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(
        date_bin('5 minutes', ranges.from_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
        date_bin(
            '5 minutes',
            ranges.to_at + INTERVAL '5 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) * (SELECT bounds.wanted FROM bounds)), '{}') AS spans
    FROM market.rollup_ranges AS ranges
    INNER JOIN market.batches AS batches ON ranges.batch_id = batches.batch_id
    WHERE
        batches.instrument_id = wanted_instrument_id
        AND batches.timeframe_s = wanted_timeframe_s
)

SELECT
    rolled.time, rolled.open, rolled.high, rolled.low, rolled.close, rolled.volume, rolled.candles
FROM market.candles_5m AS rolled
WHERE
    rolled.instrument_id = wanted_instrument_id
    AND rolled.timeframe_s = wanted_timeframe_s
    AND rolled.time >= coalesce(since, '-infinity')
    AND rolled.time < coalesce(until, 'infinity')
    AND NOT rolled.time <@ (SELECT pending.spans FROM pending)
UNION ALL
SELECT computed.*
FROM pending
CROSS JOIN LATERAL unnest(pending.spans) AS span
CROSS JOIN LATERAL (
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
        AND stored.time >= lower(span)
        AND stored.time < upper(span)
        -- Said again where the planner can leave chunks out by it.
        AND stored.time >= coalesce(since, '-infinity')
        AND stored.time < coalesce(until, 'infinity') + INTERVAL '5 minutes'
    GROUP BY 1
) AS computed
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
WITH bounds AS MATERIALIZED (
    SELECT tstzrange(
        date_bin(
            '15 minutes',
            since + INTERVAL '15 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        date_bin(
            '15 minutes',
            until + INTERVAL '15 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) AS wanted
),

pending AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(
        date_bin('15 minutes', ranges.from_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
        date_bin(
            '15 minutes',
            ranges.to_at + INTERVAL '15 minutes' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) * (SELECT bounds.wanted FROM bounds)), '{}') AS spans
    FROM market.rollup_ranges AS ranges
    INNER JOIN market.batches AS batches ON ranges.batch_id = batches.batch_id
    WHERE
        batches.instrument_id = wanted_instrument_id
        AND batches.timeframe_s = wanted_timeframe_s
)

SELECT
    rolled.time, rolled.open, rolled.high, rolled.low, rolled.close, rolled.volume, rolled.candles
FROM market.candles_15m AS rolled
WHERE
    rolled.instrument_id = wanted_instrument_id
    AND rolled.timeframe_s = wanted_timeframe_s
    AND rolled.time >= coalesce(since, '-infinity')
    AND rolled.time < coalesce(until, 'infinity')
    AND NOT rolled.time <@ (SELECT pending.spans FROM pending)
UNION ALL
SELECT computed.*
FROM pending
CROSS JOIN LATERAL unnest(pending.spans) AS span
CROSS JOIN LATERAL (
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
        AND stored.time >= lower(span)
        AND stored.time < upper(span)
        -- Said again where the planner can leave chunks out by it.
        AND stored.time >= coalesce(since, '-infinity')
        AND stored.time < coalesce(until, 'infinity') + INTERVAL '15 minutes'
    GROUP BY 1
) AS computed
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
WITH bounds AS MATERIALIZED (
    SELECT tstzrange(
        date_bin(
            '1 hour',
            since + INTERVAL '1 hour' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        date_bin(
            '1 hour',
            until + INTERVAL '1 hour' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) AS wanted
),

pending AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(
        date_bin('1 hour', ranges.from_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
        date_bin(
            '1 hour',
            ranges.to_at + INTERVAL '1 hour' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) * (SELECT bounds.wanted FROM bounds)), '{}') AS spans
    FROM market.rollup_ranges AS ranges
    INNER JOIN market.batches AS batches ON ranges.batch_id = batches.batch_id
    WHERE
        batches.instrument_id = wanted_instrument_id
        AND batches.timeframe_s = wanted_timeframe_s
)

SELECT
    rolled.time, rolled.open, rolled.high, rolled.low, rolled.close, rolled.volume, rolled.candles
FROM market.candles_1h AS rolled
WHERE
    rolled.instrument_id = wanted_instrument_id
    AND rolled.timeframe_s = wanted_timeframe_s
    AND rolled.time >= coalesce(since, '-infinity')
    AND rolled.time < coalesce(until, 'infinity')
    AND NOT rolled.time <@ (SELECT pending.spans FROM pending)
UNION ALL
SELECT computed.*
FROM pending
CROSS JOIN LATERAL unnest(pending.spans) AS span
CROSS JOIN LATERAL (
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
        AND stored.time >= lower(span)
        AND stored.time < upper(span)
        -- Said again where the planner can leave chunks out by it.
        AND stored.time >= coalesce(since, '-infinity')
        AND stored.time < coalesce(until, 'infinity') + INTERVAL '1 hour'
    GROUP BY 1
) AS computed
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
WITH bounds AS MATERIALIZED (
    SELECT tstzrange(
        date_bin(
            '4 hours',
            since + INTERVAL '4 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        date_bin(
            '4 hours',
            until + INTERVAL '4 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) AS wanted
),

pending AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(
        date_bin('4 hours', ranges.from_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
        date_bin(
            '4 hours',
            ranges.to_at + INTERVAL '4 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) * (SELECT bounds.wanted FROM bounds)), '{}') AS spans
    FROM market.rollup_ranges AS ranges
    INNER JOIN market.batches AS batches ON ranges.batch_id = batches.batch_id
    WHERE
        batches.instrument_id = wanted_instrument_id
        AND batches.timeframe_s = wanted_timeframe_s
)

SELECT
    rolled.time, rolled.open, rolled.high, rolled.low, rolled.close, rolled.volume, rolled.candles
FROM market.candles_4h AS rolled
WHERE
    rolled.instrument_id = wanted_instrument_id
    AND rolled.timeframe_s = wanted_timeframe_s
    AND rolled.time >= coalesce(since, '-infinity')
    AND rolled.time < coalesce(until, 'infinity')
    AND NOT rolled.time <@ (SELECT pending.spans FROM pending)
UNION ALL
SELECT computed.*
FROM pending
CROSS JOIN LATERAL unnest(pending.spans) AS span
CROSS JOIN LATERAL (
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
        AND stored.time >= lower(span)
        AND stored.time < upper(span)
        -- Said again where the planner can leave chunks out by it.
        AND stored.time >= coalesce(since, '-infinity')
        AND stored.time < coalesce(until, 'infinity') + INTERVAL '4 hours'
    GROUP BY 1
) AS computed
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
WITH bounds AS MATERIALIZED (
    SELECT tstzrange(
        date_bin(
            '1 day',
            since + INTERVAL '24 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        ),
        date_bin(
            '1 day',
            until + INTERVAL '24 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) AS wanted
),

pending AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(
        date_bin('1 day', ranges.from_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
        date_bin(
            '1 day',
            ranges.to_at + INTERVAL '24 hours' - INTERVAL '1 microsecond',
            TIMESTAMPTZ '2000-01-01 00:00:00+00'
        )
    ) * (SELECT bounds.wanted FROM bounds)), '{}') AS spans
    FROM market.rollup_ranges AS ranges
    INNER JOIN market.batches AS batches ON ranges.batch_id = batches.batch_id
    WHERE
        batches.instrument_id = wanted_instrument_id
        AND batches.timeframe_s = wanted_timeframe_s
)

SELECT
    rolled.time, rolled.open, rolled.high, rolled.low, rolled.close, rolled.volume, rolled.candles
FROM market.candles_1d AS rolled
WHERE
    rolled.instrument_id = wanted_instrument_id
    AND rolled.timeframe_s = wanted_timeframe_s
    AND rolled.time >= coalesce(since, '-infinity')
    AND rolled.time < coalesce(until, 'infinity')
    AND NOT rolled.time <@ (SELECT pending.spans FROM pending)
UNION ALL
SELECT computed.*
FROM pending
CROSS JOIN LATERAL unnest(pending.spans) AS span
CROSS JOIN LATERAL (
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
        AND stored.time >= lower(span)
        AND stored.time < upper(span)
        -- Said again where the planner can leave chunks out by it.
        AND stored.time >= coalesce(since, '-infinity')
        AND stored.time < coalesce(until, 'infinity') + INTERVAL '24 hours'
    GROUP BY 1
) AS computed
$$;
