"""What administrators look at, of all tenants: statements of the role candela_support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg_pool import ConnectionPool

__all__ = ["BOTS", "LAST_SUPERADMIN", "STATS", "USER", "USERS", "looked_up"]

_USER: Final[LiteralString] = """
SELECT u.tenant_id, u.user_id, u.email, u.name, u.role, u.language, u.is_active, u.created_at,
    t.zone, t.closed_at, coalesce(s.plan, 'free') AS plan, s.status AS plan_status,
    (SELECT count(*) FROM trading.bots AS b
     WHERE b.tenant_id = u.tenant_id AND b.removed_at IS NULL) AS bots,
    (SELECT count(*) FROM trading.bots AS b
     WHERE b.tenant_id = u.tenant_id AND b.removed_at IS NULL
         AND b.state IN ('starting', 'running', 'stopping', 'blocked')) AS active_bots
FROM tenancy.users AS u
INNER JOIN tenancy.tenants AS t ON u.tenant_id = t.tenant_id
LEFT JOIN tenancy.subscriptions AS s ON u.tenant_id = s.tenant_id
"""
USERS: Final[LiteralString] = f"""
{_USER}
WHERE
    (%(search)s::text IS NULL OR strpos(u.email, lower(%(search)s)) > 0)
    AND (
        %(after_at)s::timestamptz IS NULL
        OR (u.created_at, u.user_id) < (%(after_at)s, %(after_id)s::uuid)
    )
ORDER BY u.created_at DESC, u.user_id DESC
LIMIT %(limit)s
"""
USER: Final[LiteralString] = f"{_USER} WHERE u.user_id = %(user)s"
BOTS: Final = """
SELECT b.tenant_id, u.user_id, u.email, b.bot_id, b.name, a.venue, a.kind, a.mode, b.version,
    b.wanted, b.state, b.state_reason, b.state_at, b.created_at
FROM trading.bots AS b
INNER JOIN trading.accounts AS a ON b.tenant_id = a.tenant_id AND b.account_id = a.account_id
INNER JOIN tenancy.users AS u ON b.tenant_id = u.tenant_id
WHERE
    b.removed_at IS NULL
    AND (%(bot)s::uuid IS NULL OR b.bot_id = %(bot)s)
    AND (%(user)s::uuid IS NULL OR u.user_id = %(user)s)
    AND (%(state)s::text IS NULL OR b.state = %(state)s)
    AND (
        %(after_at)s::timestamptz IS NULL
        OR (b.created_at, b.bot_id) < (%(after_at)s, %(after_id)s::uuid)
    )
ORDER BY b.created_at DESC, b.bot_id DESC
LIMIT %(limit)s
"""
LAST_SUPERADMIN: Final = """
SELECT count(*) AS others
FROM tenancy.users AS u
INNER JOIN tenancy.tenants AS t ON u.tenant_id = t.tenant_id
WHERE u.role = 'superadmin' AND u.is_active AND t.closed_at IS NULL AND u.user_id <> %(user)s
"""
STATS: Final = """
SELECT
    (SELECT count(*) FROM tenancy.users) AS users,
    (SELECT count(*) FROM tenancy.users WHERE is_active) AS active_users,
    (SELECT coalesce(jsonb_object_agg(plan, many), '{}') FROM (
        SELECT plan, count(*) AS many FROM tenancy.subscriptions GROUP BY plan
    ) AS plans) AS users_by_plan,
    (SELECT coalesce(jsonb_object_agg(mode, many), '{}') FROM (
        SELECT a.mode, count(*) AS many
        FROM trading.bots AS b
        INNER JOIN trading.accounts AS a
            ON b.tenant_id = a.tenant_id AND b.account_id = a.account_id
        WHERE b.removed_at IS NULL AND b.state IN ('starting', 'running', 'stopping', 'blocked')
        GROUP BY a.mode
    ) AS modes) AS active_bots,
    (SELECT count(*) FROM trading.bots WHERE removed_at IS NULL AND state = 'error') AS failed_bots,
    (SELECT count(*) FROM trading.trades
     WHERE opened_at > %(at)s - interval '1 day') AS trades_of_day,
    (SELECT count(*) FROM trading.halts WHERE released_at IS NULL) AS kill_switches,
    (SELECT count(*) FROM live.executors
     WHERE stopped_at IS NULL AND seen_at > %(at)s - interval '1 minute') AS executors,
    (SELECT extract(epoch FROM %(at)s - min(created_at))::float8 FROM live.outbox
     WHERE published_at IS NULL) AS outbox_age_s,
    (SELECT count(*) FROM notify.mails
     WHERE sent_at IS NULL AND failed_at IS NULL) AS mails_waiting,
    (SELECT count(*) FROM notify.mails WHERE failed_at > %(at)s - interval '1 day') AS mails_failed,
    (SELECT extract(epoch FROM %(at)s - min(due_at))::float8 FROM notify.mails
     WHERE sent_at IS NULL AND failed_at IS NULL AND due_at < %(at)s) AS mails_age_s,
    (SELECT sum(mrr_usd) FROM billing.mrr_daily
     WHERE counted_on = (SELECT max(counted_on) FROM billing.mrr_daily)) AS mrr,
    (SELECT count(*) FROM billing.events
     WHERE outcome = 'unknown_customer' AND handled_at > %(at)s - interval '1 day'
    ) AS webhooks_failed,
    (SELECT count(*) FROM notify.mails
     WHERE sent_at IS NULL AND failed_at IS NULL
         AND due_at < %(at)s - interval '15 minutes') AS mails_stuck,
    (SELECT count(*) FROM audit.entries AS e
     WHERE e.happened_at > %(at)s - interval '1 hour' AND NOT EXISTS (
         SELECT 1 FROM audit.links AS l
         WHERE e.tenant_id = l.tenant_id AND e.entry_id = l.entry_id
     )) AS audit_unsealed
"""


def looked_up(
    pool: ConnectionPool[Any], query: LiteralString, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return rows of all tenants; the role reads, and can write nothing."""
    with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()
