"""One batch of decisions: many bots, one moment, and what they want written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from candela.gates import ask
from candela.money import EXACT, ZERO, decimal_of
from candela.orders.records import Decision
from candela.orders.words import Quote
from live.bots.conditions import SignalBar
from live.bots.deciding import decide_bar
from live.bots.entering import LegPlan, enter, enter_leg
from live.bots.guard import Due
from live.bots.leaving import leave, next_try
from live.bots.runner import BotRunner, Owed
from live.bots.surroundings import AccountFacts, Market, TenantFacts
from live.executor.accounts import AccountWork, TenantWork
from live.store.port import Commit, Lease

__all__ = ["Batch", "Leases", "Ordered"]

Leases: TypeAlias = Callable[[int], Lease | None]
"""Gives the lease of a part, None where it is not held now."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A decision with the intent it led to, or one that was refused.

    Parameters
    ----------
    runner
        None for an order by hand.
    """

    tenant: TenantWork
    account: AccountWork
    runner: BotRunner | None
    what: Commit | Decision


class Batch:
    """Collects what bots want at one moment; each order sees those before it.

    Parameters
    ----------
    make_id
        A new id at each call.
    """

    def __init__(self, now: datetime, leases: Leases, make_id: Callable[[], UUID]) -> None:
        self.now = now
        self.ordered: list[Ordered] = []
        self._leases = leases
        self._make_id = make_id
        self._tenants: dict[UUID, TenantFacts | None] = {}
        self._accounts: dict[UUID, AccountFacts] = {}

    def facts(
        self, tenant: TenantWork, account: AccountWork
    ) -> tuple[TenantFacts, AccountFacts] | None:
        """Return what surrounds an account's bots; None where its part is not ours any more."""
        if tenant.tenant_id not in self._tenants:
            lease = self._leases(tenant.shard)
            facts = None
            if lease is not None:
                facts = tenant.facts(lease, self.now, self._make_id)
                for work in tenant.accounts.values():
                    seen = work.facts(tenant.halts_of(work.account.key.account_id))
                    self._accounts[work.account.key.account_id] = seen
                    for amount in seen.pending.values():
                        facts.capital = EXACT.add(facts.capital, amount)
            self._tenants[tenant.tenant_id] = facts
        of_tenant = self._tenants[tenant.tenant_id]
        of_account = self._accounts.get(account.account.key.account_id)
        if of_tenant is None or of_account is None or not account.desk.is_ready:
            return None
        return of_tenant, of_account

    def signal(
        self, tenant: TenantWork, runner: BotRunner, bar: SignalBar, quote: Quote | None
    ) -> None:
        """Let a bot decide on a closed bar."""
        opened = runner.position.opened_at
        if opened is not None and opened >= bar.closed_at:
            # A bar from before the position, told again: it was decided on when there was none.
            return
        wanted = decide_bar(runner.is_held, runner.position.legs, bar, runner.config.data_policy)
        if wanted.action == "nothing":
            return
        if wanted.action == "exit":
            runner.owed = Owed(
                reason=wanted.reason,
                leg="exit" if wanted.reason == "signal" else wanted.reason,
                bar_at=bar.bar_at,
                definition_id=bar.definition_id,
                fraction=decimal_of(wanted.fraction),
                held=runner.position.quantity,
            )
            self.settle_owed(tenant, runner, quote, _close(bar))
            return
        account = tenant.accounts.get(runner.account.account_id)
        if account is None or (rules := account.rules.get(runner.symbol)) is None:
            return
        facts = self.facts(tenant, account)
        if runner.state not in _DECIDING:
            return
        if facts is None:
            self._not_ready(tenant, account, runner, bar, wanted.action)
            return
        market = Market(rules, quote, _close(bar))
        what = enter(runner, wanted.action, bar, market, facts[1], facts[0])
        self.ordered.append(Ordered(tenant, account, runner, what))

    def _not_ready(
        self,
        tenant: TenantWork,
        account: AccountWork,
        runner: BotRunner,
        bar: SignalBar,
        action: Literal["enter", "add"],
    ) -> None:
        """Refuse an entry of an account whose books are not compared with the venue yet."""
        if self._tenants.get(tenant.tenant_id) is None:
            return
        phrase = "The books of the account are {value}; entries need them {limit}."
        gate = ask("account_books", "not compared yet", "equal", "compared", phrase)
        what = Decision(
            tenant_id=tenant.tenant_id,
            decision_id=self._make_id(),
            bot_id=runner.bot_id,
            definition_id=runner.definition_id,
            symbol=runner.symbol,
            bar_at=bar.bar_at,
            leg="entry" if action == "enter" else "leg",
            action=action,
            outcome="refused",
            decided_by=gate.name,
            gates=(gate.as_dict(),),
            decided_at=self.now,
        )
        self.ordered.append(Ordered(tenant, account, runner, what))

    def due(self, tenant: TenantWork, runner: BotRunner, due: Due, quote: Quote) -> None:
        """Act on what a quote triggered."""
        if runner.owed is not None and runner.owed.fraction == 1:
            return
        if due.reason == "leg":
            self._leg(tenant, runner, LegPlan(due.number, due.amount), quote)
            return
        fraction, leg = Decimal(1), str(due.reason)
        if due.reason == "stage":
            fraction = min(due.amount / runner.position.quantity, Decimal(1))
            leg = f"stage-{due.number}"
        runner.owed = Owed(
            reason=due.reason,
            leg=leg,
            bar_at=self.now,
            definition_id=runner.definition_id,
            fraction=fraction,
            held=runner.position.quantity,
        )
        self.settle_owed(tenant, runner, quote, None)
        if due.reason == "stage" and runner.first is not None:
            runner.first = replace(runner.first, stages=due.number)

    def flatten(
        self,
        tenant: TenantWork,
        runner: BotRunner,
        reason: Literal["flatten", "data"],
        quote: Quote | None,
    ) -> None:
        """Sell all that a bot holds, whatever is on."""
        if runner.owed is None or runner.owed.fraction != 1:
            runner.owed = Owed(
                reason=reason,
                leg=reason,
                bar_at=self.now,
                definition_id=runner.definition_id,
                fraction=Decimal(1),
                held=runner.position.quantity,
            )
        self.settle_owed(tenant, runner, quote, None)

    def settle_owed(
        self, tenant: TenantWork, runner: BotRunner, quote: Quote | None, close: Decimal | None
    ) -> None:
        """Place the exit that a bot owes, where none is under way and its time has come."""
        owed = runner.owed
        account = tenant.accounts.get(runner.account.account_id)
        if owed is None or account is None:
            return
        facts = self.facts(tenant, account)
        rules = account.rules.get(runner.symbol)
        if facts is None or rules is None:
            return
        if owed.not_before is not None and self.now < owed.not_before:
            return
        if facts[1].pending.get(runner.bot_id, ZERO) > 0:
            # What is still being bought must not outlive the exit.
            self._cancel_entries(account, runner)
        stop = facts[1].shields.get(runner.bot_id)
        if stop is not None:
            # Proved gone first, or what is held could be sold twice.
            runner.shield = None
            account.desk.cancel_intent(stop)
        what = leave(runner, owed, Market(rules, quote, close), facts[1], facts[0])
        if what is None:
            return
        runner.owed = replace(
            owed, tries=owed.tries + 1, not_before=self.now + next_try(owed.tries)
        )
        if isinstance(what, Decision) and what.decided_by != "price":
            # What the venue does not take now it does not take in a minute either.
            runner.owed = None
        self.ordered.append(Ordered(tenant, account, runner, what))

    def _leg(self, tenant: TenantWork, runner: BotRunner, plan: LegPlan, quote: Quote) -> None:
        account = tenant.accounts.get(runner.account.account_id)
        if account is None or runner.state not in _DECIDING or runner.first is None:
            return
        facts = self.facts(tenant, account)
        rules = account.rules.get(runner.symbol)
        if facts is None or rules is None:
            return
        if runner.rest_until is not None and self.now < runner.rest_until:
            return
        what = enter_leg(runner, plan, Market(rules, quote), facts[1], facts[0])
        if isinstance(what, Commit):
            runner.first = replace(runner.first, legs=plan.number)
        else:
            # The level stays reached: the same refusal is not written at every quote.
            runner.rest_until = self.now + runner.config.interval.delta
        self.ordered.append(Ordered(tenant, account, runner, what))

    @staticmethod
    def _cancel_entries(account: AccountWork, runner: BotRunner) -> None:
        for intent in account.desk.book.intents:
            if (
                intent.bot_id == runner.bot_id
                and intent.side.sign > 0
                and not intent.state.is_final
            ):
                account.desk.cancel_intent(intent.intent_id)


_DECIDING = frozenset({"running", "blocked"})


def _close(bar: SignalBar) -> Decimal | None:
    close = bar.conditions.close
    return decimal_of(close) if close > 0.0 else None
