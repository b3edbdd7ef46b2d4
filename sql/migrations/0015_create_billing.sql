-- Job: what plans cost, who pays how, and what Stripe told about it.
-- Reads: tenancy. Writes: schema billing, tenancy.subscriptions. Lock: the latter, for an instant.
-- Stripe is the truth of all of it but of plans that were given away. An event is a hint, kept by
-- its id in the transaction of its effect; the effect is what Stripe says when it is asked.
CREATE SCHEMA billing;

CREATE TABLE billing.customers (
    tenant_id uuid NOT NULL,
    stripe_customer_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    asked_at timestamptz,
    CONSTRAINT pk_customers PRIMARY KEY (tenant_id),
    CONSTRAINT fk_customers_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id)
);
CREATE UNIQUE INDEX uq_customers_stripe ON billing.customers (stripe_customer_id);
COMMENT ON COLUMN billing.customers.asked_at IS 'when Stripe was last asked how things stand';

-- Of the platform. Old prices stay: subscriptions that began at one go on at it.
CREATE TABLE billing.prices (
    stripe_price_id text COLLATE "C" NOT NULL,
    stripe_product_id text COLLATE "C" NOT NULL,
    plan text NOT NULL,
    billing_interval text NOT NULL,
    amount numeric NOT NULL,
    ccy text NOT NULL,
    is_current boolean NOT NULL,
    synced_at timestamptz NOT NULL,
    CONSTRAINT pk_prices PRIMARY KEY (stripe_price_id),
    CONSTRAINT ck_prices_plan CHECK (plan IN ('basic', 'pro', 'enterprise')),
    CONSTRAINT ck_prices_interval CHECK (billing_interval IN ('month', 'year')),
    CONSTRAINT ck_prices_amount CHECK (amount > 0)
);
CREATE UNIQUE INDEX uq_prices_current ON billing.prices (plan, billing_interval) WHERE is_current;
COMMENT ON COLUMN billing.prices.amount IS 'for one interval, in ccy';

CREATE TABLE billing.checkouts (
    tenant_id uuid NOT NULL,
    checkout_id uuid NOT NULL,
    stripe_session_id text COLLATE "C" NOT NULL,
    plan text NOT NULL,
    billing_interval text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT pk_checkouts PRIMARY KEY (tenant_id, checkout_id),
    CONSTRAINT uq_checkouts_session UNIQUE (tenant_id, stripe_session_id),
    CONSTRAINT fk_checkouts_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_checkouts_state CHECK (state IN ('open', 'complete', 'expired')),
    CONSTRAINT ck_checkouts_ended CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX ix_checkouts_open ON billing.checkouts (tenant_id) WHERE state = 'open';

-- Of the platform: an event may be of nobody whom we know.
CREATE TABLE billing.events (
    event_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    object_id text NOT NULL,
    stripe_customer_id text,
    made_at timestamptz NOT NULL,
    outcome text NOT NULL,
    handled_at timestamptz NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (event_id),
    CONSTRAINT ck_events_outcome CHECK (
        outcome IN ('applied', 'not_needed', 'unknown_customer', 'other_mode')
    )
);
CREATE INDEX ix_events_handled ON billing.events (handled_at);

CREATE TABLE billing.invoices (
    tenant_id uuid NOT NULL,
    stripe_invoice_id text COLLATE "C" NOT NULL,
    number text,
    status text NOT NULL,
    ccy text NOT NULL,
    due numeric NOT NULL,
    paid numeric NOT NULL,
    period_start_at timestamptz,
    period_end_at timestamptz,
    page_url text,
    pdf_url text,
    created_at timestamptz NOT NULL,
    paid_at timestamptz,
    asked_at timestamptz NOT NULL,
    CONSTRAINT pk_invoices PRIMARY KEY (tenant_id, stripe_invoice_id),
    CONSTRAINT fk_invoices_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_invoices_status CHECK (
        status IN ('draft', 'open', 'paid', 'uncollectible', 'void')
    )
);
CREATE INDEX ix_invoices_created ON billing.invoices (tenant_id, created_at);
COMMENT ON TABLE billing.invoices IS 'as Stripe showed them when it was last asked';

CREATE TABLE billing.payments (
    tenant_id uuid NOT NULL,
    stripe_payment_id text COLLATE "C" NOT NULL,
    stripe_invoice_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    ccy text NOT NULL,
    amount numeric NOT NULL,
    refunded numeric NOT NULL DEFAULT 0,
    method text NOT NULL DEFAULT '',
    last_four text NOT NULL DEFAULT '',
    receipt_url text,
    failure text,
    created_at timestamptz NOT NULL,
    paid_at timestamptz,
    asked_at timestamptz NOT NULL,
    CONSTRAINT pk_payments PRIMARY KEY (tenant_id, stripe_payment_id),
    CONSTRAINT fk_payments_invoice FOREIGN KEY (tenant_id, stripe_invoice_id)
    REFERENCES billing.invoices (tenant_id, stripe_invoice_id),
    CONSTRAINT ck_payments_status CHECK (
        status IN ('pending', 'succeeded', 'failed', 'refunded', 'disputed')
    )
);
CREATE INDEX ix_payments_created ON billing.payments (tenant_id, created_at);

-- Of the platform: what subscriptions bring in a month, each day as it was.
CREATE TABLE billing.mrr_daily (
    counted_on date NOT NULL,
    plan text NOT NULL,
    subscriptions integer NOT NULL,
    mrr_usd numeric NOT NULL,
    counted_at timestamptz NOT NULL,
    CONSTRAINT pk_mrr_daily PRIMARY KEY (counted_on, plan)
);
COMMENT ON COLUMN billing.mrr_daily.mrr_usd IS
'prices of a month, and a twelfth of those of a year, of subscriptions that are paid for';

ALTER TABLE tenancy.subscriptions
ADD COLUMN stripe_subscription_id text,
ADD COLUMN stripe_item_id text,
ADD COLUMN stripe_price_id text,
ADD COLUMN billing_interval text,
ADD COLUMN cancel_at_period_end boolean NOT NULL DEFAULT false,
ADD COLUMN trial_ends_at timestamptz,
ADD COLUMN source_at timestamptz,
ADD COLUMN granted_at timestamptz;
COMMENT ON COLUMN tenancy.subscriptions.source_at IS
'when Stripe was asked for what stands here; null: it never was';
COMMENT ON COLUMN tenancy.subscriptions.granted_at IS
'when a plan was last given or taken without Stripe: what ended there before it is history';
