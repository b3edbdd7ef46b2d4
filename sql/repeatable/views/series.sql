-- Job: what is stored, one row a series, and what became of its rows.
-- Reads: instruments, batches, gaps, quarantine, candles. Writes: nothing. Lock: none.
-- Counts come from the batches: no need to count the candles.
CREATE OR REPLACE VIEW market.series AS
SELECT
    instruments.venue || ':' || instruments.symbol AS instrument,
    written.instrument_id,
    written.timeframe_s,
    oldest.time AS first_at,
    newest.time AS last_at,
    written.rows_new AS candles,
    coalesce(holes.gaps, 0) AS gaps,
    coalesce(holes.candles_missing, 0) AS candles_missing,
    written.batches,
    written.last_batch_id,
    written.last_known_at
FROM (
    SELECT
        instrument_id,
        timeframe_s,
        count(*) AS batches,
        sum(rows_new) AS rows_new,
        max(batch_id) AS last_batch_id,
        max(known_at) AS last_known_at
    FROM market.batches
    GROUP BY instrument_id, timeframe_s
) AS written
INNER JOIN market.instruments ON written.instrument_id = instruments.instrument_id
LEFT JOIN (
    SELECT
        instrument_id,
        timeframe_s,
        count(*) AS gaps,
        sum(candles_missing) AS candles_missing
    FROM market.gaps
    GROUP BY instrument_id, timeframe_s
) AS holes
    ON
        written.instrument_id = holes.instrument_id
        AND written.timeframe_s = holes.timeframe_s
LEFT JOIN LATERAL (
    SELECT candles.time
    FROM market.candles
    WHERE
        candles.instrument_id = written.instrument_id
        AND candles.timeframe_s = written.timeframe_s
    ORDER BY candles.time ASC
    LIMIT 1
) AS oldest ON true
LEFT JOIN LATERAL (
    SELECT candles.time
    FROM market.candles
    WHERE
        candles.instrument_id = written.instrument_id
        AND candles.timeframe_s = written.timeframe_s
    ORDER BY candles.time DESC
    LIMIT 1
) AS newest ON true;
COMMENT ON VIEW market.series IS 'one row a series; candles is exact while nothing is dropped';

CREATE OR REPLACE VIEW market.data_quality AS
SELECT
    instruments.venue || ':' || instruments.symbol AS instrument,
    written.instrument_id,
    written.timeframe_s,
    written.rows_read,
    written.rows_new,
    written.rows_changed,
    written.rows_refused,
    written.rows_flagged,
    coalesce(holes.not_fetched, 0) AS missing_not_fetched,
    coalesce(holes.no_trades, 0) AS missing_no_trades,
    coalesce(holes.source_hole, 0) AS missing_source_hole,
    coalesce(holes.outage, 0) AS missing_outage,
    coalesce(holes.closed, 0) AS missing_closed,
    refused.checks AS refused_by_check
FROM (
    SELECT
        instrument_id,
        timeframe_s,
        sum(rows_read) AS rows_read,
        sum(rows_new) AS rows_new,
        sum(rows_changed) AS rows_changed,
        sum(rows_refused) AS rows_refused,
        sum(rows_flagged) AS rows_flagged
    FROM market.batches
    GROUP BY instrument_id, timeframe_s
) AS written
INNER JOIN market.instruments ON written.instrument_id = instruments.instrument_id
LEFT JOIN (
    SELECT
        instrument_id,
        timeframe_s,
        sum(candles_missing) FILTER (WHERE reason = 'not_fetched') AS not_fetched,
        sum(candles_missing) FILTER (WHERE reason = 'no_trades') AS no_trades,
        sum(candles_missing) FILTER (WHERE reason = 'source_hole') AS source_hole,
        sum(candles_missing) FILTER (WHERE reason = 'outage') AS outage,
        sum(candles_missing) FILTER (WHERE reason = 'closed') AS closed
    FROM market.gaps
    GROUP BY instrument_id, timeframe_s
) AS holes
    ON
        written.instrument_id = holes.instrument_id
        AND written.timeframe_s = holes.timeframe_s
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(by_check.check_name, by_check.refusals) AS checks
    FROM (
        SELECT
            quarantine.check_name,
            count(*) AS refusals
        FROM market.quarantine
        WHERE
            quarantine.instrument = instruments.venue || ':' || instruments.symbol
            AND quarantine.timeframe_s = written.timeframe_s
        GROUP BY quarantine.check_name
    ) AS by_check
) AS refused ON true;
COMMENT ON VIEW market.data_quality IS
'one row a series: rows by what became of them, absent candles by reason, refusals by check';
