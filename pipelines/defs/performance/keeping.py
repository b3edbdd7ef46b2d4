"""Keeping figures by period: found stale, computed from the books, written where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import sql
from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.metrics.periods import figures_by_period, points_of
from pipelines.defs.performance.books import read_books

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["RollupReport", "TenantDay", "roll_up", "stale_tenants"]

# A transaction that was long under way shows a booking with a time before the last look.
_OVERLAP: Final = timedelta(minutes=15)
_ROLLUPS: Final = "metric_rollups"
_POINTS: Final = "equity_points"
_SERIES: Final = ("scope", "scope_id", "mode", "currency")

_TENANTS: Final = """
SELECT t.tenant_id, t.zone, s.zone AS known_zone, s.through_day
FROM tenancy.tenants AS t
LEFT JOIN trading.rollup_states AS s USING (tenant_id)
WHERE t.closed_at IS NULL
ORDER BY t.tenant_id
"""
_BOOKED: Final = """
SELECT tenant_id FROM trading.fills WHERE booked_at > %(since)s
UNION
SELECT tenant_id FROM trading.ledger WHERE booked_at > %(since)s
UNION
SELECT tenant_id FROM trading.trades WHERE closed_at > %(since)s
UNION
SELECT tenant_id FROM trading.bot_versions WHERE created_at > %(since)s
"""
_LOOKED: Final = "SELECT looked_at FROM live.rollup_watermark"
_LOOK: Final = """
INSERT INTO live.rollup_watermark (looked_at) VALUES (%(at)s)
ON CONFLICT (is_only) DO UPDATE SET looked_at = excluded.looked_at
WHERE rollup_watermark.looked_at < excluded.looked_at
"""
_STATE: Final = """
INSERT INTO trading.rollup_states (tenant_id, zone, through_day, computed_at)
VALUES (%(tenant)s, %(zone)s, %(through)s, %(at)s)
ON CONFLICT (tenant_id) DO UPDATE SET
    zone = excluded.zone, through_day = excluded.through_day, computed_at = excluded.computed_at
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('rollups:' || %(tenant)s::text, 0))"


@dataclass(frozen=True, slots=True)
class TenantDay:
    """A tenant, its zone, and which day it is there."""

    tenant_id: UUID
    zone: str
    today: date


@dataclass(slots=True)
class RollupReport:
    """What a run did; rows are those that differed."""

    tenants: int = 0
    series: int = 0
    written: int = 0
    removed: int = 0


def stale_tenants(
    connection: psycopg.Connection[TupleRow], now: datetime, *, everybody: bool = False
) -> list[TenantDay]:
    """Return the tenants whose figures may be old.

    Those with a booking since the last look, for whom a new day began, whose zone changed, or who
    have no figures yet.
    """
    row = connection.execute(_LOOKED).fetchone()
    booked: set[UUID] = set()
    if row is not None:
        found = connection.execute(_BOOKED, {"since": row[0] - _OVERLAP})
        booked = {one[0] for one in found.fetchall()}
    with connection.cursor(row_factory=dict_row) as cursor:
        tenants = cursor.execute(_TENANTS).fetchall()
    stale: list[TenantDay] = []
    for one in tenants:
        today = now.astimezone(ZoneInfo(one["zone"])).date()
        is_known = one["known_zone"] == one["zone"] and one["through_day"] == today
        if everybody or row is None or not is_known or one["tenant_id"] in booked:
            stale.append(TenantDay(one["tenant_id"], one["zone"], today))
    return stale


