-- Job: candles, the batches that brought them, the values they replaced.
-- Reads: nothing. Writes: batches, candles, candle_revisions. Lock: none on existing tables.
CREATE TABLE market.batches (
    batch_id bigint GENERATED ALWAYS AS IDENTITY,
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    source_digest text NOT NULL,
    payload_digest text NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    rows_read integer NOT NULL,
    rows_new integer NOT NULL DEFAULT 0,
    rows_changed integer NOT NULL DEFAULT 0,
    rows_unchanged integer NOT NULL DEFAULT 0,
    rows_refused integer NOT NULL DEFAULT 0,
    rows_flagged integer NOT NULL DEFAULT 0,
    known_at timestamptz NOT NULL,
    run_id text,
    CONSTRAINT pk_batches PRIMARY KEY (batch_id),
    CONSTRAINT fk_batches_instrument FOREIGN KEY (instrument_id)
    REFERENCES market.instruments (instrument_id),
    CONSTRAINT ck_batches_kind CHECK (kind IN ('file', 'fetch', 'repair', 'live')),
    CONSTRAINT ck_batches_span CHECK (from_at < to_at)
);
CREATE INDEX ix_batches_series ON market.batches (instrument_id, timeframe_s, batch_id);
CREATE INDEX ix_batches_known_at ON market.batches (instrument_id, known_at);
COMMENT ON TABLE market.batches IS 'one transaction that wrote candles of one series';
COMMENT ON COLUMN market.batches.source IS 'file name, or venue and call; never a secret';
COMMENT ON COLUMN market.batches.source_digest IS 'sha256 of the file or of the answers read';
COMMENT ON COLUMN market.batches.payload_digest IS 'sha256 of the accepted rows';
COMMENT ON COLUMN market.batches.from_at IS 'start of the span the source answers for';
COMMENT ON COLUMN market.batches.to_at IS 'end of that span, not within it';
COMMENT ON COLUMN market.batches.known_at IS
'taken under the lock of the series, so batches of a series are in commit order';
COMMENT ON COLUMN market.batches.run_id IS 'Dagster run, where one did it';

CREATE TABLE market.candles (
    time timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision,
    batch_id bigint NOT NULL,
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    flags integer NOT NULL DEFAULT 0,
    CONSTRAINT pk_candles PRIMARY KEY (instrument_id, timeframe_s, time)
);
COMMENT ON COLUMN market.candles.time IS 'start of the candle, UTC, on the grid of its timeframe';
COMMENT ON COLUMN market.candles.volume IS 'units of the base; null where the source has none';
COMMENT ON COLUMN market.candles.flags IS 'bits of candela.market.candle.Flag; 0 is no remark';

CREATE TABLE market.candle_revisions (
    time timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision,
    batch_id bigint NOT NULL,
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    flags integer NOT NULL DEFAULT 0,
    replaced_by bigint NOT NULL,
    CONSTRAINT pk_candle_revisions PRIMARY KEY (instrument_id, timeframe_s, time, batch_id)
);
COMMENT ON TABLE market.candle_revisions IS
'values that a later batch replaced: batch_id brought them, replaced_by ended them';
