"""Decisions and intents into the database: checked under locks, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from psycopg.errors import UniqueViolation

from candela.money import EXACT
from live.store.fencing import Fence, lock_accounts
from live.store.judging import Known, balance_key, judge, once
from live.store.rows import HALTS, columns, halt_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from candela.orders.records import Decision, Intent
    from live.store.pool import ConnectionPool
    from live.store.port import Commit, Lease, Placed

__all__ = ["commit", "decide"]

_TRIES: Final = 3
# Who switches on a halt waits for what is being committed, and the next commit sees it.
_LOCK_HALTS: Final = "LOCK TABLE trading.halts IN SHARE MODE"
_LOCK_TENANTS: Final = """
SELECT tenant_id FROM tenancy.tenants
WHERE tenant_id = ANY(%s::uuid[])
ORDER BY tenant_id
FOR NO KEY UPDATE
"""
_LOCK_BOTS: Final = """
SELECT b.tenant_id, b.bot_id, b.wanted
FROM trading.bots AS b
INNER JOIN unnest(%s::uuid[], %s::uuid[]) AS k (tenant_id, bot_id) USING (tenant_id, bot_id)
ORDER BY b.tenant_id, b.bot_id
FOR SHARE OF b
"""
_LOCK_BALANCES: Final = """
SELECT b.tenant_id, b.account_id, b.ccy, b.total, b.reserved
FROM trading.balances AS b
INNER JOIN unnest(%s::uuid[], %s::uuid[], %s::text[]) AS k (tenant_id, account_id, ccy)
    USING (tenant_id, account_id, ccy)
ORDER BY b.tenant_id, b.account_id, b.ccy
FOR NO KEY UPDATE OF b
"""
# Of a person's keys the bot is null, which an index condition of its own must say.
_TAKEN: Final = """
WITH k AS (
    SELECT * FROM unnest(
        %s::integer[], %s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::text[]
    ) AS k (number, tenant_id, bot_id, symbol, bar_at, leg)
)

SELECT number FROM k INNER JOIN trading.decisions USING (tenant_id, bot_id, symbol, bar_at, leg)
UNION ALL
SELECT number FROM k INNER JOIN trading.intents USING (tenant_id, bot_id, symbol, bar_at, leg)
UNION ALL
SELECT number FROM k INNER JOIN trading.decisions AS t USING (tenant_id, symbol, bar_at, leg)
WHERE k.bot_id IS NULL AND t.bot_id IS NULL
UNION ALL
SELECT number FROM k INNER JOIN trading.intents AS t USING (tenant_id, symbol, bar_at, leg)
WHERE k.bot_id IS NULL AND t.bot_id IS NULL
"""
_ENTRIES: Final = """
SELECT k.tenant_id, k.day_at, count(i.intent_id)
FROM unnest(%s::uuid[], %s::timestamptz[]) AS k (tenant_id, day_at)
INNER JOIN trading.intents AS i
    ON i.tenant_id = k.tenant_id AND i.created_at >= k.day_at AND i.side <> 'sell'
GROUP BY k.tenant_id, k.day_at
"""
# Gates in binary form: as text, each of their many quotes would have to be escaped in Python.
_ADD_DECISIONS: Final = """
INSERT INTO trading.decisions (
    tenant_id, decision_id, bot_id, definition_id, symbol, bar_at, leg, action, outcome,
    decided_by, gates, decided_at
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
    %s::text[], %s::text[], %s::text[], %b::text[]::jsonb[], %s::timestamptz[]
)
"""
_ADD_DECISIONS_ONCE: Final = f"{_ADD_DECISIONS} ON CONFLICT DO NOTHING"
_ADD_INTENTS: Final = """
INSERT INTO trading.intents (
    tenant_id, intent_id, account_id, bot_id, decision_id, symbol, bar_at, leg, source, side,
    kind, quantity, price, stop_price, reference_price, terms, valid_until, shard, epoch, state,
    created_at
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[],
    %s::text[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::text[]::jsonb[], %s::timestamptz[], %s::integer[], %s::bigint[],
    %s::text[], %s::timestamptz[]
)
"""
_RESERVE: Final = """
INSERT INTO trading.balances AS b (tenant_id, account_id, ccy, total, reserved)
SELECT k.tenant_id, k.account_id, k.ccy, 0, k.amount
FROM
    unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[])
        AS k (tenant_id, account_id, ccy, amount)
ON CONFLICT (tenant_id, account_id, ccy) DO UPDATE
SET reserved = b.reserved + excluded.reserved, updated_at = now()
"""
_ADD_RESERVATIONS: Final = """
INSERT INTO trading.reservations (tenant_id, intent_id, account_id, ccy, asked, amount)
SELECT k.tenant_id, k.intent_id, k.account_id, k.ccy, k.amount, k.amount
FROM
    unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[])
        AS k (tenant_id, intent_id, account_id, ccy, amount)
