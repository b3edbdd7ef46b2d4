-- Job: figures of bots, accounts and users by day, week and month, and their equity day by day.
-- Reads: tenancy, trading. Writes: schemas trading and live.
-- Lock: share on fills, ledger and trades while small indexes are built.
-- Days are those of the tenant's zone. Paper, demo and live are never added up, nor are currencies.
-- What is not defined is NULL; whether a ratio of few trades is shown is decided where it is read.
CREATE TABLE trading.metric_rollups (
    tenant_id uuid NOT NULL,
    scope text NOT NULL,
    scope_id uuid NOT NULL,
    mode text NOT NULL,
    currency text NOT NULL,
    period text NOT NULL,
    starts_on date NOT NULL,
    zone text NOT NULL,
    trades integer NOT NULL,
    wins integer NOT NULL,
    losses integer NOT NULL,
    fills integer NOT NULL,
    days integer NOT NULL,
    net_profit numeric NOT NULL,
    gross_profit numeric NOT NULL,
    gross_loss numeric NOT NULL,
    best_trade numeric,
    worst_trade numeric,
    fees numeric NOT NULL,
    volume numeric NOT NULL,
    deposits numeric NOT NULL,
    equity numeric NOT NULL,
    longest_win_streak integer NOT NULL,
    longest_loss_streak integer NOT NULL,
    win_rate double precision,
    profit_factor double precision,
    average_win double precision,
    average_loss double precision,
    expectancy_ratio double precision,
    total_return double precision,
    max_drawdown double precision,
    volatility double precision,
    sharpe double precision,
    sortino double precision,
    computed_at timestamptz NOT NULL,
    CONSTRAINT pk_metric_rollups PRIMARY KEY (
        tenant_id, scope, scope_id, mode, currency, period, starts_on
    ),
    CONSTRAINT fk_metric_rollups_tenant FOREIGN KEY (tenant_id)
    REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_metric_rollups_scope CHECK (scope IN ('bot', 'account', 'user')),
    CONSTRAINT ck_metric_rollups_mode CHECK (mode IN ('paper', 'demo', 'live')),
    CONSTRAINT ck_metric_rollups_period CHECK (period IN ('day', 'week', 'month', 'all'))
);
COMMENT ON COLUMN trading.metric_rollups.scope_id IS
'bot, account, or of scope user the tenant, whose trades are all counted';
COMMENT ON COLUMN trading.metric_rollups.starts_on IS
'first day of the period, Monday of a week; 1970-01-01 for all';
COMMENT ON COLUMN trading.metric_rollups.days IS
'calendar days of the period since the first one of the series: samples of the daily returns';
COMMENT ON COLUMN trading.metric_rollups.deposits IS 'capital put in, less what was taken out';
COMMENT ON COLUMN trading.metric_rollups.equity IS
'at the end of the period: capital and the profit of closed trades; open ones count as they cost';

CREATE TABLE trading.equity_points (
    tenant_id uuid NOT NULL,
    scope text NOT NULL,
    scope_id uuid NOT NULL,
    mode text NOT NULL,
    currency text NOT NULL,
    day date NOT NULL,
    profit numeric NOT NULL,
    deposits numeric NOT NULL,
    equity numeric NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT pk_equity_points PRIMARY KEY (tenant_id, scope, scope_id, mode, currency, day),
    CONSTRAINT fk_equity_points_tenant FOREIGN KEY (tenant_id)
    REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_equity_points_scope CHECK (scope IN ('bot', 'account', 'user')),
    CONSTRAINT ck_equity_points_mode CHECK (mode IN ('paper', 'demo', 'live'))
);
COMMENT ON TABLE trading.equity_points IS
'days on which something changed; between them equity stands';

CREATE TABLE trading.rollup_states (
    tenant_id uuid NOT NULL,
    zone text NOT NULL,
    through_day date NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT pk_rollup_states PRIMARY KEY (tenant_id),
    CONSTRAINT fk_rollup_states_tenant FOREIGN KEY (tenant_id)
    REFERENCES tenancy.tenants (tenant_id)
);
COMMENT ON TABLE trading.rollup_states IS 'by which zone and until which day figures were computed';

CREATE TABLE live.rollup_watermark (
    is_only boolean NOT NULL DEFAULT true,
    looked_at timestamptz NOT NULL,
    CONSTRAINT pk_rollup_watermark PRIMARY KEY (is_only),
    CONSTRAINT ck_rollup_watermark_only CHECK (is_only)
);
COMMENT ON TABLE live.rollup_watermark IS 'until when bookings of all tenants were looked at';

-- What was booked lately, of all tenants; rows come in order of time, so a page of these is enough.
CREATE INDEX ix_fills_booked ON trading.fills USING brin (booked_at);
CREATE INDEX ix_ledger_booked ON trading.ledger USING brin (booked_at);
CREATE INDEX ix_trades_closing ON trading.trades USING brin (closed_at);
