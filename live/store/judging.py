"""What becomes of an intent that should be committed: pure, over what was read under locks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.orders.words import Side
from live.store.port import Placed

if TYPE_CHECKING:
    from candela.orders.records import Halt, Intent
    from live.store.port import Commit

__all__ = ["BalanceKey", "Known", "Once", "balance_key", "judge", "once"]

BalanceKey: TypeAlias = tuple[UUID, UUID, str]
Once: TypeAlias = tuple[UUID, UUID | None, str, datetime, str]


@dataclass(slots=True)
class Known:
    """What the database says, and what this transaction adds to it.

    Parameters
    ----------
    accounts
        State and its reason, by tenant and account.
    wanted
        By tenant and bot.
    free
        Total less what is reserved.
    taken
        Numbers of the commits whose key the database has already.
    entries
        How many of a tenant there are since the start of a day that is counted.
    seen
        Keys met in this transaction.
    reserved
        What this transaction holds back.
    """

    halts: list[Halt]
    accounts: dict[tuple[UUID, UUID], tuple[str, str | None]]
    wanted: dict[tuple[UUID, UUID], str]
    free: dict[BalanceKey, Decimal]
    taken: set[int]
    entries: dict[UUID, dict[datetime, int]]
    seen: set[Once] = field(default_factory=set[Once])
    reserved: dict[BalanceKey, Decimal] = field(default_factory=dict[BalanceKey, Decimal])


def judge(known: Known, number: int, commit: Commit) -> Placed:
    """Say what becomes of one, and remember what it takes from those behind it.

    Parameters
    ----------
    number
        Which of the transaction it is, from 0.
    """
    intent = commit.intent
    key = once(intent)
    if number in known.taken or key in known.seen:
        return Placed("duplicate")
    known.seen.add(key)
    refusal = _entry_refusal(known, commit) if commit.is_entry else None
    place, amount = balance_key(intent), intent.reserve.amount
    free = known.free.get(place, ZERO)
    if refusal is None and amount > free:
        words = f"{amount} {intent.reserve.ccy} wanted, {free} free"
        refusal = Placed("refused", "balance", words)
    if refusal is not None:
        return refusal
    known.free[place] = EXACT.subtract(free, amount)
    known.reserved[place] = EXACT.add(known.reserved.get(place, ZERO), amount)
    if intent.side is not Side.SELL:
        days = known.entries.get(intent.tenant_id, {})
        for day_at in days:
            days[day_at] += intent.created_at >= day_at
    return Placed("committed")


def balance_key(intent: Intent) -> BalanceKey:
    """Return the balance that an intent reserves from."""
    return (intent.tenant_id, intent.account.account_id, intent.reserve.ccy)


def once(intent: Intent) -> Once:
    """Return what may be decided once: tenant, bot, symbol, bar and leg."""
    return (intent.tenant_id, intent.bot_id, intent.symbol, intent.bar_at, intent.leg)


def _entry_refusal(known: Known, commit: Commit) -> Placed | None:
    intent = commit.intent
    for halt in known.halts:
        if _is_halted(halt, intent):
            return Placed("refused", "halt", halt.reason)
    place = (intent.tenant_id, intent.account.account_id)
    state, reason = known.accounts.get(place, ("unknown", None))
    if state != "active":
        return Placed("refused", "account", reason or state)
    if intent.bot_id is not None:
        wanted = known.wanted.get((intent.tenant_id, intent.bot_id))
        if wanted != "running":
            return Placed("refused", "wanted", "the bot is not wanted running")
    if commit.day_limit is not None and commit.day_at is not None:
        entries = known.entries.get(intent.tenant_id, {}).get(commit.day_at, 0)
        if entries >= commit.day_limit:
            words = f"{entries} of {commit.day_limit} entries today"
            return Placed("refused", "day_limit", words)
    return None


def _is_halted(halt: Halt, intent: Intent) -> bool:
    return (
        halt.tenant_id in {None, intent.tenant_id}
        and halt.account_id in {None, intent.account.account_id}
        and halt.bot_id in {None, intent.bot_id}
    )