"""


async def commit(
    pool: ConnectionPool, lease: Lease, commits: Sequence[Commit]
) -> tuple[Placed, ...]:
    """Do what `live.store.port.Store.commit` says, in two round trips for any number.

    Raises
    ------
    LeaseLost
        Nothing was written.
    UniqueViolation
        A decision or intent has an id that was given before, under another key.
    """
    if not commits:
        return ()
    tenants = sorted({entry.intent.tenant_id for entry in commits})
    tries = 0
    while True:
        try:
            async with pool.transaction(tenants) as connection:
                fence = await Fence.ask(connection, lease)
                fence.refuse_others(tenants)
                known = await _read(connection, fence, commits)
                placed = tuple(judge(known, number, entry) for number, entry in enumerate(commits))
                await _write(connection, lease, known, list(zip(commits, placed, strict=True)))
        except UniqueViolation:
            # Another connection was faster; what it wrote is seen by the next try.
            tries += 1
            if tries == _TRIES:
                raise
        else:
            return placed


async def decide(pool: ConnectionPool, lease: Lease, decisions: Sequence[Decision]) -> None:
    """Do what `live.store.port.Store.decide` says.

    Raises
    ------
    LeaseLost
        Nothing was written.
    """
    if not decisions:
        return
    tenants = sorted({decision.tenant_id for decision in decisions})
    async with pool.transaction(tenants) as connection:
        fence = await Fence.ask(connection, lease)
        fence.refuse_others(tenants)
        await fence.check()
        await connection.execute(_ADD_DECISIONS_ONCE, _decision_columns(decisions))


async def _read(
    connection: AsyncConnection[TupleRow],
    fence: Fence,
    commits: Sequence[Commit],
) -> Known:
    """Lock and read all that is asked; every statement is under way before the first answer."""
    await connection.execute(_LOCK_HALTS)
    days = sorted(
        {
            (entry.intent.tenant_id, entry.day_at)
            for entry in commits
            if entry.is_entry and entry.day_limit is not None and entry.day_at is not None
        }
    )
    if days:
        await connection.execute(_LOCK_TENANTS, ([tenant for tenant, _ in days],))
    accounts = await lock_accounts(connection, (entry.intent.account for entry in commits))
    bots = {
        (entry.intent.tenant_id, entry.intent.bot_id)
        for entry in commits
        if entry.intent.bot_id is not None
    }
    wanted = await connection.execute(_LOCK_BOTS, columns(sorted(bots), 2))
    keys = sorted({balance_key(entry.intent) for entry in commits})
    balances = await connection.execute(_LOCK_BALANCES, columns(keys, 3))
    numbered = [(number, *once(entry.intent)) for number, entry in enumerate(commits)]
    taken = await connection.execute(_TAKEN, columns(numbered, 6))
    halts = await connection.execute(HALTS)
    entries = await connection.execute(_ENTRIES, columns(days, 2)) if days else None
    await fence.check()
    counted: dict[UUID, dict[datetime, int]] = {}
    for tenant, day_at in days:
        counted.setdefault(tenant, {})[day_at] = 0
    for row in await entries.fetchall() if entries is not None else ():
        counted[row[0]][row[1]] = row[2]
    return Known(
        halts=[halt_of(row) for row in await halts.fetchall()],
        accounts={(row[0], row[1]): (row[2], row[3]) for row in await accounts.fetchall()},
        wanted={(row[0], row[1]): row[2] for row in await wanted.fetchall()},
        free={
            (row[0], row[1], row[2]): EXACT.subtract(row[3], row[4])
            for row in await balances.fetchall()
        },
        taken={row[0] for row in await taken.fetchall()},
        entries=counted,
    )


async def _write(
    connection: AsyncConnection[TupleRow],
    lease: Lease,
    known: Known,
    judged: list[tuple[Commit, Placed]],
) -> None:
    decisions = [
        entry.decision
        if placed.kind == "committed"
        else replace(entry.decision, outcome="refused", decided_by=placed.gate)
        for entry, placed in judged
        if placed.kind != "duplicate"
    ]
    intents = [entry.intent for entry, placed in judged if placed.kind == "committed"]
    if decisions:
        await connection.execute(_ADD_DECISIONS, _decision_columns(decisions))
    if not intents:
        return
    await connection.execute(_ADD_INTENTS, _intent_columns(lease, intents))
    reserved = [(*key, amount) for key, amount in sorted(known.reserved.items())]
    await connection.execute(_RESERVE, columns(reserved, 4))
    await connection.execute(
        _ADD_RESERVATIONS,
        columns(
            [
                (
                    intent.tenant_id,
                    intent.intent_id,
                    intent.account.account_id,
                    intent.reserve.ccy,
                    intent.reserve.amount,
                )
                for intent in intents
            ],
            5,
        ),
    )


def _decision_columns(decisions: Sequence[Decision]) -> tuple[list[Any], ...]:
    return columns(
        [
            (
                d.tenant_id,
                d.decision_id,
                d.bot_id,
                d.definition_id,
                d.symbol,
                d.bar_at,
                d.leg,
                d.action,
                d.outcome,
                d.decided_by,
                json.dumps([dict(gate) for gate in d.gates]),
                d.decided_at,
            )
            for d in decisions
        ],
        12,
    )


def _intent_columns(lease: Lease, intents: Sequence[Intent]) -> tuple[list[Any], ...]:
    return columns(
        [
            (
                i.tenant_id,
                i.intent_id,
                i.account.account_id,
                i.bot_id,
                i.decision_id,
                i.symbol,
                i.bar_at,
                i.leg,
                i.source.value,
                i.side.value,
                i.kind.value,
                i.quantity,
                i.price,
                i.stop_price,
                i.reference_price,
                json.dumps(i.terms.as_dict()),
                i.valid_until,
                lease.shard,
                lease.epoch,
                i.state.value,
                i.created_at,
            )
            for i in intents
        ],
        21,
    )
