"""Tenants and their accounts at work: what batches of decisions are made on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from candela.brokers.paper import CostsOf
from candela.brokers.port import SpotBroker
from candela.fills.model import Costs
from candela.ids import is_ours
from candela.money import EXACT, ZERO
from candela.orders.records import Account, AccountBook
from candela.orders.words import InstrumentRules, Side
from candela.plans import Entitlements, Subscription, plan_named
from candela.risk.facts import Halt
from candela.risk.hours import day_bounds, trading_day
from live.bots.runner import BotRunner
from live.bots.shielding import is_shield
from live.bots.surroundings import AccountFacts, TenantFacts
from live.desk.desk import AccountDesk
from live.executor.rows import HaltRow
from live.store.port import Lease

__all__ = ["AccountWork", "TenantWork"]


class AccountWork:
    """An account with the desk that sends for it.

    Parameters
    ----------
    rules
        Of the instruments that its bots trade, by symbol.
    """

    __slots__ = ("account", "broker", "desk", "rules", "said")

    def __init__(self, account: Account, desk: AccountDesk, broker: SpotBroker) -> None:
        self.account = account
        self.desk = desk
        self.broker = broker
        self.rules: dict[str, InstrumentRules] = {}
        self.said = account.state

    def facts(self, halts: dict[UUID | None, tuple[Halt, ...]]) -> AccountFacts:
        """Return the account as it is now, for one batch."""
        book = self.desk.book
        held = {one.intent_id: one.amount for one in book.reservations}
        facts = AccountFacts(
            account=book.account,
            halts=halts,
            free={ccy: balance.free for ccy, balance in book.balances.items()},
        )
        for intent in book.intents:
            if intent.state.is_final or intent.bot_id is None:
                continue
            if is_shield(intent):
                facts.shields[intent.bot_id] = intent.intent_id
            elif intent.side is Side.SELL:
                facts.exiting.add(intent.bot_id)
            else:
                amount = held.get(intent.intent_id, ZERO)
                before = facts.pending.get(intent.bot_id, ZERO)
                facts.pending[intent.bot_id] = EXACT.add(before, amount)
        return facts


class TenantWork:
    """A tenant whose part this executor holds.

    Parameters
    ----------
    buys
        Instants at which anything was bought in about the last day.
    costs
        What trading costs each bot on paper.
    """

    __slots__ = ("_buys", "accounts", "costs", "halts", "plan", "runners", "shard", "subscription",
                 "tenant_id", "zone")  # fmt: skip

    def __init__(
        self,
        tenant_id: UUID,
        shard: int,
        zone: str,
        subscription: Subscription,
        buys: tuple[datetime, ...] = (),
    ) -> None:
        self.tenant_id = tenant_id
        self.shard = shard
        self.zone = zone
        self.subscription = subscription
        self.plan: Entitlements = plan_named(subscription.plan)
        self.accounts: dict[UUID, AccountWork] = {}
        self.runners: dict[UUID, BotRunner] = {}
        self.costs: dict[UUID, Costs] = {}
        self.halts: tuple[HaltRow, ...] = ()
        self._buys = deque(sorted(buys))

    def bought(self, at: datetime) -> None:
        """Count a purchase that was committed."""
        self._buys.append(at)

    def costs_of(self, book: AccountBook) -> CostsOf:
        """Return what tells the costs of an account's orders; None for orders by hand.

        Parameters
        ----------
        book
            As the account begins: its desk is asked for what was committed since.
        """
        bots = {intent.intent_id: intent.bot_id for intent in book.intents}

        def costs(client_id: str) -> Costs | None:
            known = is_ours(client_id)
            if known is None:
                return None
            bot_id = bots.get(known[0])
            work = self.accounts.get(book.account.key.account_id)
            if bot_id is None and work is not None:
                bot_id = work.desk.bot_of(known[0])
            return None if bot_id is None else self.costs.get(bot_id)

        return costs

    def subscribe(self, subscription: Subscription) -> None:
        """Take over another plan, or how the plan stands."""
        self.subscription = subscription
        self.plan = plan_named(subscription.plan)

    def facts(self, lease: Lease, now: datetime, make_id: Callable[[], UUID]) -> TenantFacts:
        """Return the tenant as it is now, for one batch; working entries are added by account."""
        day_at = day_bounds(trading_day(now, self.zone), self.zone)[0]
        while self._buys and self._buys[0] < day_at:
            self._buys.popleft()
        capital = ZERO
        symbols: set[str] = set()
        for runner in self.runners.values():
            symbols.add(runner.config.instrument)
            if runner.is_held:
                cost = EXACT.multiply(runner.position.quantity, runner.position.mean_price)
                capital = EXACT.add(capital, cost)
        return TenantFacts(
            lease=lease,
            zone=self.zone,
            plan=self.plan,
            plan_in_force=self.subscription.in_force(now),
            symbols_in_use=frozenset(symbols),
            day_at=day_at,
            trades_today=len(self._buys),
            capital=capital,
            now=now,
            make_id=make_id,
        )

    def halts_of(self, account_id: UUID) -> dict[UUID | None, tuple[Halt, ...]]:
        """Return the kill switches that hold on an account, by bot; None: for all of it."""
        found: dict[UUID | None, tuple[Halt, ...]] = {}
        for row in self.halts:
            if row.account_id in {None, account_id}:
                found[row.bot_id] = (*found.get(row.bot_id, ()), row.halt)
        return found

    def flattens(self, runner: BotRunner) -> Halt | None:
        """Return a kill switch by which the bot shall hold nothing."""
        for row in self.halts:
            if (
                row.halt.flatten
                and row.account_id in {None, runner.account.account_id}
                and row.bot_id in {None, runner.bot_id}
            ):
                return row.halt
        return None
