"""Bets into the database: judged over locked rows, one after the other, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from candela.money import EXACT, ZERO
from candela.orders.bets import BetStatus
from candela.risk.bets import BetRows, OpenStake, judge_bet, settled_of
from live.store.bet_rows import BETS, bet_of, bet_terms
from live.store.fencing import Fence, lock_accounts
from live.store.port import Placed
from live.store.rows import HALTS, halt_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from candela.orders.records import Decision
    from live.store.bets_port import BetCommit
    from live.store.pool import ConnectionPool
    from live.store.port import Lease

__all__ = ["commit_bets"]

_HISTORY: Final = 512
"""Trades of a bot that a ladder and a day are counted over; a longer ladder does not exist."""

# Who switches on a halt waits for what is being committed, and the next commit sees it.
_LOCK_HALTS: Final = "LOCK TABLE trading.halts IN SHARE MODE"
_LOCK_TENANT: Final = "SELECT 1 FROM tenancy.tenants WHERE tenant_id = %s FOR NO KEY UPDATE"
_LOCK_BOT: Final = "SELECT wanted FROM trading.bots WHERE tenant_id = %s AND bot_id = %s FOR SHARE"
_LOCK_BALANCE: Final = """
SELECT total, reserved FROM trading.balances
WHERE tenant_id = %s AND account_id = %s AND ccy = %s
FOR NO KEY UPDATE
"""
_TAKEN: Final = """
SELECT 1 FROM trading.decisions
WHERE
    tenant_id = %s AND bot_id IS NOT DISTINCT FROM %s AND symbol = %s AND bar_at = %s AND leg = %s
"""
_ENTRIES: Final = """
SELECT count(*) FROM trading.intents
WHERE tenant_id = %s AND created_at >= %s AND side <> 'sell'
"""
_OPEN: Final = """
SELECT
    i.bot_id, i.symbol, (i.terms ->> 'expires_at')::timestamptz, coalesce(t.stake, i.quantity),
    coalesce(t.status = 'unknown', false) OR EXISTS (
        SELECT 1 FROM trading.orders AS o
        WHERE
            o.tenant_id = i.tenant_id AND o.intent_id = i.intent_id AND o.state = 'unknown'
    )
FROM trading.intents AS i
LEFT JOIN trading.trades AS t ON t.tenant_id = i.tenant_id AND t.trade_id = i.intent_id
WHERE
    i.tenant_id = %s AND i.account_id = %s
    AND (i.state IN ('committed', 'working') OR t.status = 'unknown')
"""
_SETTLED: Final = f"""{BETS}
WHERE
    t.tenant_id = %s AND t.bot_id IS NOT DISTINCT FROM %s AND t.kind = 'fixed_payout'
    AND t.status <> 'open'
