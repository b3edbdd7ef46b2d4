-- Job: what executors share: leases, definitions, signals, the outbox. No tenant's data.
-- Reads: nothing. Writes: schema live. Lock: none on existing tables.
CREATE SCHEMA live;

CREATE TABLE live.executors (
    executor text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    stopped_at timestamptz,
    figures jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_executors PRIMARY KEY (executor)
);

CREATE TABLE live.shards (
    kind text NOT NULL,
    shard integer NOT NULL,
    owner text,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz,
    CONSTRAINT pk_shards PRIMARY KEY (kind, shard),
    CONSTRAINT ck_shards_kind CHECK (kind IN ('trade', 'signals', 'feed'))
);
COMMENT ON TABLE live.shards IS
'who may work on a part until when; each change of owner raises the epoch, which a commit names';

INSERT INTO live.shards (kind, shard)
SELECT
    kinds.kind,
    numbers.shard
FROM (VALUES ('trade', 63), ('signals', 7), ('feed', 7)) AS kinds (kind, last_shard)
CROSS JOIN LATERAL generate_series(0, kinds.last_shard) AS numbers (shard);

CREATE TABLE live.definitions (
    definition_id text COLLATE "C" NOT NULL,
    strategy text NOT NULL,
    source_digest text NOT NULL,
    parameters jsonb NOT NULL,
    instrument text NOT NULL,
    timeframe text NOT NULL,
    kind text NOT NULL,
    warm_up integer NOT NULL,
    reads text[] NOT NULL DEFAULT '{}',
    timeframes integer NOT NULL DEFAULT 1,
    source text,
    created_at timestamptz NOT NULL DEFAULT now(),
    broken_since timestamptz,
    broken_reason text,
    CONSTRAINT pk_definitions PRIMARY KEY (definition_id)
);
COMMENT ON TABLE live.definitions IS
'distinct (strategy source, parameters, instrument, timeframe); evaluated once a bar for all bots';
COMMENT ON COLUMN live.definitions.definition_id IS 'sha256 of what it is, in hexadecimal';
COMMENT ON COLUMN live.definitions.source IS
'text of a strategy that does not ship, so that what ran can be read again';

CREATE TABLE live.signals (
    definition_id text COLLATE "C" NOT NULL,
    bar_at timestamptz NOT NULL,
    status text NOT NULL,
    decision jsonb NOT NULL,
    bars_digest text NOT NULL,
    first_bar_at timestamptz,
    bars integer NOT NULL,
    known_at timestamptz NOT NULL,
    evaluated_at timestamptz NOT NULL,
    epoch bigint NOT NULL,
    CONSTRAINT pk_signals PRIMARY KEY (definition_id, bar_at),
    CONSTRAINT fk_signals_definition FOREIGN KEY (definition_id)
    REFERENCES live.definitions (definition_id),
    CONSTRAINT ck_signals_status CHECK (
        status IN ('ok', 'missing_bar', 'quarantined_bar', 'stale_bar', 'failed', 'too_few_bars')
    )
);
COMMENT ON COLUMN live.signals.bar_at IS 'start of the bar whose close was decided on';
COMMENT ON COLUMN live.signals.known_at IS
'reads as of this instant give the bars that the evaluation saw';

CREATE TABLE live.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    stream text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    CONSTRAINT pk_outbox PRIMARY KEY (seq),
    CONSTRAINT ck_outbox_stream CHECK (stream IN ('bars', 'signals', 'wanted', 'orders', 'user'))
);
CREATE INDEX ix_outbox_unpublished ON live.outbox (seq) WHERE published_at IS NULL;
COMMENT ON TABLE live.outbox IS
'what the streams carry, written with its cause; ids and instants only, no tenant''s figures';
