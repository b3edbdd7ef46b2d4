-- Job: what people are told: mails that wait to be sent, what became of them, the inbox.
-- Reads: tenancy. Writes: schema notify. Lock: none on existing tables.
-- A mail is written in the transaction of what it tells and sent by a process of its own. It holds
-- a kind and parameters, never a text, a token or a link: those are made when it is sent.
CREATE SCHEMA notify;

CREATE TABLE notify.mails (
    tenant_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    params jsonb NOT NULL DEFAULT '{}',
    language text NOT NULL,
    -- Where it goes if not to the user's own address: one to be verified, one that was given up.
    address text,
    -- What must be told once only, such as a day's summary.
    once_key text,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    sent_at timestamptz,
    failed_at timestamptz,
    last_error text,
    CONSTRAINT pk_mails PRIMARY KEY (tenant_id, mail_id),
    CONSTRAINT uq_mails_once UNIQUE (tenant_id, user_id, once_key),
    CONSTRAINT fk_mails_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT ck_mails_kind CHECK (length(kind) BETWEEN 1 AND 50),
    CONSTRAINT ck_mails_language CHECK (language IN ('en', 'es', 'pt')),
    CONSTRAINT ck_mails_over CHECK (sent_at IS NULL OR failed_at IS NULL)
);
CREATE INDEX ix_mails_due ON notify.mails (tenant_id, due_at)
WHERE sent_at IS NULL AND failed_at IS NULL;
COMMENT ON COLUMN notify.mails.params IS 'what the text names; never a secret, a token or a link';
COMMENT ON COLUMN notify.mails.claimed_until IS
'a courier has it in hand until then; one that dies leaves it to the next';
COMMENT ON COLUMN notify.mails.failed_at IS 'given up: by the server''s word, or after all attempts';

CREATE TABLE notify.deliveries (
    tenant_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    attempt integer NOT NULL,
    handed_at timestamptz NOT NULL,
    answered_at timestamptz,
    outcome text,
    answer text,
    CONSTRAINT pk_deliveries PRIMARY KEY (tenant_id, mail_id, attempt),
    CONSTRAINT fk_deliveries_mail FOREIGN KEY (tenant_id, mail_id)
    REFERENCES notify.mails (tenant_id, mail_id) ON DELETE CASCADE,
    CONSTRAINT ck_deliveries_outcome CHECK (outcome IN ('taken', 'later', 'refused')),
    CONSTRAINT ck_deliveries_answer CHECK ((answered_at IS NULL) = (outcome IS NULL))
);
COMMENT ON TABLE notify.deliveries IS
'each time that a mail was handed to a server; without an outcome: it may have arrived';

CREATE TABLE notify.notifications (
    tenant_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    params jsonb NOT NULL DEFAULT '{}',
    once_key text,
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    CONSTRAINT pk_notifications PRIMARY KEY (tenant_id, notification_id),
    CONSTRAINT uq_notifications_once UNIQUE (tenant_id, user_id, once_key),
    CONSTRAINT fk_notifications_user FOREIGN KEY (tenant_id, user_id)
    REFERENCES tenancy.users (tenant_id, user_id),
    CONSTRAINT ck_notifications_kind CHECK (length(kind) BETWEEN 1 AND 50)
);
CREATE INDEX ix_notifications_time
ON notify.notifications (tenant_id, user_id, created_at, notification_id);
CREATE INDEX ix_notifications_unread ON notify.notifications (tenant_id, user_id)
WHERE read_at IS NULL;
COMMENT ON TABLE notify.notifications IS 'the inbox; texts are made from kind and params when read';