ORDER BY t.expires_at DESC, t.trade_id DESC LIMIT %s
"""
_TODAY: Final = """
SELECT count(*) FROM trading.intents
WHERE tenant_id = %s AND bot_id IS NOT DISTINCT FROM %s AND created_at >= %s
"""
_ADD_DECISION: Final = """
INSERT INTO trading.decisions (
    tenant_id, decision_id, bot_id, definition_id, symbol, bar_at, leg, action, outcome,
    decided_by, gates, decided_at
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)
"""
_ADD_INTENT: Final = """
INSERT INTO trading.intents (
    tenant_id, intent_id, account_id, bot_id, decision_id, symbol, bar_at, leg, source, side,
    kind, quantity, reference_price, terms, valid_until, shard, epoch, state, created_at
) VALUES (
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'bet', %s, %s, %s::jsonb, %s, %s, %s, 'committed', %s
)
"""
_RESERVE: Final = """
UPDATE trading.balances SET reserved = reserved + %s, updated_at = now()
WHERE tenant_id = %s AND account_id = %s AND ccy = %s
"""
_ADD_RESERVATION: Final = """
INSERT INTO trading.reservations (tenant_id, intent_id, account_id, ccy, asked, amount)
VALUES (%s, %s, %s, %s, %s, %s)
"""


async def commit_bets(
    pool: ConnectionPool, lease: Lease, commits: Sequence[BetCommit]
) -> tuple[Placed, ...]:
    """Do what `live.store.bets_port.BetStore.commit_bets` says.

    Raises
    ------
    LeaseLost
        Nothing was written.
    """
    if not commits:
        return ()
    tenants = sorted({one.intent.tenant_id for one in commits})
    async with pool.transaction(tenants) as connection:
        fence = await Fence.ask(connection, lease)
        fence.refuse_others(tenants)
        await connection.execute(_LOCK_HALTS)
        for tenant in tenants:
            await connection.execute(_LOCK_TENANT, (tenant,))
        found = await lock_accounts(connection, (one.intent.account for one in commits))
        await fence.check()
        accounts = {(row[0], row[1]): (row[2], row[3]) for row in await found.fetchall()}
        placed = [
            await _one(connection, lease, commit, accounts[_account(commit)]) for commit in commits
        ]
    return tuple(placed)


async def _one(
    connection: AsyncConnection[TupleRow],
    lease: Lease,
    commit: BetCommit,
    account: tuple[str, str | None],
) -> Placed:
    intent, decision = commit.intent, commit.decision
    key = (intent.tenant_id, intent.bot_id, intent.asset, intent.bar_at, intent.leg)
    taken = await connection.execute(_TAKEN, key)
    if await taken.fetchone() is not None:
        return Placed("duplicate")
    refused = await _state_refusal(connection, commit, account)
    if refused is None:
        verdict = judge_bet(commit.case(), await _rows(connection, commit))
        gate = verdict.decided_by
        if gate is not None:
            decision = replace(decision, gates=(*decision.gates, gate.as_dict()))
            refused = Placed("refused", gate.name, gate.words)
    if refused is not None:
        await _add_decision(
            connection, replace(decision, outcome="refused", decided_by=refused.gate)
        )
        return refused
    await _add_decision(connection, decision)
    await connection.execute(
        _ADD_INTENT,
        (
            intent.tenant_id,
            intent.intent_id,
            intent.account.account_id,
            intent.bot_id,
            intent.decision_id,
            intent.asset,
            intent.bar_at,
            intent.leg,
            intent.source.value,
            intent.side.value,
            intent.stake,
            intent.reference_price,
            json.dumps(bet_terms(intent)),
            intent.valid_until,
            lease.shard,
            lease.epoch,
            intent.created_at,
        ),
    )
    place = (intent.tenant_id, intent.account.account_id, intent.ccy)
    await connection.execute(_RESERVE, (intent.stake, *place))
    await connection.execute(
        _ADD_RESERVATION,
        (
            intent.tenant_id,
            intent.intent_id,
            intent.account.account_id,
            intent.ccy,
            intent.stake,
            intent.stake,
        ),
    )
    return Placed("committed")


async def _state_refusal(
    connection: AsyncConnection[TupleRow], commit: BetCommit, account: tuple[str, str | None]
) -> Placed | None:
    intent = commit.intent
    halts = await connection.execute(HALTS)
    for halt in [halt_of(row) for row in await halts.fetchall()]:
        if (
            halt.tenant_id in {None, intent.tenant_id}
            and halt.account_id in {None, intent.account.account_id}
            and halt.bot_id in {None, intent.bot_id}
        ):
            return Placed("refused", "halt", halt.reason)
    state, reason = account
    if state != "active":
        return Placed("refused", "account", reason or state)
    if intent.bot_id is not None:
        bots = await connection.execute(_LOCK_BOT, (intent.tenant_id, intent.bot_id))
        row = await bots.fetchone()
        if row is None or row[0] != "running":
            return Placed("refused", "wanted", "the bot is not wanted running")
    if commit.day_limit is not None:
        counted = await connection.execute(_ENTRIES, (intent.tenant_id, commit.day_at))
        row = await counted.fetchone()
        entries: int = 0 if row is None else row[0]
        if entries >= commit.day_limit:
            words = f"{entries} of {commit.day_limit} entries today"
            return Placed("refused", "day_limit", words)
    return None


async def _rows(connection: AsyncConnection[TupleRow], commit: BetCommit) -> BetRows:
    """Read what caps and ladder are counted over; the account's lock holds it still."""
    intent = commit.intent
    tenant, account = _account(commit)
    balance = await connection.execute(_LOCK_BALANCE, (tenant, account, intent.ccy))
    stakes = await connection.execute(_OPEN, (tenant, account))
    settled = await connection.execute(_SETTLED, (tenant, intent.bot_id, _HISTORY))
    today = await connection.execute(_TODAY, (tenant, intent.bot_id, commit.day_at))
    money = await balance.fetchone()
    count = await today.fetchone()
    bets = [bet_of(row) for row in await settled.fetchall()]
    return BetRows(
        open_stakes=tuple(OpenStake(*row) for row in await stakes.fetchall()),
        settled=tuple(settled_of(one) for one in bets if one.status is not BetStatus.OPEN),
        bets_today=0 if count is None else count[0],
        free=ZERO if money is None else EXACT.subtract(money[0], money[1]),
    )


async def _add_decision(connection: AsyncConnection[TupleRow], decision: Decision) -> None:
    values: tuple[Any, ...] = (
        decision.tenant_id,
        decision.decision_id,
        decision.bot_id,
        decision.definition_id,
        decision.symbol,
        decision.bar_at,
        decision.leg,
        decision.action,
        decision.outcome,
        decision.decided_by,
        json.dumps([dict(gate) for gate in decision.gates]),
        decision.decided_at,
    )
    await connection.execute(_ADD_DECISION, values)


def _account(commit: BetCommit) -> tuple[Any, Any]:
    account = commit.intent.account
    return account.tenant_id, account.account_id
