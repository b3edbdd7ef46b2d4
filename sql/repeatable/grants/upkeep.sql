-- Job: what the nightly upkeep may delete; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- pipelines sees of these rows how old they are and whose, never a hash, an address or an answer.
GRANT USAGE ON SCHEMA identity TO candela_pipelines;
GRANT SELECT (tenant_id, session_id, expires_at, ended_at), DELETE ON identity.sessions
TO candela_pipelines;
GRANT SELECT (tenant_id, session_id, expires_at), DELETE ON identity.refresh_tokens
TO candela_pipelines;
GRANT SELECT (tenant_id, expires_at), DELETE ON identity.links TO candela_pipelines;
GRANT SELECT (tenant_id, created_at), DELETE ON tenancy.request_keys TO candela_pipelines;
GRANT SELECT (created_at, sent_at, failed_at), DELETE ON notify.mails TO candela_pipelines;
GRANT SELECT (created_at), DELETE ON notify.notifications TO candela_pipelines;
