-- Job: who there is: tenants, their users, plans in force, sealed secrets.
-- Reads: nothing. Writes: schema tenancy. Lock: none on existing tables.
-- Every table of a tenant has the tenant first in its key, so that no reference across tenants can
-- be written, and a policy under FORCE, so that not even the owner sees rows unasked.
CREATE SCHEMA tenancy;

-- The tenants that a transaction acts for: one for a person's request, those of a batch for an
-- executor. Unset and empty both mean nobody: after SET LOCAL a setting is '', not NULL.
CREATE FUNCTION tenancy.current_tenants() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN string_to_array(nullif(current_setting('candela.tenants', true), ''), ',')::uuid[];
COMMENT ON FUNCTION tenancy.current_tenants() IS
'what set_config(''candela.tenants'', ''uuid,uuid'', true) said in this transaction';

CREATE TABLE tenancy.tenants (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    zone text NOT NULL DEFAULT 'UTC',
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CONSTRAINT pk_tenants PRIMARY KEY (tenant_id),
    CONSTRAINT ck_tenants_name CHECK (length(name) BETWEEN 1 AND 200)
);
COMMENT ON COLUMN tenancy.tenants.zone IS
'IANA zone whose calendar days daily limits are counted by';

-- Ids and shards of all tenants, for executors alone, which find their work by it.
CREATE TABLE tenancy.directory (
    tenant_id uuid NOT NULL,
    shard integer NOT NULL,
    CONSTRAINT pk_directory PRIMARY KEY (tenant_id),
    CONSTRAINT fk_directory_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_directory_shard CHECK (shard BETWEEN 0 AND 63)
);
CREATE INDEX ix_directory_shard ON tenancy.directory (shard);

CREATE TABLE tenancy.users (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    role text NOT NULL DEFAULT 'user',
    language text NOT NULL DEFAULT 'en',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT fk_users_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_users_email CHECK (email = lower(email) AND position('@' IN email) > 1),
    CONSTRAINT ck_users_role CHECK (role IN ('user', 'admin', 'superadmin')),
    CONSTRAINT ck_users_language CHECK (language IN ('en', 'es', 'pt'))
);
-- An address is one person's on the whole platform; only sign-up ever writes it, with one answer.
CREATE UNIQUE INDEX uq_users_email ON tenancy.users (email);

CREATE TABLE tenancy.subscriptions (
    tenant_id uuid NOT NULL,
    plan text NOT NULL DEFAULT 'free',
    status text NOT NULL DEFAULT 'active',
    period_start_at timestamptz NOT NULL DEFAULT now(),
    period_end_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_subscriptions PRIMARY KEY (tenant_id),
    CONSTRAINT fk_subscriptions_tenant FOREIGN KEY (tenant_id)
    REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_subscriptions_plan CHECK (plan IN ('free', 'basic', 'pro', 'enterprise')),
    CONSTRAINT ck_subscriptions_status CHECK (
        status IN ('trialing', 'active', 'past_due', 'cancelled', 'expired')
    )
);

CREATE TABLE tenancy.tenant_keys (
    tenant_id uuid NOT NULL,
    key_version integer NOT NULL,
    master_version integer NOT NULL,
    wrapped_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_tenant_keys PRIMARY KEY (tenant_id, key_version),
    CONSTRAINT fk_tenant_keys_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id)
);
COMMENT ON TABLE tenancy.tenant_keys IS
'data keys, wrapped by a master key that is not in the database';

CREATE TABLE tenancy.secrets (
    tenant_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    purpose text NOT NULL,
    label text NOT NULL,
    venue text,
    key_version integer NOT NULL,
    sealed bytea NOT NULL,
    last_four text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    dead_since timestamptz,
    dead_reason text,
    CONSTRAINT pk_secrets PRIMARY KEY (tenant_id, secret_id),
    CONSTRAINT uq_secrets_label UNIQUE (tenant_id, purpose, label),
    CONSTRAINT fk_secrets_key FOREIGN KEY (tenant_id, key_version)
    REFERENCES tenancy.tenant_keys (tenant_id, key_version),
    CONSTRAINT ck_secrets_purpose CHECK (purpose IN ('exchange', 'broker', 'adviser'))
);
COMMENT ON COLUMN tenancy.secrets.sealed IS
'AES-256-GCM of a JSON object, bound to tenant, purpose and row';

CREATE TABLE tenancy.secret_uses (
    tenant_id uuid NOT NULL,
    use_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    purpose text NOT NULL,
    used_by text NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_secret_uses PRIMARY KEY (tenant_id, use_id),
    CONSTRAINT fk_secret_uses_secret FOREIGN KEY (tenant_id, secret_id)
    REFERENCES tenancy.secrets (tenant_id, secret_id)
);
COMMENT ON TABLE tenancy.secret_uses IS 'each decryption, with its purpose';
