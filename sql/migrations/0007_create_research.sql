-- Job: what was tried and what came of it: runs, trials, sweeps, requests, schedules, sources.
-- Reads: nothing. Writes: schema research. Lock: none on existing tables.
-- Evidence (families to strategy_sources) only ever grows; see repeatable/grants/research.sql.
CREATE SCHEMA research;

CREATE TABLE research.families (
    family_id integer GENERATED ALWAYS AS IDENTITY,
    strategy text NOT NULL,
    instruments text[] NOT NULL,
    timeframe text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    CONSTRAINT pk_families PRIMARY KEY (family_id),
    CONSTRAINT uq_families_identity UNIQUE (strategy, instruments, timeframe),
    CONSTRAINT ck_families_instruments CHECK (cardinality(instruments) > 0)
);
COMMENT ON TABLE research.families IS
'trials among which somebody chooses: one strategy by name, on the same instruments and timeframe';
COMMENT ON COLUMN research.families.instruments IS 'exchange:SYMBOL each, sorted';

CREATE TABLE research.sweeps (
    sweep_id text COLLATE "C" NOT NULL,
    family_id integer NOT NULL,
    spec json NOT NULL,
    total integer NOT NULL,
    state text NOT NULL DEFAULT 'open',
    surface text NOT NULL,
    requested_by text,
    opened_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_sweeps PRIMARY KEY (sweep_id),
    CONSTRAINT fk_sweeps_family FOREIGN KEY (family_id) REFERENCES research.families (family_id),
    CONSTRAINT ck_sweeps_total CHECK (total > 0),
    CONSTRAINT ck_sweeps_state CHECK (state IN ('open', 'done')),
    CONSTRAINT ck_sweeps_surface CHECK (
        surface IN ('cli', 'notebook', 'schedule', 'request', 'api')
    )
);
COMMENT ON COLUMN research.sweeps.sweep_id IS 'digest of the spec, in hexadecimal';
COMMENT ON COLUMN research.sweeps.total IS 'points of the sweep';

CREATE TABLE research.sweep_chunks (
    sweep_id text COLLATE "C" NOT NULL,
    chunk integer NOT NULL,
    first_point integer NOT NULL,
    points integer NOT NULL,
    figures bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_sweep_chunks PRIMARY KEY (sweep_id, chunk),
    CONSTRAINT fk_sweep_chunks_sweep FOREIGN KEY (sweep_id) REFERENCES research.sweeps (sweep_id),
    CONSTRAINT ck_sweep_chunks_span CHECK (chunk >= 0 AND first_point >= 0 AND points > 0)
);
ALTER TABLE research.sweep_chunks ALTER COLUMN figures SET STORAGE EXTERNAL;
COMMENT ON TABLE research.sweep_chunks IS
'points of a sweep whose figures and trials are stored: both in the one transaction';
COMMENT ON COLUMN research.sweep_chunks.figures IS 'Parquet, a row for each point in its order';

CREATE TABLE research.trials (
    family_id integer NOT NULL,
    trial_key text COLLATE "C" NOT NULL,
    sweep_id text COLLATE "C",
    parameters jsonb NOT NULL,
    bars integer NOT NULL,
    sharpe double precision,
    total_return double precision,
    max_drawdown double precision,
    skewness double precision,
    kurtosis double precision,
    round_trips integer,
    surface text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    CONSTRAINT pk_trials PRIMARY KEY (family_id, trial_key),
    CONSTRAINT fk_trials_family FOREIGN KEY (family_id) REFERENCES research.families (family_id),
    CONSTRAINT fk_trials_sweep FOREIGN KEY (sweep_id) REFERENCES research.sweeps (sweep_id),
    CONSTRAINT ck_trials_bars CHECK (bars >= 0),
    CONSTRAINT ck_trials_surface CHECK (
        surface IN ('cli', 'notebook', 'schedule', 'request', 'api')
    )
);
COMMENT ON TABLE research.trials IS
'every combination that was ever tried in a family, once, whatever surface or sweep tried it first';
COMMENT ON COLUMN research.trials.trial_key IS
'sha256 of what decides the outcome: source of the strategy, parameters, candles, costs, rules';
COMMENT ON COLUMN research.trials.sweep_id IS 'the sweep that tried it first, where one did';
COMMENT ON COLUMN research.trials.sharpe IS 'per bar, not annualised; null where undefined';
COMMENT ON COLUMN research.trials.kurtosis IS 'as the metric of that name, of the bar returns';

