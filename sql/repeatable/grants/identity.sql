-- Job: who may do what in schema identity; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- door: finds out who calls, for all tenants, and nothing else of theirs. support: reads.
GRANT USAGE ON SCHEMA identity TO candela_app, candela_door;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA identity TO candela_app;
-- door looks; what follows from it is written by a transaction that acts for the tenant found.
-- Of a second factor it sees that there is one, not the sealed secret.
GRANT SELECT ON identity.sessions, identity.refresh_tokens, identity.links, identity.api_tokens,
identity.referrals TO candela_door;
GRANT SELECT (
    tenant_id, user_id, password_hash, email_verified_at, totp_confirmed_at, tokens_valid_from
) ON identity.credentials TO candela_door;
GRANT DELETE ON identity.recovery_codes TO candela_app;

GRANT USAGE ON SCHEMA tenancy TO candela_door, candela_support;
GRANT EXECUTE ON FUNCTION tenancy.current_tenants() TO candela_door, candela_support;
GRANT SELECT (tenant_id, user_id, email, name, role, language, is_active, updated_at)
ON tenancy.users TO candela_door;
GRANT SELECT (tenant_id, zone, closed_at) ON tenancy.tenants TO candela_door;
GRANT SELECT ON tenancy.tenants, tenancy.users, tenancy.subscriptions TO candela_support;
