"""Rows that nobody needs any more: spent keys of requests, old sessions, links, mails, logs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString

from candela.db.connect import Role
from candela.plans import PLANS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["KEPT_FOR", "remove_old_rows"]

KEPT_FOR: Final = timedelta(days=90)
_KEYS_FOR: Final = timedelta(days=2)
"""A key of a request is good for one day."""
_PORTION: Final = 10_000

# Sessions after their tokens, which refer to them. A mail that still waits is never old.
_STATEMENTS: Final[Mapping[str, LiteralString]] = {
    "request_keys": "DELETE FROM tenancy.request_keys WHERE created_at < %(keys)s",
    "links": "DELETE FROM identity.links WHERE expires_at < %(old)s",
    "refresh_tokens": """
DELETE FROM identity.refresh_tokens AS t WHERE t.expires_at < %(old)s OR EXISTS (
    SELECT FROM identity.sessions AS s
    WHERE s.tenant_id = t.tenant_id AND s.session_id = t.session_id
        AND (s.ended_at < %(old)s OR s.expires_at < %(old)s)
)
""",
    "sessions": """
DELETE FROM identity.sessions AS s
WHERE (s.ended_at < %(old)s OR s.expires_at < %(old)s) AND NOT EXISTS (
    SELECT FROM identity.refresh_tokens AS t
    WHERE t.tenant_id = s.tenant_id AND t.session_id = s.session_id
)
""",
    "mails": """
DELETE FROM notify.mails
WHERE created_at < %(old)s AND (sent_at < %(old)s OR failed_at < %(old)s)
""",
    "notifications": "DELETE FROM notify.notifications WHERE created_at < %(old)s",
}
_LOGS: Final = "SELECT trading.remove_old_logs(%(days)s::jsonb, %(at)s, %(portion)s)"


def remove_old_rows(database: Database, clock: Clock) -> dict[str, int]:
    """Remove what is too old, each kind in transactions of its own; return how many by kind."""
    now = clock.now()
    days = {plan: included.log_retention_days for plan, included in PLANS.items()}
    values: dict[str, Any] = {
        "at": now,
        "old": now - KEPT_FOR,
        "keys": now - _KEYS_FOR,
        "days": json.dumps(days),
        "portion": _PORTION,
    }
    removed: dict[str, int] = {}
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        for name, statement in _STATEMENTS.items():
            removed[name] = connection.execute(statement, values).rowcount
        removed["bot_logs"] = 0
        while True:
            row = connection.execute(_LOGS, values).fetchone()
            portion = 0 if row is None else int(row[0])
            removed["bot_logs"] += portion
            if portion < _PORTION:
                return removed
