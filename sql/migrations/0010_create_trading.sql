-- Job: accounts, bots, and everything that becomes of a decision: intent, order, fill, trade.
-- Reads: nothing. Writes: schema trading. Lock: none on existing tables.
-- An order is written before it is sent; a fill is stored once by its trade id, in the transaction
-- that changes position, balance and trade; nothing here is ever deleted but logs.
-- Amounts have no scale: a sum of what is stored is the sum of what was computed, to the digit.
CREATE SCHEMA trading;

CREATE TABLE trading.accounts (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    venue text NOT NULL,
    kind text NOT NULL DEFAULT 'spot',
    mode text NOT NULL DEFAULT 'paper',
    secret_id uuid,
    quote_ccy text NOT NULL DEFAULT 'USDT',
    state text NOT NULL DEFAULT 'active',
    state_reason text,
    state_at timestamptz NOT NULL DEFAULT now(),
    reconciled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CONSTRAINT pk_accounts PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT uq_accounts_name UNIQUE (tenant_id, name),
    CONSTRAINT fk_accounts_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT fk_accounts_secret FOREIGN KEY (tenant_id, secret_id)
    REFERENCES tenancy.secrets (tenant_id, secret_id),
    CONSTRAINT ck_accounts_kind CHECK (kind IN ('spot', 'fixed_payout')),
    CONSTRAINT ck_accounts_mode CHECK (mode IN ('paper', 'demo', 'live')),
    CONSTRAINT ck_accounts_state CHECK (state IN ('active', 'blocked', 'closed')),
    CONSTRAINT ck_accounts_secret CHECK (mode = 'paper' OR secret_id IS NOT NULL)
);
COMMENT ON COLUMN trading.accounts.state IS
'blocked: an unexplained difference, an unknown order or a dead key; entries wait, exits go on';

CREATE TABLE trading.balances (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    ccy text NOT NULL,
    total numeric NOT NULL,
    reserved numeric NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_balances PRIMARY KEY (tenant_id, account_id, ccy),
    CONSTRAINT fk_balances_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT ck_balances_reserved CHECK (reserved >= 0)
);
COMMENT ON COLUMN trading.balances.total IS 'sum of the ledger of this account and currency';
COMMENT ON COLUMN trading.balances.reserved IS 'sum of the reservations of open intents';

CREATE TABLE trading.ledger (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    entry_key text COLLATE "C" NOT NULL,
    ccy text NOT NULL,
    amount numeric NOT NULL,
    kind text NOT NULL,
    bot_id uuid,
    note text,
    occurred_at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger PRIMARY KEY (tenant_id, account_id, entry_key, ccy),
    CONSTRAINT fk_ledger_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT ck_ledger_kind CHECK (
        kind IN ('opening', 'fill', 'fee', 'payout', 'stake', 'external', 'transfer')
    )
);
COMMENT ON TABLE trading.ledger IS 'every movement of money, once by its key; only ever grows';
COMMENT ON COLUMN trading.ledger.kind IS
'external: seen at the venue, not by an order of ours (deposit, dust, a person''s own trade)';

CREATE TABLE trading.bots (
    tenant_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    name text NOT NULL,
    account_id uuid NOT NULL,
    version integer NOT NULL,
    wanted text NOT NULL DEFAULT 'stopped',
    wanted_at timestamptz NOT NULL DEFAULT now(),
    flatten_on_stop boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'stopped',
    state_reason text,
    state_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    CONSTRAINT pk_bots PRIMARY KEY (tenant_id, bot_id),
    CONSTRAINT uq_bots_name UNIQUE (tenant_id, name),
    CONSTRAINT fk_bots_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT ck_bots_wanted CHECK (wanted IN ('running', 'stopped')),
    CONSTRAINT ck_bots_state CHECK (
        state IN ('stopped', 'starting', 'running', 'stopping', 'blocked', 'error')
    ),
    CONSTRAINT ck_bots_name CHECK (length(name) BETWEEN 1 AND 100)
);
COMMENT ON COLUMN trading.bots.wanted IS 'what its user wants; executors make it so';
COMMENT ON COLUMN trading.bots.wanted_at IS
'when it was last said; a run that began before it is ended and begun anew';
COMMENT ON COLUMN trading.bots.state IS
'what an executor says; who holds its shard says whether it is alive';

