-- Job: what is to be kept complete: which files and venues feed which series.
-- Reads: nothing. Writes: candle_sources. Lock: none on existing tables.
CREATE TABLE market.candle_sources (
    source_id integer GENERATED ALWAYS AS IDENTITY,
    instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL,
    kind text NOT NULL,
    location text NOT NULL,
    since_at timestamptz NOT NULL,
    until_at timestamptz,
    is_active boolean NOT NULL DEFAULT true,
    added_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_candle_sources PRIMARY KEY (source_id),
    CONSTRAINT uq_candle_sources_series UNIQUE (instrument_id, timeframe_s, kind, location),
    CONSTRAINT fk_candle_sources_instrument FOREIGN KEY (instrument_id)
    REFERENCES market.instruments (instrument_id),
    CONSTRAINT ck_candle_sources_kind CHECK (kind IN ('file', 'exchange'))
);
COMMENT ON COLUMN market.candle_sources.location IS
'file: its path; exchange: the ccxt id of the venue';
COMMENT ON COLUMN market.candle_sources.until_at IS
'end of what the source can give; null for a venue, which goes on';