def roll_up(
    database: Database,
    clock: Clock,
    *,
    everybody: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RollupReport:
    """Bring the figures of all tenants up to their books.

    A tenant's figures are computed whole from its books and compared with what is kept, so that
    they are those of a computation from nothing whatever came late; rows that do not differ are
    not touched.

    Parameters
    ----------
    everybody
        Also those in whose books nothing was seen to change.
    """
    now = clock.now()
    report = RollupReport()
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        stale = stale_tenants(connection, now, everybody=everybody)
        for number, tenant in enumerate(stale, start=1):
            with connection.transaction():
                _roll_up_tenant(connection, tenant, now, report)
            progress(number, len(stale))
        connection.execute(_LOOK, {"at": now})
    return report


def _roll_up_tenant(
    connection: psycopg.Connection[TupleRow],
    tenant: TenantDay,
    now: datetime,
    report: RollupReport,
) -> None:
    values = {"tenant": tenant.tenant_id, "zone": tenant.zone, "through": tenant.today, "at": now}
    connection.execute(_LOCK, values)
    zone = ZoneInfo(tenant.zone)
    rollups: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    books = read_books(connection, tenant.tenant_id)
    for series, own in books.items():
        of = {"tenant_id": tenant.tenant_id} | asdict(series)
        figures = figures_by_period(
            own.deals, own.flows, own.executions, zone=zone, through=tenant.today
        )
        rollups += [of | {"zone": tenant.zone} | asdict(one) for one in figures]
        points += [of | asdict(one) for one in points_of(own.deals, own.flows, zone)]
    keep = _Keeper(connection, tenant.tenant_id, now, report)
    keep.bring(_ROLLUPS, (*_SERIES, "period", "starts_on"), rollups)
    keep.bring(_POINTS, (*_SERIES, "day"), points)
    connection.execute(_STATE, values)
    report.tenants += 1
    report.series += len(books)


class _Keeper:
    """Makes the rows of a tenant in a table those that are wanted, and touches no others."""

    def __init__(
        self,
        connection: psycopg.Connection[TupleRow],
        tenant_id: UUID,
        now: datetime,
        report: RollupReport,
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._now = now
        self._report = report

    def bring(
        self, table: LiteralString, key: tuple[LiteralString, ...], wanted: list[dict[str, Any]]
    ) -> None:
        """Insert, update and delete so that exactly the wanted rows are there."""
        name = sql.Identifier("trading", table)
        query = sql.SQL("SELECT * FROM {} WHERE tenant_id = %s").format(name)
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query, (self._tenant_id,)).fetchall()
        kept = {_key_of(row, key): row for row in rows}
        changed = [row for row in wanted if _differs(row, kept.pop(_key_of(row, key), None))]
        if kept:
            self._remove(name, key, kept)
        if changed:
            self._write(name, key, [row | {"computed_at": self._now} for row in changed])

    def _remove(
        self, name: sql.Identifier, key: tuple[LiteralString, ...], gone: Iterable[tuple[Any, ...]]
    ) -> None:
        where = sql.SQL(" AND ").join(
            sql.SQL("{} = %s").format(sql.Identifier(column)) for column in ("tenant_id", *key)
        )
        statement = sql.SQL("DELETE FROM {} WHERE {}").format(name, where)
        with self._connection.cursor() as cursor:
            rows = [(self._tenant_id, *one) for one in gone]
            cursor.executemany(statement, rows)
            self._report.removed += len(rows)

    def _write(
        self, name: sql.Identifier, key: tuple[LiteralString, ...], rows: list[dict[str, Any]]
    ) -> None:
        columns = list(rows[0])
        own = [column for column in columns if column not in {"tenant_id", *key}]
        statement = sql.SQL(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}"
        ).format(
            name,
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(map(sql.Placeholder, columns)),
            sql.SQL(", ").join(map(sql.Identifier, ("tenant_id", *key))),
            sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in own
            ),
        )
        with self._connection.cursor() as cursor:
            cursor.executemany(statement, rows)
        self._report.written += len(rows)


def _key_of(row: Mapping[str, Any], key: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[column] for column in key)


def _differs(row: Mapping[str, Any], kept: Mapping[str, Any] | None) -> bool:
    return kept is None or any(kept[column] != value for column, value in row.items())
