"""The roster: tenants, accounts, bots and kill switches of the parts that an executor holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from candela.orders.records import AccountKey
from candela.plans import Subscription
from live.bots.guard import FirstFill
from live.bots.tally import ClosedTrade
from live.executor import queries
from live.executor.reading import (
    account_of,
    by_tenant,
    definition_of,
    halt_of,
    older_trades,
    position_of,
    request_of,
)
from live.executor.rows import (
    BotLoaded,
    BotSaid,
    DefinitionRow,
    HaltRow,
    OrderRequestRow,
    RunBegun,
    TenantLoaded,
)

if TYPE_CHECKING:
    import psycopg

    from live.store.pool import ConnectionPool

__all__ = ["Roster"]

_BATCH: Final = 500
"""Tenants of one transaction."""
_KEPT_TRADES: Final = 512
_DAY: Final = timedelta(hours=26)
"""Longer than the longest calendar day of any zone."""


class Roster:
    """Read who is to be worked for, and say how bots are.

    Every transaction acts for the tenants that it names, and no others.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def tenants(self, shard: int) -> tuple[UUID, ...]:
        """Return the tenants of a part."""
        async with self._pool.transaction() as connection:
            rows = await _rows(connection, queries.TENANTS, {"shard": shard})
        return tuple(row["tenant_id"] for row in rows)

    async def load(
        self, tenants: Sequence[UUID], now: datetime, only: Sequence[UUID] | None = None
    ) -> list[TenantLoaded]:
        """Return tenants that have anything to work on.

        Parameters
        ----------
        only
            Of the bots these alone; None: all that run or shall.
        """
        found: list[TenantLoaded] = []
        for start in range(0, len(tenants), _BATCH):
            async with self._acting(tenants[start : start + _BATCH]) as (connection, values):
                more = {"day": now - _DAY, "only": None if only is None else list(only)}
                found += await _load(connection, values | more)
        return found

    async def halts(self, tenants: Sequence[UUID]) -> dict[UUID | None, list[HaltRow]]:
        """Return the kill switches that are on by tenant; those of the platform under None."""
        found: dict[UUID | None, dict[UUID, HaltRow]] = defaultdict(dict)
        for start in range(0, max(len(tenants), 1), _BATCH):
            async with self._acting(tenants[start : start + _BATCH]) as (connection, values):
                for row in await _rows(connection, queries.HALTS, values):
                    found[row["tenant_id"]][row["halt_id"]] = halt_of(row)
        return {tenant: list(halts.values()) for tenant, halts in found.items()}

    async def subscriptions(self, tenants: Sequence[UUID]) -> dict[UUID, Subscription]:
        """Return the plans of tenants, and how they stand."""
        found: dict[UUID, Subscription] = {}
        for start in range(0, len(tenants), _BATCH):
            async with self._acting(tenants[start : start + _BATCH]) as (connection, values):
                for row in await _rows(connection, queries.WHO, values):
                    found[row["tenant_id"]] = Subscription(
                        row["plan"], row["status"], row["period_end_at"]
                    )
        return found

    async def changed(self, tenants: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
        """Return bots, with their tenants, whose state is not what is wanted of them."""
        found: list[tuple[UUID, UUID]] = []
        for start in range(0, len(tenants), _BATCH):
            async with self._acting(tenants[start : start + _BATCH]) as (connection, values):
                rows = await _rows(connection, queries.CHANGED, values)
                found += [(row["tenant_id"], row["bot_id"]) for row in rows]
        return found

    async def requests(self, tenants: Sequence[UUID]) -> list[OrderRequestRow]:
        """Return the orders by hand that wait, oldest first."""
        found: list[OrderRequestRow] = []
        for start in range(0, len(tenants), _BATCH):
            async with self._acting(tenants[start : start + _BATCH]) as (connection, values):
                found += [
                    request_of(row) for row in await _rows(connection, queries.REQUESTS, values)
                ]
        return found

    async def definitions(
        self, wanted: Collection[str], bars: Mapping[str, int]
    ) -> list[DefinitionRow]:
        """Return definitions, with what their last signals say.

        Parameters
        ----------
        bars
            How many closes are wanted of a definition; those not named want none.
        """
        found: list[DefinitionRow] = []
        async with self._pool.transaction() as connection:
            for row in await _rows(connection, queries.DEFINITIONS, {"definitions": list(wanted)}):
                name = row["definition_id"]
                count = max(bars.get(name, 0), row["warm_up"] if row["bad_bar_at"] else 0, 1)
                values = {"definition": name, "bars": count + 1}
                last = await _rows(connection, queries.LAST_SIGNALS, values)
                found.append(definition_of(row, last))
        return found

    async def say(self, said: Sequence[BotSaid], now: datetime) -> None:
        """Write what bots are doing, many at once."""
        for start in range(0, len(said), _BATCH):
            part = said[start : start + _BATCH]
            async with self._acting(sorted({one.tenant_id for one in part})) as (link, values):
                more = {
                    "bots": [one.bot_id for one in part],
                    "states": [one.state for one in part],
                    "reasons": [one.reason for one in part],
                    "at": now,
                }
                await link.execute(queries.SAY, values | more)

    async def begin_runs(self, runs: Sequence[RunBegun], executor: str, now: datetime) -> None:
        """Write that runs begin; those before them end, and say why."""
        for start in range(0, len(runs), _BATCH):
            part = runs[start : start + _BATCH]
            tenants = [one.tenant_id for one in part]
            async with self._acting(sorted(set(tenants))) as (link, values):
                more = {
                    "tenants": tenants,
                    "runs": [one.run_id for one in part],
                    "bots": [one.bot_id for one in part],
                    "versions": [one.version for one in part],
                    "executor": executor,
                    "at": now,
                }
                await link.execute(queries.SUCCEED_RUNS, values | more)
                await link.execute(queries.BEGIN_RUNS, values | more)

    async def end_runs(
        self, tenant_id: UUID, bots: Sequence[UUID], reason: str, now: datetime
    ) -> None:
        """Write that runs of a tenant's bots ended, and why."""
        async with self._acting([tenant_id]) as (link, values):
            await link.execute(
                queries.END_RUNS, values | {"bots": list(bots), "reason": reason, "at": now}
            )

    async def answer(
        self,
        request: OrderRequestRow,
        state: Literal["taken", "refused", "lapsed"],
        reason: str | None,
        now: datetime,
    ) -> None:
        """Write what became of an order by hand; its intent has the id of the request."""
        async with self._acting([request.tenant_id]) as (link, values):
            more = {
                "request": request.request_id,
                "state": state,
                "reason": reason,
                "intent": request.request_id if state == "taken" else None,
                "at": now,
            }
            await link.execute(queries.ANSWER, values | more)

    async def has_intent(self, request: OrderRequestRow) -> bool:
        """Return whether an order by hand was committed before."""
        async with self._acting([request.tenant_id]) as (link, values):
            rows = await _rows(link, queries.HAS_INTENT, values | {"intent": request.request_id})
        return bool(rows)

    @asynccontextmanager
    async def _acting(
        self, tenants: Sequence[UUID]
    ) -> AsyncGenerator[tuple[psycopg.AsyncConnection[Any], dict[str, Any]]]:
        ids = list(tenants)
        async with self._pool.transaction(ids) as connection:
            yield connection, {"ids": ids}


async def _load(
    connection: psycopg.AsyncConnection[Any], values: dict[str, Any]
) -> list[TenantLoaded]:
    who = await _rows(connection, queries.WHO, values)
    accounts = by_tenant(await _rows(connection, queries.ACCOUNTS, values))
    if not accounts:
        return []
    bots = await _rows(connection, queries.BOTS, values)
    values |= {"bots": [row["bot_id"] for row in bots], "kept": _KEPT_TRADES}
    trades: dict[UUID, list[ClosedTrade]] = defaultdict(list)
    for row in await _rows(connection, queries.TRADES, values):
        trade = ClosedTrade(row["trade_id"], row["closed_at"], row["pnl"], row["entry_value"])
        trades[row["bot_id"]].append(trade)
    since = {row["bot_id"]: row["since"] for row in bots}
    older = older_trades(await _rows(connection, queries.OLDER, values), since)
    buys = await _rows(connection, queries.BUYS, values)
    entries: dict[UUID, list[datetime]] = defaultdict(list)
    for row in buys:
        if row["leg"] == "entry" and row["bot_id"] is not None:
            entries[row["bot_id"]].append(row["created_at"])
    positions: dict[UUID, dict[str, Any]] = {
        row["bot_id"]: row for row in await _rows(connection, queries.POSITIONS, values)
    }
    firsts = await _firsts(connection, values, bots, positions)
    halts = await _rows(connection, queries.HALTS, values)
    bots_of, buys_of = by_tenant(bots), by_tenant(buys)
    return [
        TenantLoaded(
            tenant_id=row["tenant_id"],
            zone=row["zone"],
            subscription=Subscription(row["plan"], row["status"], row["period_end_at"]),
            accounts=tuple(account_of(one) for one in accounts[row["tenant_id"]]),
            bots=tuple(
                BotLoaded(
                    bot_id=one["bot_id"],
                    name=one["name"],
                    account=AccountKey(one["tenant_id"], one["account_id"]),
                    version=one["version"],
                    wanted=one["wanted"],
                    flatten_on_stop=one["flatten_on_stop"],
                    state=one["state"],
                    config=one["config"],
                    definition_id=one["definition_id"],
                    since=one["since"],
                    trades=tuple(trades.get(one["bot_id"], ())),
                    older=older.get(one["bot_id"]),
                    entries=tuple(entries.get(one["bot_id"], ())),
                    position=position_of(positions.get(one["bot_id"])),
                    entered=positions.get(one["bot_id"], {}).get("entered", Decimal(0)),
                    first=firsts.get(one["bot_id"]),
                )
                for one in bots_of.get(row["tenant_id"], ())
            ),
            halts=tuple(
                halt_of(one) for one in halts if one["tenant_id"] in {None, row["tenant_id"]}
            ),
            buys=tuple(one["created_at"] for one in buys_of.get(row["tenant_id"], ())),
        )
        for row in who
        if row["tenant_id"] in accounts
    ]


async def _firsts(
    connection: psycopg.AsyncConnection[Any],
    values: Mapping[str, Any],
    bots: Iterable[Mapping[str, Any]],
    positions: Mapping[UUID, Mapping[str, Any]],
) -> dict[UUID, FirstFill]:
    """Return the first fills of positions whose bots plan by them; few do."""
    found: dict[UUID, FirstFill] = {}
    for bot in bots:
        limits: dict[str, Any] = bot["config"].get("limits") or {}
        held = positions.get(bot["bot_id"])
        if held is None or held["opened_at"] is None:
            continue
        if not limits.get("dca") and not limits.get("partial_exits"):
            continue
        own = {**values, "bot": bot["bot_id"], "bar": held["entry_bar_at"]}
        for row in await _rows(connection, queries.FIRST, own):
            steps = await _rows(connection, queries.STEPS, own | {"opened": held["opened_at"]})
            price = row["amount"] / row["quantity"]
            found[bot["bot_id"]] = FirstFill(
                price, row["amount"], steps[0]["legs"], steps[0]["stages"]
            )
    return found


async def _rows(
    connection: psycopg.AsyncConnection[Any], query: LiteralString, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
