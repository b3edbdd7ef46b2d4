-- Job: how people prove who they are: passwords, second factors, sessions, links, tokens.
-- Reads: tenancy. Writes: schema identity. Lock: none on existing tables.
-- No token, link or code is stored, only what it hashes to. The role candela_door looks here to
-- find out who calls, before any tenant is known.
CREATE SCHEMA identity;

CREATE TABLE identity.credentials (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    password_hash text NOT NULL,
    password_changed_at timestamptz NOT NULL,
    email_verified_at timestamptz,
    last_login_at timestamptz,
    totp_sealed bytea,
    totp_confirmed_at timestamptz,
    totp_last_step bigint,
    -- Tokens that were made before it are worth nothing.
    tokens_valid_from timestamptz NOT NULL,
    CONSTRAINT pk_credentials PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT fk_credentials_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT ck_credentials_totp CHECK (totp_confirmed_at IS NULL OR totp_sealed IS NOT NULL)
);
CREATE INDEX ix_credentials_valid_from ON identity.credentials (tokens_valid_from);
COMMENT ON COLUMN identity.credentials.password_hash IS
'argon2id in its own notation; bcrypt where it came from an older system, until the next login';
COMMENT ON COLUMN identity.credentials.totp_sealed IS
'AES-256-GCM of the shared secret, bound to tenant, purpose totp and user';
COMMENT ON COLUMN identity.credentials.totp_last_step IS
'the last time step whose code was taken: no code is taken twice';

CREATE TABLE identity.recovery_codes (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (tenant_id, user_id, code_hash),
    CONSTRAINT fk_recovery_codes_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id)
);

CREATE TABLE identity.sessions (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address inet,
    user_agent text NOT NULL DEFAULT '',
    second_factor_at timestamptz,
    ended_at timestamptz,
    ended_reason text,
    CONSTRAINT pk_sessions PRIMARY KEY (tenant_id, session_id),
    CONSTRAINT fk_sessions_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT ck_sessions_ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE INDEX ix_sessions_user ON identity.sessions (tenant_id, user_id) WHERE ended_at IS NULL;
-- What was ended lately is read by every process of the API, again and again.
CREATE INDEX ix_sessions_ended ON identity.sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE identity.refresh_tokens (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_refresh_tokens PRIMARY KEY (tenant_id, token_hash),
    CONSTRAINT fk_refresh_tokens_session FOREIGN KEY (tenant_id, session_id)
    REFERENCES identity.sessions (tenant_id, session_id)
);
CREATE INDEX ix_refresh_tokens_hash ON identity.refresh_tokens (token_hash);
COMMENT ON COLUMN identity.refresh_tokens.used_at IS
'one that is shown again later than a short grace after it ends its whole session';

CREATE TABLE identity.links (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_links PRIMARY KEY (tenant_id, token_hash),
    CONSTRAINT fk_links_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT ck_links_purpose CHECK (purpose IN ('verify', 'reset'))
);
CREATE INDEX ix_links_hash ON identity.links (token_hash);
CREATE INDEX ix_links_user ON identity.links (tenant_id, user_id, purpose) WHERE used_at IS NULL;

CREATE TABLE identity.api_tokens (
    tenant_id uuid NOT NULL,
    token_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    last_four text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_api_tokens PRIMARY KEY (tenant_id, token_id),
    CONSTRAINT fk_api_tokens_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT ck_api_tokens_scopes CHECK (
        scopes <@ ARRAY['read', 'trade', 'admin'] AND cardinality(scopes) > 0
    )
);
CREATE INDEX ix_api_tokens_hash ON identity.api_tokens (token_hash);
CREATE UNIQUE INDEX uq_api_tokens_name ON identity.api_tokens (tenant_id, user_id, name)
WHERE revoked_at IS NULL;
CREATE INDEX ix_api_tokens_revoked ON identity.api_tokens (revoked_at)
WHERE revoked_at IS NOT NULL;

CREATE TABLE identity.referrals (
    tenant_id uuid NOT NULL,
    code text NOT NULL,
    referred_by text,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_referrals PRIMARY KEY (tenant_id),
    CONSTRAINT fk_referrals_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id)
);
CREATE UNIQUE INDEX uq_referrals_code ON identity.referrals (code);
COMMENT ON COLUMN identity.referrals.referred_by IS 'the code of whoever sent the tenant here';