CREATE TABLE trading.bot_versions (
    tenant_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    version integer NOT NULL,
    config jsonb NOT NULL,
    definition_id text COLLATE "C" NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_bot_versions PRIMARY KEY (tenant_id, bot_id, version),
    CONSTRAINT fk_bot_versions_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id)
);
ALTER TABLE trading.bots ADD CONSTRAINT fk_bots_version FOREIGN KEY (tenant_id, bot_id, version)
REFERENCES trading.bot_versions (tenant_id, bot_id, version) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE trading.bot_runs (
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    version integer NOT NULL,
    executor text NOT NULL,
    started_at timestamptz NOT NULL,
    stopped_at timestamptz,
    stop_reason text,
    CONSTRAINT pk_bot_runs PRIMARY KEY (tenant_id, run_id),
    CONSTRAINT fk_bot_runs_version FOREIGN KEY (tenant_id, bot_id, version)
    REFERENCES trading.bot_versions (tenant_id, bot_id, version)
);
CREATE INDEX ix_bot_runs_bot ON trading.bot_runs (tenant_id, bot_id, started_at);

CREATE TABLE trading.decisions (
    tenant_id uuid NOT NULL,
    decision_id uuid NOT NULL,
    bot_id uuid,
    definition_id text COLLATE "C",
    symbol text NOT NULL,
    bar_at timestamptz NOT NULL,
    leg text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    decided_by text,
    gates jsonb NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (tenant_id, decision_id),
    CONSTRAINT uq_decisions_once UNIQUE NULLS NOT DISTINCT (
        tenant_id, bot_id, symbol, bar_at, leg
    ),
    CONSTRAINT fk_decisions_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT ck_decisions_action CHECK (
        action IN ('enter', 'add', 'exit', 'reverse', 'bet', 'flatten', 'skip', 'hold')
    ),
    CONSTRAINT ck_decisions_outcome CHECK (outcome IN ('intent', 'refused', 'nothing'))
);
COMMENT ON COLUMN trading.decisions.gates IS
'why, or why not: the gates in the order in which they were asked, each with value and limit';
COMMENT ON COLUMN trading.decisions.decided_by IS 'the gate that refused; null where none did';

CREATE TABLE trading.intents (
    tenant_id uuid NOT NULL,
    intent_id uuid NOT NULL,
    account_id uuid NOT NULL,
    bot_id uuid,
    decision_id uuid,
    symbol text NOT NULL,
    bar_at timestamptz NOT NULL,
    leg text NOT NULL,
    source text NOT NULL,
    side text NOT NULL,
    kind text NOT NULL,
    quantity numeric NOT NULL,
    price numeric,
    stop_price numeric,
    reference_price numeric,
    terms jsonb NOT NULL DEFAULT '{}',
    valid_until timestamptz,
    shard integer NOT NULL,
    epoch bigint NOT NULL,
    state text NOT NULL DEFAULT 'committed',
    state_reason text,
    created_at timestamptz NOT NULL,
    final_at timestamptz,
    CONSTRAINT pk_intents PRIMARY KEY (tenant_id, intent_id),
    CONSTRAINT uq_intents_once UNIQUE NULLS NOT DISTINCT (
        tenant_id, bot_id, symbol, bar_at, leg
    ),
    CONSTRAINT fk_intents_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT fk_intents_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT fk_intents_decision FOREIGN KEY (tenant_id, decision_id)
    REFERENCES trading.decisions (tenant_id, decision_id),
    CONSTRAINT ck_intents_source CHECK (source IN ('signal', 'protection', 'manual', 'flatten')),
    CONSTRAINT ck_intents_side CHECK (side IN ('buy', 'sell', 'call', 'put')),
    CONSTRAINT ck_intents_quantity CHECK (quantity > 0),
    CONSTRAINT ck_intents_state CHECK (state IN ('committed', 'working', 'done', 'failed')),
    CONSTRAINT ck_intents_final CHECK ((state IN ('done', 'failed')) = (final_at IS NOT NULL))
);
CREATE INDEX ix_intents_open ON trading.intents (tenant_id, account_id)
WHERE state IN ('committed', 'working');
CREATE INDEX ix_intents_bot ON trading.intents (tenant_id, bot_id, created_at);
-- A tenant's entries of the day are counted in the transaction of the next one.
CREATE INDEX ix_intents_entries ON trading.intents (tenant_id, created_at) WHERE side <> 'sell';
COMMENT ON COLUMN trading.intents.leg IS
'which of several intents of one bar: entry, exit, leg, stop, manual:<key>, ...';
COMMENT ON COLUMN trading.intents.epoch IS
'of the lease under which it was committed; one that is over commits nothing';
COMMENT ON COLUMN trading.intents.reference_price IS
'the price that the decision expected, from which slippage is counted';
COMMENT ON COLUMN trading.intents.terms IS
'what the position takes over when it fills: stop, target, trailing, legs; of a bet: expiry, payout';

