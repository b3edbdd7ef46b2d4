"""Rows of the tables that came with the API: one in each, for one tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

__all__ = ["AT", "Tenant", "of_audit", "of_identity", "of_notify", "of_rollups"]

AT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Ids of what a tenant has, one of each."""

    tenant_id: UUID
    account_id: UUID
    bot_id: UUID
    row_id: UUID


def of_identity(made: Tenant, name: str) -> dict[str, dict[str, object]]:
    one, until = made.row_id, AT + timedelta(days=7)
    mark = one.bytes
    return {
        "identity.credentials": {
            "user_id": one,
            "password_hash": "$argon2id$",
            "password_changed_at": AT,
            "tokens_valid_from": AT,
        },
        "identity.recovery_codes": {"user_id": one, "code_hash": mark, "made_at": AT},
        "identity.sessions": {
            "session_id": one,
            "user_id": one,
            "created_at": AT,
            "seen_at": AT,
            "expires_at": until,
        },
        "identity.refresh_tokens": {
            "token_hash": mark,
            "session_id": one,
            "issued_at": AT,
            "expires_at": until,
        },
        "identity.links": {
            "token_hash": mark,
            "user_id": one,
            "purpose": "verify",
            "made_at": AT,
            "expires_at": until,
        },
        "identity.api_tokens": {
            "token_id": one,
            "user_id": one,
            "name": "script",
            "token_hash": mark,
            "last_four": "abcd",
            "scopes": ["read"],
            "created_at": AT,
        },
        "identity.referrals": {"code": f"code-{name}", "created_at": AT},
    }


def of_audit(made: Tenant) -> dict[str, dict[str, object]]:
    return {
        "audit.entries": {
            "entry_id": made.row_id,
            "happened_at": AT,
            "actor": "tests",
            "action": "bot.start",
            "entity": "bot",
            "entity_id": str(made.bot_id),
            "salt": made.row_id.bytes,
            "commitment": bytes(32),
        },
        "audit.links": {
            "n": made.row_id.int % 2**62 + 1,
            "entry_id": made.row_id,
            "digest": bytes(32),
            "hash": bytes(32),
        },
    }


def of_notify(made: Tenant) -> dict[str, dict[str, object]]:
    one = made.row_id
    return {
        "notify.mails": {
            "mail_id": one,
            "user_id": one,
            "kind": "address_known",
            "language": "en",
            "created_at": AT,
            "due_at": AT,
        },
        "notify.deliveries": {"mail_id": one, "attempt": 1, "handed_at": AT},
        "notify.notifications": {
            "notification_id": one,
            "user_id": one,
            "kind": "address_known",
            "created_at": AT,
        },
    }


def of_rollups(made: Tenant) -> dict[str, dict[str, object]]:
    series: dict[str, object] = {
        "scope": "bot",
        "scope_id": made.bot_id,
        "mode": "paper",
        "currency": "USDT",
    }
    counts = ("trades", "wins", "losses", "fills", "days", "net_profit", "gross_profit")
    sums = ("gross_loss", "fees", "volume", "deposits", "equity", "longest_win_streak")
    figures = dict.fromkeys((*counts, *sums, "longest_loss_streak"), 0)
    return {
        "trading.metric_rollups": series
        | {"period": "day", "starts_on": AT.date(), "zone": "UTC", "computed_at": AT}
        | figures,
        "trading.equity_points": series
        | {"day": AT.date(), "profit": 0, "deposits": 0, "equity": 0, "computed_at": AT},
        "trading.rollup_states": {
            "zone": "UTC",
            "through_day": AT.date(),
            "computed_at": AT,
        },
    }
