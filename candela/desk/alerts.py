"""Alerts of a tenant: what is measured, when it fires, and the rows that hold it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb

from candela.errors import Conflict, NotFound
from candela.ids import new_id
from candela.money import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "AlertKind",
    "AlertNameTaken",
    "AlertRow",
    "TooManyAlerts",
    "UnknownAlert",
    "alert_with_id",
    "alerts_of",
    "change_alert",
    "create_alert",
    "is_met",
    "limit_of",
    "measured",
    "note_fired",
    "remove_alert",
]

AlertKind = Literal["price", "profit", "loss", "win_rate", "bot_stopped"]
MOST: Final = 100
_PRICE_AGE: Final = timedelta(minutes=15)

_COLUMNS: Final = """
    alert_id, user_id, name, kind, bot_id, condition, channels, is_active, cooldown_s,
    last_triggered_at, last_value, created_at
"""
_LIST: Final = f"""
SELECT {_COLUMNS} FROM trading.alerts
WHERE tenant_id = %(tenant)s AND (%(alert)s::uuid IS NULL OR alert_id = %(alert)s)
ORDER BY created_at DESC, alert_id DESC
"""  # noqa: S608 - constants of this program
_COUNT: Final = "SELECT count(*) AS many FROM trading.alerts WHERE tenant_id = %(tenant)s"
_INSERT: Final = """
INSERT INTO trading.alerts
    (tenant_id, alert_id, user_id, name, kind, bot_id, condition, channels, cooldown_s, created_at)
VALUES
    (%(tenant)s, %(alert)s, %(user)s, %(name)s, %(kind)s, %(bot)s, %(condition)s, %(channels)s,
     %(cooldown)s, %(at)s)
"""
_CHANGE: Final = """
UPDATE trading.alerts SET
    name = coalesce(%(name)s, name),
    channels = coalesce(%(channels)s::text[], channels),
    is_active = coalesce(%(active)s, is_active),
    cooldown_s = coalesce(%(cooldown)s, cooldown_s)
WHERE tenant_id = %(tenant)s AND alert_id = %(alert)s
"""
_REMOVE: Final = "DELETE FROM trading.alerts WHERE tenant_id = %(tenant)s AND alert_id = %(alert)s"
# Only one executor tells: whoever moves the instant on.
_FIRED: Final = """
UPDATE trading.alerts SET last_triggered_at = %(at)s, last_value = %(value)s
WHERE tenant_id = %(tenant)s AND alert_id = %(alert)s
    AND last_triggered_at IS NOT DISTINCT FROM %(before)s
"""
_PRICE: Final = """
SELECT c.close FROM market.candles AS c
INNER JOIN market.instruments AS i ON c.instrument_id = i.instrument_id
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND c.timeframe_s = 60
    AND c.time > %(since)s AND c.time <= %(at)s
ORDER BY c.time DESC
LIMIT 1
"""
_RESULT: Final = """
SELECT count(*) AS trades, sum(pnl) AS pnl, count(*) FILTER (WHERE pnl > 0) AS wins
FROM trading.trades
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s AND closed_at > %(since)s
"""
_STANDING: Final = """
SELECT count(*) AS standing FROM trading.bots
WHERE tenant_id = %(tenant)s AND removed_at IS NULL AND wanted = 'running'
    AND state IN ('error', 'blocked') AND (%(bot)s::uuid IS NULL OR bot_id = %(bot)s)
"""


class UnknownAlert(NotFound):
    """The tenant has no alert of that id."""

    code = "unknown_alert"


class AlertNameTaken(Conflict):
    """The tenant has an alert of that name already."""

    code = "alert_name_taken"


class TooManyAlerts(Conflict):
    """A tenant has so many alerts that one more would not be looked at in time."""

    code = "too_many_alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert.

    Parameters
    ----------
    condition
        By kind. price: ``instrument``, ``direction``, ``price``. profit, loss: ``amount``,
        ``days``. win_rate: ``direction``, ``ratio``, ``days``, ``trades``. Amounts are text.
    """

    alert_id: UUID
    user_id: UUID
    name: str
    kind: AlertKind
    bot_id: UUID | None
    condition: Mapping[str, Any]
    channels: Sequence[str]
    is_active: bool
    cooldown_s: int
    last_triggered_at: datetime | None
    last_value: str | None
    created_at: datetime

    def rests(self, now: datetime) -> bool:
        """Return whether it has been told too lately to be told again."""
        last = self.last_triggered_at
        return last is not None and now < last + timedelta(seconds=self.cooldown_s)


def alerts_of(session: TenantSession) -> list[AlertRow]:
    """Return the alerts of the tenant, newest first."""
    return [AlertRow(**row) for row in session.rows(_LIST, {"alert": None})]


