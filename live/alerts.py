"""Looking at users' alerts: those of the shards that the executor holds, every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg

from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.alerts import AlertRow, alerts_of, is_met, limit_of, measured, note_fired
from candela.desk.session import act_for
from candela.errors import CandelaError
from candela.money import plain
from candela.notify.inbox import notify
from candela.notify.mails import queue_mail

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.session import TenantSession

__all__ = ["Alerts", "check_alerts"]

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 15.0
_BATCH: Final = 500
_TENANTS: Final = """
SELECT tenant_id FROM tenancy.directory WHERE shard = ANY(%s) ORDER BY tenant_id
"""
_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"
_WATCHED: Final = "SELECT DISTINCT tenant_id FROM trading.alerts WHERE is_active"


class Alerts:
    """Looks at alerts beside everything else; a look that fails is made up by the next one.

    Parameters
    ----------
    shards
        Gives those that the executor holds now.
    """

    def __init__(
        self, database: Database, clock: Clock, shards: Callable[[], Iterable[int]]
    ) -> None:
        self._database = database
        self._clock = clock
        self._shards = shards

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                held = sorted(self._shards())
                fired = await asyncio.to_thread(check_alerts, self._database, self._clock, held)
            except (CandelaError, psycopg.Error) as error:
                _LOG.warning("alerts are not looked at now: %s", type(error).__name__)
            else:
                if fired:
                    _LOG.info("%s alerts fired", fired)


def check_alerts(database: Database, clock: Clock, shards: Iterable[int]) -> int:
    """Look at the alerts of shards once; return how many fired."""
    wanted = list(shards)
    if not wanted:
        return 0
    fired = 0
    with database.connect(Role.EXECUTOR, autocommit=True) as connection:
        for tenant_id in _watched(connection, wanted):
            try:
                with act_for(connection, tenant_id) as session:
                    fired += _check(session, clock.now())
            except (ArithmeticError, LookupError, ValueError) as error:
                # One that cannot be read must not keep the others waiting.
                _LOG.warning("alerts of tenant %s: %s", tenant_id, type(error).__name__)
    return fired


def _watched(connection: psycopg.Connection[Any], shards: list[int]) -> list[UUID]:
    tenants = [row[0] for row in connection.execute(_TENANTS, (shards,)).fetchall()]
    found: list[UUID] = []
    for first in range(0, len(tenants), _BATCH):
        batch = ",".join(map(str, tenants[first : first + _BATCH]))
        with connection.transaction():
            connection.execute(_ACT, (batch,))
            found += [row[0] for row in connection.execute(_WATCHED).fetchall()]
    return found


def _check(session: TenantSession, now: datetime) -> int:
    fired = 0
    for alert in alerts_of(session):
        if not alert.is_active or alert.rests(now):
            continue
        value = measured(session, alert, now)
        if value is None or not is_met(alert, value) or not note_fired(session, alert, value, now):
            continue
        _tell(session, alert, value, now)
        fired += 1
    return fired


def _tell(session: TenantSession, alert: AlertRow, value: Decimal, now: datetime) -> None:
    once = f"alert:{alert.alert_id}:{now.isoformat()}"
    for channel, tell in (("inbox", notify), ("mail", queue_mail)):
        if channel in alert.channels:
            tell(
                session,
                "alert",
                user_id=alert.user_id,
                clock=FixedClock(now),
                once_key=once,
                name=alert.name,
                value=_short(value),
                limit=_short(limit_of(alert)),
            )


def _short(value: Decimal) -> str:
    return plain(round(value, 8))
