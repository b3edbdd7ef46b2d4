"""An exit: how much can be sold, the gates on it, the intent that comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from candela.gates import ask
from candela.money import ZERO
from candela.orders.records import Decision, Intent, PositionTerms, Reservation
from candela.orders.words import IntentSource, OrderKind, Side
from candela.risk.exits import plan_exit
from candela.risk.facts import ExitRequest, RiskFacts
from candela.risk.judge import judge
from live.bots.runner import BotRunner, Owed
from live.bots.surroundings import AccountFacts, Market, TenantFacts
from live.store.port import Commit

__all__ = ["leave", "next_try"]

_FIRST_WAIT_S: Final = 2.0
_LONGEST_WAIT_S: Final = 60.0
_NO_FACTS: Final = RiskFacts()
_SOURCES: Final = {
    "signal": IntentSource.SIGNAL,
    "stop": IntentSource.PROTECTION,
    "trailing": IntentSource.PROTECTION,
    "target": IntentSource.PROTECTION,
    "stage": IntentSource.PROTECTION,
}


def leave(
    runner: BotRunner, owed: Owed, market: Market, account: AccountFacts, tenant: TenantFacts
) -> Commit | Decision | None:
    """Return the exit that is owed, or why it is refused; None while anything else sells.

    Kill switches, plans and limits keep nobody in a position: only what the venue can take is
    asked.
    """
    is_selling = runner.bot_id in account.exiting or runner.bot_id in account.shields
    if is_selling or not runner.is_held:
        return None
    rules, held = market.rules, runner.position.quantity
    price = market.bid
    key = account.account.key
    leg = owed.leg if owed.tries == 0 else f"{owed.leg}-{owed.tries + 1}"
    action: Literal["exit", "flatten"] = "exit" if owed.reason in _SOURCES else "flatten"
    intent_id, decision_id = tenant.make_id(), tenant.make_id()
    if price is None or price <= 0:
        words = "There is no price to sell at: {value}; one is {limit}."
        gates = [ask("price", None, "equal", "known", words).as_dict()]
        decided_by, quantity = "price", ZERO
    else:
        plan = plan_exit(held, owed.fraction, price, rules, entered=runner.entered or None)
        quantity = plan.quantity
        request = ExitRequest(
            symbol=runner.symbol, quantity=quantity, price=price, held=held, rules=rules
        )
        # An exit is judged by what the venue takes alone: facts and limits are not asked.
        verdict = judge(request, _NO_FACTS, runner.config.limits, tenant.plan, tenant.now)
        gates = verdict.as_list()
        decided_by = None if verdict.decided_by is None else verdict.decided_by.name
    decision = Decision(
        tenant_id=key.tenant_id,
        decision_id=decision_id,
        bot_id=runner.bot_id,
        definition_id=owed.definition_id,
        symbol=runner.symbol,
        bar_at=owed.bar_at,
        leg=leg,
        action=action,
        outcome="intent" if decided_by is None else "refused",
        decided_by=decided_by,
        gates=tuple(gates),
        decided_at=tenant.now,
    )
    if decided_by is not None:
        return decision
    intent = Intent(
        account=key,
        intent_id=intent_id,
        bot_id=runner.bot_id,
        decision_id=decision_id,
        symbol=runner.symbol,
        bar_at=owed.bar_at,
        leg=leg,
        source=_SOURCES.get(owed.reason, IntentSource.FLATTEN),
        side=Side.SELL,
        kind=OrderKind.MARKET,
        quantity=quantity,
        price=None,
        stop_price=None,
        reference_price=market.price,
        terms=PositionTerms(),
        reserve=Reservation(intent_id, rules.base, quantity),
        valid_until=None,
        shard=tenant.lease.shard,
        epoch=tenant.lease.epoch,
        created_at=tenant.now,
    )
    account.exiting.add(runner.bot_id)
    account.take(rules.base, quantity)
    return Commit(decision, intent, is_entry=False)


def next_try(tries: int) -> timedelta:
    """Return how long to wait before an exit that did not sell is placed again."""
    return timedelta(seconds=min(_FIRST_WAIT_S * 2.0**tries, _LONGEST_WAIT_S))
