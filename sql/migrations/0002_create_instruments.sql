-- Job: venues and the instruments they trade, shared by all tenants.
-- Reads: nothing. Writes: schema market, venues, instruments. Lock: none on existing tables.
CREATE SCHEMA market;

CREATE TABLE market.venues (
    venue text NOT NULL,
    kind text NOT NULL,
    refreshed_at timestamptz,
    source text,
    CONSTRAINT pk_venues PRIMARY KEY (venue),
    CONSTRAINT ck_venues_kind CHECK (kind IN ('exchange', 'file'))
);
COMMENT ON COLUMN market.venues.kind IS
'exchange: reached through ccxt under this id; file: candles come from files only';
COMMENT ON COLUMN market.venues.source IS
'where the catalogue came from at refreshed_at: venue, or fallback (the list that ships)';

CREATE TABLE market.instruments (
    instrument_id integer GENERATED ALWAYS AS IDENTITY,
    venue text NOT NULL,
    symbol text NOT NULL,
    kind text NOT NULL DEFAULT 'spot',
    base_ccy text,
    quote_ccy text,
    is_active boolean NOT NULL DEFAULT true,
    price_tick numeric,
    amount_step numeric,
    minimum_cost numeric,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_instruments PRIMARY KEY (instrument_id),
    CONSTRAINT uq_instruments_venue_symbol UNIQUE (venue, symbol),
    CONSTRAINT fk_instruments_venue FOREIGN KEY (venue) REFERENCES market.venues (venue),
    CONSTRAINT ck_instruments_kind CHECK (
        kind IN ('spot', 'perpetual', 'future', 'option', 'fx', 'metal', 'equity', 'other')
    )
);
COMMENT ON COLUMN market.instruments.is_active IS
'false once the venue no longer lists it; rows are kept, so that history has no survivor bias';

CREATE TABLE market.rankings (
    ranked_at timestamptz NOT NULL,
    venue text NOT NULL,
    symbol text NOT NULL,
    volume_rank integer,
    change_rank integer,
    quote_volume_24h double precision,
    change_24h_ratio double precision,
    last_price double precision,
    CONSTRAINT pk_rankings PRIMARY KEY (ranked_at, venue, symbol)
);
COMMENT ON COLUMN market.rankings.volume_rank IS '1 is the largest turnover of the venue';
COMMENT ON COLUMN market.rankings.change_rank IS '1 is the largest rise over 24 hours';
