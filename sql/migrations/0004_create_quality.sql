-- Job: what was refused, which candles are absent and why, what was fetched so far.
-- Reads: nothing. Writes: quarantine, gaps, gap_looks, fetch_cursors, rollup_ranges, funding_rates.
-- Lock: none on existing tables.
CREATE TABLE market.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY,
    source text NOT NULL,
    source_digest text NOT NULL,
    instrument text,
    timeframe_s integer,
    row_number bigint NOT NULL,
    line_number bigint,
    check_name text NOT NULL,
    column_name text NOT NULL,
    value text NOT NULL,
    message text NOT NULL,
    time timestamptz,
    refused_at timestamptz NOT NULL DEFAULT now(),
    run_id text,
    CONSTRAINT pk_quarantine PRIMARY KEY (quarantine_id),
    CONSTRAINT uq_quarantine_entry UNIQUE NULLS NOT DISTINCT (
        source_digest, instrument, timeframe_s, row_number, check_name, column_name
    )
);
COMMENT ON COLUMN market.quarantine.row_number IS
'counted from 1 over the data rows; 0 is the file as a whole';

CREATE TABLE market.gaps (
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    candles_missing integer NOT NULL,
    reason text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    checked_at timestamptz,
    repair_attempts integer NOT NULL DEFAULT 0,
    CONSTRAINT pk_gaps PRIMARY KEY (instrument_id, timeframe_s, from_at),
    CONSTRAINT fk_gaps_instrument FOREIGN KEY (instrument_id)
    REFERENCES market.instruments (instrument_id),
    CONSTRAINT ck_gaps_reason CHECK (
        reason IN ('not_fetched', 'refused', 'no_trades', 'source_hole', 'outage', 'closed')
    ),
    CONSTRAINT ck_gaps_span CHECK (from_at < to_at AND candles_missing > 0)
);
COMMENT ON COLUMN market.gaps.from_at IS 'start of the first absent candle';
COMMENT ON COLUMN market.gaps.to_at IS 'start of the first present candle after the gap';

CREATE TABLE market.gap_looks (
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    batch_id bigint NOT NULL,
    CONSTRAINT pk_gap_looks PRIMARY KEY (instrument_id, timeframe_s),
    CONSTRAINT fk_gap_looks_instrument FOREIGN KEY (instrument_id)
    REFERENCES market.instruments (instrument_id)
);
COMMENT ON TABLE market.gap_looks IS
'the last batch of a series whose span was searched for gaps: spans of later ones are still to be';

CREATE TABLE market.fetch_cursors (
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    since_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    pages integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_fetch_cursors PRIMARY KEY (instrument_id, timeframe_s, since_at, until_at),
    CONSTRAINT fk_fetch_cursors_instrument FOREIGN KEY (instrument_id)
    REFERENCES market.instruments (instrument_id),
    CONSTRAINT ck_fetch_cursors_span CHECK (since_at <= next_at AND since_at < until_at)
);
COMMENT ON COLUMN market.fetch_cursors.next_at IS
'everything before it is stored: moved only in the transaction that stores the page';

CREATE TABLE market.rollup_ranges (
    range_id bigint GENERATED ALWAYS AS IDENTITY,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    batch_id bigint NOT NULL,
    CONSTRAINT pk_rollup_ranges PRIMARY KEY (range_id),
    CONSTRAINT ck_rollup_ranges_span CHECK (from_at < to_at)
);
COMMENT ON TABLE market.rollup_ranges IS
'spans whose rollups are older than their candles: written with the candles, deleted after the refresh';

CREATE TABLE market.funding_rates (
    instrument_id integer NOT NULL,
    time timestamptz NOT NULL,
    funding_rate double precision NOT NULL,
    source text NOT NULL,
    source_digest text NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_funding_rates PRIMARY KEY (instrument_id, time),
    CONSTRAINT fk_funding_rates_instrument FOREIGN KEY (instrument_id)
    REFERENCES market.instruments (instrument_id)
);
COMMENT ON COLUMN market.funding_rates.time IS 'the settlement, as the source dates it, UTC';
COMMENT ON COLUMN market.funding_rates.funding_rate IS
'share of the position''s value for one settlement; positive: longs pay shorts';

CREATE TABLE market.candle_files (
    source_digest text NOT NULL,
    path text NOT NULL,
    instrument text NOT NULL,
    timeframe_s integer NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_candle_files PRIMARY KEY (source_digest, instrument, timeframe_s)
);
COMMENT ON TABLE market.candle_files IS 'files that were imported to their end: the same bytes need no second import';
