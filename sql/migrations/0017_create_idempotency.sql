-- Job: what was answered to a request that may come again.
-- Reads: tenancy. Writes: schema tenancy. Lock: none on existing tables.
-- Written in the transaction of the effect: both are there, or neither. The key itself is not
-- stored: it keys the digest of the body, so that nobody can guess bodies from the table.
CREATE TABLE tenancy.request_keys (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    route text NOT NULL,
    body_digest bytea NOT NULL,
    status bigint NOT NULL,
    answer jsonb,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_request_keys PRIMARY KEY (tenant_id, user_id, key_hash),
    CONSTRAINT fk_request_keys_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id)
);
CREATE INDEX ix_request_keys_time ON tenancy.request_keys (tenant_id, created_at);
COMMENT ON COLUMN tenancy.request_keys.answer IS
'the body that was answered, never a secret; null until the effect is done, which nobody sees';
