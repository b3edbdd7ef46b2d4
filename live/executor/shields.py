"""Stops that rest at the venue: placed, moved and taken away as positions ask for it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from candela.money import ZERO
from candela.orders.words import OrderKind, OrderState
from live.bots.runner import BotRunner
from live.bots.shielding import STOP_KINDS, is_shield, level_of, shield
from live.bots.shields import Shield
from live.executor.accounts import AccountWork, TenantWork
from live.executor.batch import Batch, Ordered
from live.journal.journal import Journal

__all__ = ["Shields"]

_AGAIN: Final = timedelta(seconds=30)
"""After a stop came to nothing: the venue refused it, or would trigger it at once."""


class Shields:
    """Looks after the stops of bots that want them at the venue; told of each bot every second.

    Until a stop rests, and where none can, quotes are watched as for any bot. One that has to
    give way is canceled, and whatever comes after it waits until that is proved.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._numbers: dict[UUID, int] = {}
        self._placed_at: dict[UUID, datetime] = {}
        self._told: set[UUID] = set()

    def look(self, batch: Batch, tenant: TenantWork, runner: BotRunner) -> None:
        """Do what is due for a bot."""
        account = tenant.accounts.get(runner.account.account_id)
        rules = None if account is None else account.rules.get(runner.symbol)
        if account is None or rules is None or runner.config.payout is not None:
            return
        known = runner.shield = _known(account, runner)
        wants = runner.config.protect_at_venue and runner.wanted == "running"
        level = level_of(runner, rules) if wants and runner.mode != "paper" else None
        if not runner.is_held:
            self._placed_at.pop(runner.bot_id, None)
        elif wants and level is None:
            self._tell(tenant, runner, rules.kinds)
        if known is not None:
            if level is None or runner.owed is not None or not known.is_for(level):
                self._give_way(account, runner, known)
            return
        facts = None if level is None or runner.owed is not None else batch.facts(tenant, account)
        if level is None or facts is None or runner.bot_id in facts[1].exiting:
            return
        placed_at = self._placed_at.get(runner.bot_id)
        if placed_at is not None and batch.now - placed_at < _AGAIN:
            return
        self._placed_at[runner.bot_id] = batch.now
        number = self._numbers[runner.bot_id] = self._numbers.get(runner.bot_id, 0) + 1
        what = shield(runner, level, number, rules, facts[1], facts[0])
        batch.ordered.append(Ordered(tenant, account, runner, what))

    def forget(self, bot_id: UUID) -> None:
        """Let go of a bot."""
        self._numbers.pop(bot_id, None)
        self._placed_at.pop(bot_id, None)
        self._told.discard(bot_id)

    def _give_way(self, account: AccountWork, runner: BotRunner, known: Shield) -> None:
        runner.shield = None
        account.desk.cancel_intent(known.intent_id)
        # What was taken away is put back at once, at its new place.
        self._placed_at.pop(runner.bot_id, None)

    def _tell(self, tenant: TenantWork, runner: BotRunner, kinds: Collection[OrderKind]) -> None:
        if runner.bot_id in self._told:
            return
        words = _why_not(runner, kinds)
        if words is not None:
            self._told.add(runner.bot_id)
            words = f"its stop cannot rest {words}: quotes are watched for it"
            self._journal.note(tenant.tenant_id, runner.bot_id, "state", words, level="warning")


def _known(account: AccountWork, runner: BotRunner) -> Shield | None:
    """Return the stop of a bot that is not final."""
    book = account.desk.book
    for intent in book.intents:
        if intent.bot_id != runner.bot_id or intent.state.is_final or not is_shield(intent):
            continue
        orders = [order for order in book.orders if order.intent_id == intent.intent_id]
        return Shield(
            intent.intent_id,
            intent.quantity,
            intent.stop_price or ZERO,
            intent.price,
            rests=any(order.state is OrderState.OPEN for order in orders),
            sells=any(order.executed > 0 or order.venue_executed > 0 for order in orders),
        )
    return None


def _why_not(runner: BotRunner, kinds: Collection[OrderKind]) -> str | None:
    """Return why there is no stop at the venue though the bot wants one; None: it has none."""
    if runner.mode == "paper":
        return "at the venue, where a paper account has nothing"
    if not any(kind in kinds for kind in STOP_KINDS):
        return f"at {runner.config.instrument.partition(':')[0]}, which takes no stop orders"
    return None