CREATE TABLE trading.order_requests (
    tenant_id uuid NOT NULL,
    request_id uuid NOT NULL,
    account_id uuid NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    kind text NOT NULL,
    quantity numeric NOT NULL,
    price numeric,
    valid_until timestamptz,
    state text NOT NULL DEFAULT 'waiting',
    reason text,
    intent_id uuid,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    answered_at timestamptz,
    CONSTRAINT pk_order_requests PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT fk_order_requests_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT fk_order_requests_intent FOREIGN KEY (tenant_id, intent_id)
    REFERENCES trading.intents (tenant_id, intent_id),
    CONSTRAINT ck_order_requests_side CHECK (side IN ('buy', 'sell')),
    CONSTRAINT ck_order_requests_kind CHECK (kind IN ('market', 'limit')),
    CONSTRAINT ck_order_requests_price CHECK ((kind = 'limit') = (price IS NOT NULL)),
    CONSTRAINT ck_order_requests_quantity CHECK (quantity > 0),
    CONSTRAINT ck_order_requests_state CHECK (
        state IN ('waiting', 'taken', 'refused', 'lapsed')
    ),
    CONSTRAINT ck_order_requests_taken CHECK ((state = 'taken') = (intent_id IS NOT NULL)),
    CONSTRAINT ck_order_requests_answered CHECK ((state = 'waiting') = (answered_at IS NULL))
);
CREATE INDEX ix_order_requests_waiting ON trading.order_requests (tenant_id, account_id)
WHERE state = 'waiting';
COMMENT ON TABLE trading.order_requests IS
'orders that a person asks for; an executor takes them through the gates, with no bot';
COMMENT ON COLUMN trading.order_requests.valid_until IS
'not taken after it: an order that waited for an executor is not wanted any more';

CREATE TABLE trading.reservations (
    tenant_id uuid NOT NULL,
    intent_id uuid NOT NULL,
    account_id uuid NOT NULL,
    ccy text NOT NULL,
    asked numeric NOT NULL,
    amount numeric NOT NULL,
    CONSTRAINT pk_reservations PRIMARY KEY (tenant_id, intent_id),
    CONSTRAINT fk_reservations_intent FOREIGN KEY (tenant_id, intent_id)
    REFERENCES trading.intents (tenant_id, intent_id),
    CONSTRAINT fk_reservations_balance FOREIGN KEY (tenant_id, account_id, ccy)
    REFERENCES trading.balances (tenant_id, account_id, ccy),
    CONSTRAINT ck_reservations_amount CHECK (amount >= 0)
);
COMMENT ON COLUMN trading.reservations.asked IS 'what was held back at first';
COMMENT ON COLUMN trading.reservations.amount IS
'what is still held back; shrinks with each fill, 0 once the intent is final';

CREATE TABLE trading.orders (
    tenant_id uuid NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    intent_id uuid NOT NULL,
    account_id uuid NOT NULL,
    attempt integer NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    kind text NOT NULL,
    quantity numeric NOT NULL,
    price numeric,
    stop_price numeric,
    venue_order_id text,
    state text NOT NULL,
    state_reason text,
    executed numeric NOT NULL DEFAULT 0,
    venue_executed numeric NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    fence_at timestamptz,
    answered_at timestamptz,
    final_at timestamptz,
    CONSTRAINT pk_orders PRIMARY KEY (tenant_id, client_id),
    CONSTRAINT uq_orders_attempt UNIQUE (tenant_id, intent_id, attempt),
    CONSTRAINT fk_orders_intent FOREIGN KEY (tenant_id, intent_id)
    REFERENCES trading.intents (tenant_id, intent_id),
    CONSTRAINT fk_orders_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT ck_orders_state CHECK (
        state IN (
            'created', 'sending', 'unknown', 'open', 'canceling',
            'filled', 'canceled', 'expired', 'rejected', 'absent'
        )
    ),
    -- Not at most the quantity: what a venue executed is booked, even where it executed too much.
    CONSTRAINT ck_orders_executed CHECK (executed >= 0)
);
CREATE INDEX ix_orders_open ON trading.orders (tenant_id, account_id)
WHERE state IN ('created', 'sending', 'unknown', 'open', 'canceling');
CREATE INDEX ix_orders_venue ON trading.orders (tenant_id, account_id, venue_order_id);
COMMENT ON TABLE trading.orders IS 'attempts of intents; each has a client id of its own';
COMMENT ON COLUMN trading.orders.executed IS 'sum of the fills booked';
COMMENT ON COLUMN trading.orders.venue_executed IS
'the cumulative quantity that the venue last showed: where it is more, a fill is still missing';
COMMENT ON COLUMN trading.orders.fence_at IS
'after it, an order that the venue does not know was never accepted';

