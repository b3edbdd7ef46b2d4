-- Job: what was done to whose account by whom, chained so that no line can be changed unseen.
-- Reads: tenancy. Writes: schema audit. Lock: none on existing tables.
-- An entry is written in the transaction of what it tells, without waiting for anybody. Links of
-- the chain are added behind it, in order of their numbers, by one writer at a time.
CREATE SCHEMA audit;

CREATE TABLE audit.entries (
    tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    actor_id uuid,
    actor text NOT NULL,
    token_id uuid,
    action text NOT NULL,
    entity text NOT NULL,
    entity_id text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    address text,
    user_agent text,
    request_id text,
    salt bytea,
    commitment bytea NOT NULL,
    CONSTRAINT pk_entries PRIMARY KEY (tenant_id, entry_id),
    CONSTRAINT fk_entries_tenant FOREIGN KEY (tenant_id) REFERENCES tenancy.tenants (tenant_id),
    CONSTRAINT ck_entries_commitment CHECK (octet_length(commitment) = 32),
    CONSTRAINT ck_entries_salt CHECK (
        (salt IS NOT NULL AND octet_length(salt) = 16)
        OR (
            salt IS NULL
            AND actor = 'erased'
            AND address IS NULL
            AND user_agent IS NULL
            AND detail = '{}'
        )
    )
);
CREATE INDEX ix_entries_time ON audit.entries (tenant_id, happened_at, entry_id);
CREATE INDEX ix_entries_order ON audit.entries (happened_at, entry_id);
COMMENT ON COLUMN audit.entries.actor IS
'id of the person, or the name of the process; admin:id where it acted for somebody else';
COMMENT ON COLUMN audit.entries.detail IS 'what changed, never a secret';
COMMENT ON COLUMN audit.entries.salt IS
'of the commitment; gone once the person was erased, so that nobody can try addresses against it';
COMMENT ON COLUMN audit.entries.commitment IS
'SHA-256 of salt, actor, address, user_agent and detail: the chain holds it in their place';

-- Who may be forgotten can be blanked, once the tenant is closed, and nothing else can be changed.
CREATE FUNCTION audit.guard_entries() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF new.salt IS NOT NULL OR NOT EXISTS (
        SELECT FROM tenancy.tenants
        WHERE tenants.tenant_id = new.tenant_id AND tenants.closed_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'entries of the audit log are never changed'
        USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END
$$;
COMMENT ON FUNCTION audit.guard_entries() IS 'lets entries of closed tenants be blanked, no more';
CREATE TRIGGER guard_entries BEFORE UPDATE ON audit.entries
FOR EACH ROW EXECUTE FUNCTION audit.guard_entries();

CREATE TABLE audit.links (
    n bigint NOT NULL,
    tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    digest bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT pk_links PRIMARY KEY (n),
    CONSTRAINT uq_links_entry UNIQUE (tenant_id, entry_id),
    CONSTRAINT fk_links_entry FOREIGN KEY (tenant_id, entry_id)
    REFERENCES audit.entries (tenant_id, entry_id),
    CONSTRAINT ck_links_n CHECK (n > 0),
    CONSTRAINT ck_links_hash CHECK (octet_length(digest) = 32 AND octet_length(hash) = 32)
);
COMMENT ON COLUMN audit.links.n IS 'place in the chain of the whole platform, without holes';
COMMENT ON COLUMN audit.links.digest IS 'SHA-256 of the entry, its personal part by its commitment';
COMMENT ON COLUMN audit.links.hash IS 'SHA-256 of the hash before it, n and digest';

CREATE TABLE audit.heads (
    n bigint NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT pk_heads PRIMARY KEY (n),
    CONSTRAINT ck_heads_hash CHECK (octet_length(hash) = 32)
);
COMMENT ON TABLE audit.heads IS 'ends of the chain as they were published';

CREATE TABLE audit.verifications (
    verification_id uuid NOT NULL,
    verified_at timestamptz NOT NULL,
    n bigint NOT NULL,
    hash bytea NOT NULL,
    fault text,
    CONSTRAINT pk_verifications PRIMARY KEY (verification_id)
);
CREATE INDEX ix_verifications_time ON audit.verifications (verified_at);
COMMENT ON COLUMN audit.verifications.fault IS 'the first thing that was wrong; NULL: nothing';