CREATE TABLE research.runs (
    run_id text COLLATE "C" NOT NULL,
    family_id integer NOT NULL,
    trial_key text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    manifest json NOT NULL,
    metrics jsonb NOT NULL,
    trades_digest text NOT NULL,
    trades bytea NOT NULL,
    surface text NOT NULL,
    requested_by text,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_runs PRIMARY KEY (run_id),
    CONSTRAINT fk_runs_trial FOREIGN KEY (family_id, trial_key)
    REFERENCES research.trials (family_id, trial_key),
    CONSTRAINT ck_runs_kind CHECK (kind IN ('backtest', 'portfolio', 'payout', 'walkforward')),
    CONSTRAINT ck_runs_surface CHECK (
        surface IN ('cli', 'notebook', 'schedule', 'request', 'api')
    )
);
CREATE INDEX ix_runs_trial ON research.runs (family_id, trial_key);
CREATE INDEX ix_runs_created_at ON research.runs (created_at);
ALTER TABLE research.runs ALTER COLUMN trades SET STORAGE EXTERNAL;
COMMENT ON COLUMN research.runs.run_id IS 'id of the manifest: sha256 in hexadecimal';
COMMENT ON COLUMN research.runs.manifest IS
'json, not jsonb, which would write numbers anew: the id is the hash of them as they stand here';
COMMENT ON COLUMN research.runs.metrics IS
'null where a figure is undefined; infinite ones are the texts Infinity and -Infinity';
COMMENT ON COLUMN research.runs.trades IS 'Parquet, a row for each trade in order of entry';

CREATE TABLE research.run_reports (
    run_id text COLLATE "C" NOT NULL,
    report bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_run_reports PRIMARY KEY (run_id),
    CONSTRAINT fk_run_reports_run FOREIGN KEY (run_id) REFERENCES research.runs (run_id)
);
ALTER TABLE research.run_reports ALTER COLUMN report SET STORAGE EXTERNAL;
COMMENT ON TABLE research.run_reports IS
'beside the runs, so that a report can be added later though runs are never changed';
COMMENT ON COLUMN research.run_reports.report IS 'HTML, gzipped';

CREATE TABLE research.strategy_sources (
    source_digest text COLLATE "C" NOT NULL,
    strategy text NOT NULL,
    source text NOT NULL,
    saved_at timestamptz NOT NULL,
    checked_at timestamptz,
    check_result jsonb,
    CONSTRAINT pk_strategy_sources PRIMARY KEY (source_digest)
);
COMMENT ON COLUMN research.strategy_sources.check_result IS 'of the last prefix check of this text';

CREATE TABLE research.schedules (
    name text NOT NULL,
    cron text NOT NULL,
    kind text NOT NULL,
    spec json NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    requested_by text,
    counts_from timestamptz NOT NULL,
    last_enqueued_for timestamptz,
    CONSTRAINT pk_schedules PRIMARY KEY (name),
    CONSTRAINT ck_schedules_kind CHECK (
        kind IN ('backtest', 'portfolio', 'payout', 'walkforward', 'sweep')
    )
);
COMMENT ON COLUMN research.schedules.cron IS 'five fields, in UTC';
COMMENT ON COLUMN research.schedules.counts_from IS
'ticks after it count: when the schedule was made, changed or let go on';
COMMENT ON COLUMN research.schedules.last_enqueued_for IS 'the tick of the last request made';

CREATE TABLE research.requests (
    request_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    spec json NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    surface text NOT NULL,
    requested_by text,
    requested_at timestamptz NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    claimed_by text,
    started_at timestamptz,
    finished_at timestamptz,
    progress_ratio real NOT NULL DEFAULT 0,
    progress_note text,
    run_id text COLLATE "C",
    sweep_id text COLLATE "C",
    error jsonb,
    schedule text,
    scheduled_for timestamptz,
    CONSTRAINT pk_requests PRIMARY KEY (request_id),
    CONSTRAINT uq_requests_tick UNIQUE (schedule, scheduled_for),
    CONSTRAINT fk_requests_run FOREIGN KEY (run_id) REFERENCES research.runs (run_id),
    CONSTRAINT fk_requests_sweep FOREIGN KEY (sweep_id) REFERENCES research.sweeps (sweep_id),
    CONSTRAINT ck_requests_kind CHECK (
        kind IN ('backtest', 'portfolio', 'payout', 'walkforward', 'sweep')
    ),
    CONSTRAINT ck_requests_state CHECK (
        state IN ('queued', 'running', 'done', 'failed', 'cancelled')
    ),
    CONSTRAINT ck_requests_surface CHECK (
        surface IN ('cli', 'notebook', 'schedule', 'request', 'api')
    ),
    CONSTRAINT ck_requests_claim CHECK (state <> 'running' OR claimed_by IS NOT NULL)
);
CREATE INDEX ix_requests_open ON research.requests (requested_at)
WHERE state IN ('queued', 'running');
COMMENT ON COLUMN research.requests.attempt IS 'one more each time its process died';
COMMENT ON COLUMN research.requests.claimed_by IS
'what works on it, in the words of what claims requests: the run of Dagster';
COMMENT ON COLUMN research.requests.error IS 'code, message, hint, status, retryable';
COMMENT ON COLUMN research.requests.scheduled_for IS
'the tick it was made for: unique with its schedule, so that no tick is asked for twice';