def alert_with_id(session: TenantSession, alert_id: UUID) -> AlertRow:
    """Return an alert.

    Raises
    ------
    UnknownAlert
        The tenant has none of that id.
    """
    row = session.row(_LIST, {"alert": alert_id})
    if row is None:
        raise UnknownAlert(f"You have no alert {alert_id}.", "See GET /alerts.")
    return AlertRow(**row)


def create_alert(
    session: TenantSession,
    *,
    user_id: UUID,
    name: str,
    kind: AlertKind,
    bot_id: UUID | None,
    condition: Mapping[str, Any],
    channels: Sequence[str],
    cooldown_s: int,
    clock: Clock,
) -> AlertRow:
    """Make an alert, which is looked at from now on.

    Raises
    ------
    AlertNameTaken
        There is one of that name.
    TooManyAlerts
        There are 100 of them.
    UnknownAlert
        The bot is none of the tenant's.
    """
    session.lock()
    row = session.row(_COUNT, {})
    if row is not None and row["many"] >= MOST:
        message = f"You have {MOST} alerts."
        raise TooManyAlerts(message, "Remove one that you need no more.")
    now = clock.now()
    alert_id = new_id(now)
    values = {
        "alert": alert_id, "user": user_id, "name": name, "kind": kind, "bot": bot_id,
        "condition": Jsonb(dict(condition)), "channels": list(channels), "cooldown": cooldown_s,
        "at": now,
    }  # fmt: skip
    try:
        with session.connection.transaction():
            session.run(_INSERT, values)
    except UniqueViolation:
        raise AlertNameTaken(f"You have an alert {name!r}.", "Choose another name.") from None
    except ForeignKeyViolation:
        raise UnknownAlert(f"You have no bot {bot_id}.", "See GET /bots.") from None
    return alert_with_id(session, alert_id)


def change_alert(
    session: TenantSession,
    alert_id: UUID,
    *,
    name: str | None = None,
    channels: Sequence[str] | None = None,
    is_active: bool | None = None,
    cooldown_s: int | None = None,
) -> AlertRow:
    """Change what is not None; what it measures stays, make another one for that.

    Raises
    ------
    AlertNameTaken
        There is another one of that name.
    UnknownAlert
        The tenant has none of that id.
    """
    values = {
        "alert": alert_id, "name": name, "active": is_active, "cooldown": cooldown_s,
        "channels": None if channels is None else list(channels),
    }  # fmt: skip
    try:
        with session.connection.transaction():
            session.run(_CHANGE, values)
    except UniqueViolation:
        raise AlertNameTaken(f"You have an alert {name!r}.", "Choose another name.") from None
    return alert_with_id(session, alert_id)


def remove_alert(session: TenantSession, alert_id: UUID) -> None:
    """Remove an alert.

    Raises
    ------
    UnknownAlert
        The tenant has none of that id.
    """
    alert_with_id(session, alert_id)
    session.run(_REMOVE, {"alert": alert_id})


def note_fired(session: TenantSession, alert: AlertRow, value: Decimal, now: datetime) -> bool:
    """Write that an alert fires now; False where another process was faster."""
    values = {
        "alert": alert.alert_id, "at": now, "value": plain(value),
        "before": alert.last_triggered_at,
    }  # fmt: skip
    return session.run(_FIRED, values) == 1


def measured(session: TenantSession, alert: AlertRow, now: datetime) -> Decimal | None:
    """Return what the alert compares; None where there is nothing to go by."""
    if alert.kind == "price":
        venue, _, symbol = str(alert.condition["instrument"]).partition(":")
        values = {"venue": venue, "symbol": symbol, "at": now, "since": now - _PRICE_AGE}
        row = session.row(_PRICE, values)
        # The shortest text that is the same double: what a person reads as the price.
        return None if row is None else Decimal(repr(row["close"]))
    if alert.kind == "bot_stopped":
        row = session.row(_STANDING, {"bot": alert.bot_id})
        return None if row is None else Decimal(row["standing"])
    since = now - timedelta(days=int(alert.condition["days"]))
    row = session.row(_RESULT, {"bot": alert.bot_id, "since": since})
    if row is None or row["trades"] == 0:
        return None
    if alert.kind == "win_rate":
        enough = row["trades"] >= int(alert.condition["trades"])
        return Decimal(row["wins"]) / Decimal(row["trades"]) if enough else None
    pnl = Decimal(row["pnl"] or 0)
    return pnl if alert.kind == "profit" else -pnl


def limit_of(alert: AlertRow) -> Decimal:
    """Return what the measure is compared with."""
    fields = {"price": "price", "profit": "amount", "loss": "amount", "win_rate": "ratio"}
    return (
        Decimal(1) if alert.kind == "bot_stopped" else Decimal(alert.condition[fields[alert.kind]])
    )


def is_met(alert: AlertRow, value: Decimal) -> bool:
    """Return whether an alert fires at a value: at its limit or beyond."""
    limit = limit_of(alert)
    return value <= limit if alert.condition.get("direction") == "below" else value >= limit
