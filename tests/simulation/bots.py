"""What the bots of a history want: entries and exits of all kinds, some of them twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from candela.money import floored, quotient
from candela.orders.records import Decision, Intent, PositionTerms, Reservation
from candela.orders.words import IntentSource, OrderKind, Side
from live.desk.desk import AccountDesk
from live.store.port import Commit
from tests.simulation.venue import RULES

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["again", "wanted"]

_MARGIN = Decimal("1.012")


def wanted(
    world: World, desk: AccountDesk, epoch: int, bot: UUID, bar_at: datetime
) -> list[Commit]:
    """Return what a bot wants at a bar: nothing, an entry, or an exit of all or half."""
    random = world.random
    symbol = random.choice(tuple(RULES))
    rules = RULES[symbol]
    position = desk.position(bot, symbol)
    price = world.venue.prices[symbol]
    if desk.has_open_intent(bot, symbol):
        return []
    least = rules.minimum_notional * Decimal("1.05")
    if position.quantity > 0 and random.random() < 0.7:
        share = random.choice((Decimal(1), Decimal(1), Decimal("0.5")))
        quantity = floored(position.quantity * share, rules.lot)
        if quantity * price < least:
            quantity = floored(position.quantity, rules.lot)
        if quantity * price < least:
            return []
        return [_commit(world, epoch, bot, symbol, bar_at, Side.SELL, quantity, price)]
    quantity = quotient(Decimal(random.randrange(20, 4000)), price)
    if random.random() < 0.7:
        quantity = floored(quantity, rules.lot)
    return [_commit(world, epoch, bot, symbol, bar_at, Side.BUY, quantity, price)]


def again(world: World, commit: Commit) -> Commit:
    """Return the same decision as it is made from a bar that comes twice: with other ids."""
    intent_id = world.new_id()
    decision = replace(commit.decision, decision_id=world.new_id())
    intent = replace(
        commit.intent,
        intent_id=intent_id,
        decision_id=decision.decision_id,
        reserve=replace(commit.intent.reserve, intent_id=intent_id),
    )
    return replace(commit, decision=decision, intent=intent)


def _commit(
    world: World,
    epoch: int,
    bot: UUID,
    symbol: str,
    bar_at: datetime,
    side: Side,
    quantity: Decimal,
    price: Decimal,
) -> Commit:
    random, now, rules = world.random, world.clock.now(), RULES[symbol]
    kind = random.choice((OrderKind.MARKET, OrderKind.MARKET, OrderKind.LIMIT))
    limit = None
    if kind is OrderKind.LIMIT:
        off = Decimal(random.randrange(-30, 31)) / 10_000
        limit = floored(price * (1 + off), rules.tick)
    is_entry = side is Side.BUY
    intent_id = world.new_id()
    at_most = quantity * (limit or price) * _MARGIN
    decision = Decision(
        tenant_id=world.key.tenant_id,
        decision_id=world.new_id(),
        bot_id=bot,
        definition_id=None,
        symbol=symbol,
        bar_at=bar_at,
        leg="entry" if is_entry else "exit",
        action="enter" if is_entry else "exit",
        outcome="intent",
        decided_by=None,
        gates=(),
        decided_at=now,
    )
    intent = Intent(
        account=world.key,
        intent_id=intent_id,
        bot_id=bot,
        decision_id=decision.decision_id,
        symbol=symbol,
        bar_at=bar_at,
        leg=decision.leg,
        source=IntentSource.SIGNAL,
        side=side,
        kind=kind,
        quantity=quantity,
        price=limit,
        stop_price=None,
        reference_price=price,
        terms=PositionTerms(),
        reserve=Reservation(
            intent_id, rules.quote if is_entry else rules.base, at_most if is_entry else quantity
        ),
        valid_until=now + timedelta(seconds=random.choice((30, 60, 240))),
        shard=world.shard,
        epoch=epoch,
        created_at=now,
    )
    return Commit(decision, intent, is_entry=is_entry)
