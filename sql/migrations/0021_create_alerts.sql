-- Job: what users want to be told of: a price, profit, loss, share of wins, or a bot that stands.
-- Reads: tenancy, trading. Writes: schema trading. Lock: none on existing tables.
-- Executors look at the alerts of their shards; one that was told rests for its cooldown.
CREATE TABLE trading.alerts (
    tenant_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    bot_id uuid,
    condition jsonb NOT NULL,
    channels text[] NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    cooldown_s integer NOT NULL,
    last_triggered_at timestamptz,
    last_value text,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_alerts PRIMARY KEY (tenant_id, alert_id),
    CONSTRAINT uq_alerts_name UNIQUE (tenant_id, name),
    CONSTRAINT fk_alerts_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT fk_alerts_bot FOREIGN KEY (tenant_id, bot_id)
    REFERENCES trading.bots (tenant_id, bot_id),
    CONSTRAINT ck_alerts_kind CHECK (
        kind IN ('price', 'profit', 'loss', 'win_rate', 'bot_stopped')
    ),
    CONSTRAINT ck_alerts_bot CHECK (
        (kind IN ('profit', 'loss', 'win_rate') AND bot_id IS NOT NULL)
        OR (kind = 'price' AND bot_id IS NULL)
        OR kind = 'bot_stopped'
    ),
    CONSTRAINT ck_alerts_channels CHECK (
        channels <@ ARRAY['inbox', 'mail'] AND cardinality(channels) > 0
    ),
    CONSTRAINT ck_alerts_cooldown CHECK (cooldown_s BETWEEN 60 AND 2592000)
);
CREATE INDEX ix_alerts_active ON trading.alerts (tenant_id) WHERE is_active;
COMMENT ON COLUMN trading.alerts.condition IS 'what is compared with what, by kind; amounts as text';
COMMENT ON COLUMN trading.alerts.bot_id IS 'NULL: a price, or any bot of the tenant';
