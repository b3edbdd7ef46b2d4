-- Job: whose a requested backtest is: requests, runs and reports themselves know no tenants.
-- Reads: tenancy, research. Writes: schema trading. Lock: share row exclusive on research.requests
-- and tenancy.tenants, for an instant.
-- A run is what its manifest says it is, whoever asked for it: two tenants who ask for the same
-- have one run, and each sees it by an order of their own.
CREATE TABLE trading.backtest_orders (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    strategy text NOT NULL,
    user_id uuid NOT NULL,
    ordered_at timestamptz NOT NULL,
    CONSTRAINT pk_backtest_orders PRIMARY KEY (tenant_id, order_id),
    CONSTRAINT uq_backtest_orders_request UNIQUE (tenant_id, request_id),
    CONSTRAINT fk_backtest_orders_tenant FOREIGN KEY (tenant_id)
    REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT fk_backtest_orders_request FOREIGN KEY (request_id)
    REFERENCES research.requests (request_id)
);
CREATE INDEX ix_backtest_orders_ordered
ON trading.backtest_orders (tenant_id, ordered_at, order_id);
COMMENT ON TABLE trading.backtest_orders IS
'backtests that a tenant asked for; those of a month are counted against its plan';
