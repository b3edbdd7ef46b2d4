-- Job: kill switches, what bots say, and how they kept to their backtests.
-- Reads: tenancy, trading. Writes: schema trading. Lock: none on existing tables.
CREATE TABLE trading.halts (
    halt_id uuid NOT NULL,
    scope text NOT NULL,
    tenant_id uuid,
    account_id uuid,
    bot_id uuid,
    flatten boolean NOT NULL DEFAULT false,
    reason text NOT NULL,
    halted_by text NOT NULL,
    halted_at timestamptz NOT NULL DEFAULT now(),
    released_by text,
    released_at timestamptz,
    CONSTRAINT pk_halts PRIMARY KEY (halt_id),
    CONSTRAINT fk_halts_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT fk_halts_account FOREIGN KEY (tenant_id, account_id)
    REFERENCES trading.accounts (tenant_id, account_id),
    CONSTRAINT fk_halts_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT ck_halts_scope CHECK (
        (scope = 'platform' AND tenant_id IS NULL AND account_id IS NULL AND bot_id IS NULL)
        OR (
            scope = 'tenant' AND tenant_id IS NOT NULL AND account_id IS NULL AND bot_id IS NULL
        )
        OR (
            scope = 'account'
            AND tenant_id IS NOT NULL AND account_id IS NOT NULL AND bot_id IS NULL
        )
        OR (scope = 'bot' AND tenant_id IS NOT NULL AND account_id IS NULL AND bot_id IS NOT NULL)
    )
);
CREATE INDEX ix_halts_active ON trading.halts (tenant_id) WHERE released_at IS NULL;
COMMENT ON TABLE trading.halts IS 'kill switches: while one is not released, nothing is entered';

CREATE TABLE trading.bot_logs (
    tenant_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    log_id uuid NOT NULL,
    logged_at timestamptz NOT NULL,
    level text NOT NULL,
    event text NOT NULL,
    message text NOT NULL,
    data jsonb,
    CONSTRAINT pk_bot_logs PRIMARY KEY (tenant_id, bot_id, log_id),
    CONSTRAINT fk_bot_logs_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT ck_bot_logs_level CHECK (level IN ('debug', 'info', 'warning', 'error'))
);
CREATE INDEX ix_bot_logs_age ON trading.bot_logs (tenant_id, logged_at);

CREATE TABLE trading.parity (
    tenant_id uuid NOT NULL,
    parity_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    since_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    is_explained boolean NOT NULL,
    gap numeric NOT NULL,
    report jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_parity PRIMARY KEY (tenant_id, parity_id),
    CONSTRAINT fk_parity_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id)
);
CREATE INDEX ix_parity_bot ON trading.parity (tenant_id, bot_id, until_at);
COMMENT ON COLUMN trading.parity.gap IS
'quote: profit of the bot less that of the backtest on the bars it saw';
