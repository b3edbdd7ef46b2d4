"""The book of schedules: each tick of each becomes one request, whoever looks and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backtest.ledger.cron import Cron
from backtest.ledger.door import Door
from backtest.ledger.records import Schedule
from backtest.ledger.refusals import BadCron, NoSuchSchedule
from backtest.ledger.requests import new_request
from backtest.ledger.stored import exact_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    from backtest.ledger.records import RequestKind

__all__ = ["ScheduleBook"]

_PUT: Final = """
INSERT INTO research.schedules (name, cron, kind, spec, is_enabled, requested_by, counts_from)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, kind = excluded.kind,
    spec = excluded.spec, is_enabled = excluded.is_enabled, requested_by = excluded.requested_by,
    counts_from = excluded.counts_from
"""
_SCHEDULES: Final = """
SELECT s.name, s.cron, s.kind, s.spec, s.is_enabled, s.requested_by, s.counts_from,
    s.last_enqueued_for
FROM research.schedules AS s
"""
# The row is locked until the request is there; who comes second finds the tick taken. The unique
# key of the tick holds even where a schedule was deleted and made again in between.
_TAKE: Final = """
UPDATE research.schedules SET last_enqueued_for = %(tick)s
WHERE name = %(name)s AND is_enabled
  AND (last_enqueued_for IS NULL OR last_enqueued_for < %(tick)s)
"""
_ENQUEUE: Final = """
INSERT INTO research.requests (
    request_id, kind, spec, surface, requested_by, requested_at, schedule, scheduled_for
) VALUES (%s, %s, %s, 'schedule', %s, %s, %s, %s)
ON CONFLICT (schedule, scheduled_for) DO NOTHING
"""


class ScheduleBook(Door):
    """Backtests that are asked for again and again."""

    def put_schedule(
        self,
        name: str,
        cron: str,
        spec: Mapping[str, Any],
        kind: RequestKind = "backtest",
        *,
        is_enabled: bool = True,
        requested_by: str | None = None,
    ) -> Schedule:
        """Make a schedule, or change the one of that name; its next tick is the first to count.

        Raises
        ------
        BadCron
            The expression is not right.
        """
        read = Cron.parse(cron)
        with self._transaction() as connection:
            connection.execute(
                _PUT,
                (
                    *(name, read.text, kind, exact_json(spec), is_enabled, requested_by),
                    self.clock.now(),
                ),
            )
            return _schedule(connection, name)

    def schedules(self) -> list[Schedule]:
        """Return all schedules in order of name."""
        with self._transaction() as connection:
            rows = connection.execute(_SCHEDULES + " ORDER BY s.name").fetchall()
        return [Schedule(*row) for row in rows]

    def enable_schedule(self, name: str, *, is_enabled: bool) -> Schedule:
        """Let a schedule go on, or rest; ticks of its rest are not made up for.

        Raises
        ------
        NoSuchSchedule
            There is none of that name.
        """
        with self._transaction() as connection:
            connection.execute(
                "UPDATE research.schedules SET is_enabled = %(on)s,"
                " counts_from = CASE WHEN is_enabled THEN counts_from ELSE %(now)s END"
                " WHERE name = %(name)s",
                {"name": name, "on": is_enabled, "now": self.clock.now()},
            )
            return _schedule(connection, name)

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule; what it asked for stays.

        Raises
        ------
        NoSuchSchedule
            There is none of that name.
        """
        with self._transaction() as connection:
            _schedule(connection, name)
            connection.execute("DELETE FROM research.schedules WHERE name = %s", (name,))

    def enqueue_due(self) -> tuple[dict[str, str], list[BadCron]]:
        """Ask for what is due; return the new requests by name of their schedule, and what is bad.

        Where several ticks passed unseen, the last one counts: the older would give figures that
        nobody waits for any more. A schedule that cannot be read holds up no other.
        """
        made: dict[str, str] = {}
        bad: list[BadCron] = []
        for schedule in self.schedules():
            if not schedule.is_enabled:
                continue
            try:
                tick = _due(schedule, self.clock.now())
            except BadCron as error:
                bad.append(error)
                continue
            if tick is not None and (request := self._enqueue(schedule, tick)) is not None:
                made[schedule.name] = request
        return made, bad

    def _enqueue(self, schedule: Schedule, tick: datetime) -> str | None:
        now = self.clock.now()
        request_id = new_request(now)
        with self._transaction() as connection:
            taken = connection.execute(_TAKE, {"name": schedule.name, "tick": tick}).rowcount
            if not taken:
                return None
            made = connection.execute(
                _ENQUEUE,
                (
                    *(request_id, schedule.kind, exact_json(schedule.spec)),
                    *(schedule.requested_by, now, schedule.name, tick),
                ),
            ).rowcount
        return request_id if made else None


def _due(schedule: Schedule, now: datetime) -> datetime | None:
    tick = Cron.parse(schedule.cron).last_tick(now)
    if tick is None or tick <= schedule.counts_from:
        return None
    last = schedule.last_enqueued_for
    return tick if last is None or last < tick else None


def _schedule(connection: psycopg.Connection, name: str) -> Schedule:
    row = connection.execute(_SCHEDULES + " WHERE s.name = %s", (name,)).fetchone()
    if row is None:
        message = f"There is no schedule {name!r}."
        raise NoSuchSchedule(message, "List the schedules to see their names.")
    return Schedule(*row)