CREATE TABLE trading.fills (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    symbol text NOT NULL,
    trade_id text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    bot_id uuid,
    side text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    fee numeric NOT NULL,
    fee_ccy text NOT NULL,
    is_maker boolean NOT NULL,
    executed_at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL,
    CONSTRAINT pk_fills PRIMARY KEY (tenant_id, account_id, symbol, trade_id),
    CONSTRAINT fk_fills_order FOREIGN KEY (tenant_id, client_id)
    REFERENCES trading.orders (tenant_id, client_id),
    CONSTRAINT ck_fills_quantity CHECK (quantity > 0 AND price > 0),
    CONSTRAINT ck_fills_side CHECK (side IN ('buy', 'sell'))
);
CREATE INDEX ix_fills_order ON trading.fills (tenant_id, client_id);
CREATE INDEX ix_fills_account ON trading.fills (tenant_id, account_id, symbol, executed_at);
CREATE INDEX ix_fills_bot ON trading.fills (tenant_id, bot_id, executed_at);

CREATE TABLE trading.external_orders (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    symbol text NOT NULL,
    venue_order_id text NOT NULL,
    client_id text,
    side text NOT NULL,
    state text NOT NULL,
    quantity numeric NOT NULL,
    executed numeric NOT NULL,
    first_seen_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT pk_external_orders PRIMARY KEY (tenant_id, account_id, symbol, venue_order_id),
    CONSTRAINT fk_external_orders_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id)
);
COMMENT ON TABLE trading.external_orders IS
'orders at the venue that are none of ours: kept apart, never touched';

CREATE TABLE trading.positions (
    tenant_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    symbol text NOT NULL,
    account_id uuid NOT NULL,
    quantity numeric NOT NULL,
    mean_price numeric NOT NULL,
    best_price numeric,
    legs integer NOT NULL DEFAULT 0,
    terms jsonb NOT NULL DEFAULT '{}',
    realised numeric NOT NULL DEFAULT 0,
    fees numeric NOT NULL DEFAULT 0,
    dust numeric NOT NULL DEFAULT 0,
    trade_id uuid,
    opened_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_positions PRIMARY KEY (tenant_id, bot_id, symbol),
    CONSTRAINT fk_positions_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT fk_positions_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id)
);
COMMENT ON TABLE trading.positions IS
'what each bot holds of its account, as its fills say; the sum over bots and external holdings is'
' what the venue shows';
COMMENT ON COLUMN trading.positions.realised IS 'quote, over the life of the bot, fees inside';
COMMENT ON COLUMN trading.positions.dust IS
'base left over from closed trades, too little to be sold';

CREATE TABLE trading.trades (
    tenant_id uuid NOT NULL,
    trade_id uuid NOT NULL,
    account_id uuid NOT NULL,
    bot_id uuid,
    kind text NOT NULL DEFAULT 'spot',
    mode text NOT NULL,
    symbol text NOT NULL,
    direction text NOT NULL,
    status text NOT NULL,
    quantity numeric NOT NULL DEFAULT 0,
    entry_price numeric,
    exit_price numeric,
    entry_value numeric NOT NULL DEFAULT 0,
    exit_quantity numeric NOT NULL DEFAULT 0,
    exit_value numeric NOT NULL DEFAULT 0,
    fees numeric NOT NULL DEFAULT 0,
    pnl numeric,
    exit_reason text,
    entry_bar_at timestamptz,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    stake numeric,
    payout_ratio numeric(10, 6),
    expires_at timestamptz,
    venue_trade_id text,
    ladder_step integer,
    CONSTRAINT pk_trades PRIMARY KEY (tenant_id, trade_id),
    CONSTRAINT fk_trades_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT fk_trades_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT ck_trades_kind CHECK (kind IN ('spot', 'fixed_payout')),
    CONSTRAINT ck_trades_direction CHECK (
        (kind = 'spot' AND direction IN ('long', 'short'))
        OR (kind = 'fixed_payout' AND direction IN ('call', 'put'))
    ),
    CONSTRAINT ck_trades_status CHECK (
        (kind = 'spot' AND status IN ('open', 'closed'))
        OR (kind = 'fixed_payout' AND status IN ('open', 'won', 'lost', 'drawn', 'unknown', 'void'))
    ),
    CONSTRAINT ck_trades_payout CHECK (
        kind = 'spot' OR (stake IS NOT NULL AND expires_at IS NOT NULL)
    )
);
CREATE INDEX ix_trades_bot ON trading.trades (tenant_id, bot_id, opened_at);
CREATE INDEX ix_trades_closed ON trading.trades (tenant_id, closed_at);
COMMENT ON COLUMN trading.trades.pnl IS 'quote, after fees; null while open';
