-- Job: what became of a key when its venue was asked; when a tenant left and was erased.
-- Reads: nothing. Writes: tenancy.secrets, tenancy.tenants. Lock: access exclusive, for an instant.
-- A key is asked about by an executor, from the address that it will trade from. Those that are
-- there already were tried when their account was made, and fit every constraint.
ALTER TABLE tenancy.secrets
ADD COLUMN mode text,
ADD COLUMN check_state text NOT NULL DEFAULT 'good',
ADD COLUMN check_reason text,
ADD COLUMN asked_at timestamptz,
ADD COLUMN checked_at timestamptz,
ADD COLUMN try_at timestamptz,
ADD COLUMN rights jsonb,
ADD COLUMN totals jsonb,
ADD COLUMN replaces_id uuid,
ADD COLUMN doomed_at timestamptz,
ADD CONSTRAINT ck_secrets_mode CHECK (mode IN ('demo', 'live')) NOT VALID,
ADD CONSTRAINT ck_secrets_check_state CHECK (
    check_state IN ('checking', 'good', 'refused', 'lapsed', 'untested', 'destroyed')
) NOT VALID,
ADD CONSTRAINT fk_secrets_replaces FOREIGN KEY (tenant_id, replaces_id)
REFERENCES tenancy.secrets (tenant_id, secret_id) NOT VALID;
CREATE INDEX ix_secrets_asked ON tenancy.secrets (tenant_id, try_at)
WHERE try_at IS NOT NULL OR doomed_at IS NOT NULL;
COMMENT ON COLUMN tenancy.secrets.check_state IS
'lapsed: no executor could ask in time; untested: nobody can be asked; destroyed: nothing is left';
COMMENT ON COLUMN tenancy.secrets.try_at IS
'when an executor shall ask the venue next; null: there is nothing to ask';
COMMENT ON COLUMN tenancy.secrets.rights IS
'can_trade, can_withdraw, is_bound_to_address as the venue said; null where it does not tell';
COMMENT ON COLUMN tenancy.secrets.totals IS
'what the account held by currency, as text, when the key was asked about';
COMMENT ON COLUMN tenancy.secrets.replaces_id IS
'the key whose place it takes once it was found good';
COMMENT ON COLUMN tenancy.secrets.doomed_at IS
'its tenant left: it is destroyed once nothing is held by it, or an hour later';

ALTER TABLE tenancy.tenants
ADD COLUMN payments_ended_at timestamptz,
ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN tenancy.tenants.closed_at IS
'when its person left: 30 days later it is erased';
COMMENT ON COLUMN tenancy.tenants.payments_ended_at IS
'when what it pays for regularly was cancelled because it left';
COMMENT ON COLUMN tenancy.tenants.erased_at IS
'when everything but payments and the audit log was deleted';
