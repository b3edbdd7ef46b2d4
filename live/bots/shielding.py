"""The stop that rests at the venue: what it should be for a position, and its intent."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from candela.money import EXACT, floored
from candela.orders.records import (
    VENUE_STOP_LEG,
    Decision,
    Intent,
    PositionTerms,
    Reservation,
)
from candela.orders.words import InstrumentRules, IntentSource, OrderKind, Side
from candela.risk.exits import plan_exit
from candela.risk.facts import ExitRequest, RiskFacts
from candela.risk.judge import judge
from live.bots.runner import BotRunner
from live.bots.shields import Level
from live.bots.surroundings import AccountFacts, TenantFacts
from live.store.port import Commit

__all__ = ["STOP_KINDS", "is_shield", "level_of", "shield"]

_ROOM: Final = Decimal("0.02")
"""How far below its trigger a stop may still sell, where the venue has only stops with a limit."""
STOP_KINDS: Final = (OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT)
"""That protect at a venue, the better one first: it sells at any price."""
_NO_FACTS: Final = RiskFacts()


def is_shield(intent: Intent) -> bool:
    """Return whether an intent is a stop at the venue, which no exit of the bot waits behind."""
    return intent.leg.startswith(VENUE_STOP_LEG)


def level_of(runner: BotRunner, rules: InstrumentRules) -> Level | None:
    """Return what should rest for a position; None: no stop, or too little for an order."""
    kind = next((kind for kind in STOP_KINDS if kind in rules.kinds), None)
    stop = None if runner.guard is None else runner.guard.protection.stop
    if kind is None or stop is None or not runner.is_held:
        return None
    price = floored(stop[0], rules.tick)
    limit = None
    if kind is OrderKind.STOP_LOSS_LIMIT:
        limit = floored(EXACT.multiply(price, 1 - _ROOM), rules.tick)
    held, entered = runner.position.quantity, runner.entered or None
    quantity = plan_exit(held, Decimal(1), limit or price, rules, entered=entered).quantity
    return Level(kind, quantity, price, limit) if quantity > 0 and price > 0 else None


def shield(
    runner: BotRunner,
    level: Level,
    number: int,
    rules: InstrumentRules,
    account: AccountFacts,
    tenant: TenantFacts,
) -> Commit | Decision:
    """Return the intent of a stop at the venue, or the decision that says why there can be none."""
    key, leg = account.account.key, f"{VENUE_STOP_LEG}{number}"
    intent_id, decision_id = tenant.make_id(), tenant.make_id()
    request = ExitRequest(
        symbol=runner.symbol,
        quantity=level.quantity,
        price=level.limit or level.stop,
        held=runner.position.quantity,
        rules=rules,
    )
    verdict = judge(request, _NO_FACTS, runner.config.limits, tenant.plan, tenant.now)
    decided_by = None if verdict.decided_by is None else verdict.decided_by.name
    decision = Decision(
        tenant_id=key.tenant_id,
        decision_id=decision_id,
        bot_id=runner.bot_id,
        definition_id=runner.definition_id,
        symbol=runner.symbol,
        bar_at=tenant.now,
        leg=leg,
        action="exit",
        outcome="intent" if decided_by is None else "refused",
        decided_by=decided_by,
        gates=tuple(verdict.as_list()),
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
        bar_at=tenant.now,
        leg=leg,
        source=IntentSource.PROTECTION,
        side=Side.SELL,
        kind=level.kind,
        quantity=level.quantity,
        price=level.limit,
        stop_price=level.stop,
        reference_price=level.stop,
        terms=PositionTerms(),
        reserve=Reservation(intent_id, rules.base, level.quantity),
        valid_until=None,
        shard=tenant.lease.shard,
        epoch=tenant.lease.epoch,
        created_at=tenant.now,
    )
    account.take(rules.base, level.quantity)
    return Commit(decision, intent, is_entry=False)
