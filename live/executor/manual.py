"""Orders by hand: from the row that a person asked for to an intent, through the same gates."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from candela.bots.market import usd_per
from candela.money import ZERO, floored
from candela.orders.records import Decision, Intent, PositionTerms, Reservation
from candela.orders.words import InstrumentRules, IntentSource, OrderKind, Quote, Side
from candela.risk.facts import EntryRequest, ExitRequest, RiskFacts
from candela.risk.judge import Verdict, judge
from candela.risk.limits import RiskLimits
from live.bots.sizing import EntrySize, reserve_of
from live.bots.surroundings import AccountFacts, TenantFacts
from live.executor.rows import OrderRequestRow
from live.store.port import Commit

__all__ = ["ManualOrder", "manual_order"]

_NO_LIMITS: Final = RiskLimits()
_TAKER: Final = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class ManualOrder:
    """What an order by hand is judged on.

    Parameters
    ----------
    held
        Base of the account that no bot holds, free.
    """

    request: OrderRequestRow
    rules: InstrumentRules
    quote: Quote | None
    held: Decimal


def manual_order(
    order: ManualOrder, account: AccountFacts, tenant: TenantFacts
) -> tuple[Commit | Decision, str | None]:
    """Return the intent, which has the id of its request, or the refusal with its words."""
    request, rules, quote = order.request, order.rules, order.quote
    side = Side(request.side)
    quantity = floored(request.quantity, rules.lot)
    price = request.price
    if price is None and quote is not None:
        price = quote.ask if side is Side.BUY else quote.bid
    verdict = _verdict(order, quantity, price or ZERO, account, tenant)
    decided_by = None if verdict.decided_by is None else verdict.decided_by.name
    words = None if verdict.decided_by is None else verdict.decided_by.words
    if price is None:
        decided_by, words = "price", "there is no price of the instrument now"
    leg = f"manual-{request.request_id}"
    decision = Decision(
        tenant_id=request.tenant_id,
        decision_id=tenant.make_id(),
        bot_id=None,
        definition_id=None,
        symbol=request.symbol,
        bar_at=request.requested_at,
        leg=leg,
        action="enter" if side is Side.BUY else "exit",
        outcome="intent" if decided_by is None else "refused",
        decided_by=decided_by,
        gates=tuple(verdict.as_list()),
        decided_at=tenant.now,
    )
    if decided_by is not None or price is None:
        return decision, words
    fee = max(rules.taker_fee, _TAKER)
    if side is Side.BUY:
        free = account.free.get(rules.quote, ZERO)
        amount = reserve_of(EntrySize(quantity, price, fee), rules, free)
        reserve = Reservation(request.request_id, rules.quote, amount)
    else:
        reserve = Reservation(request.request_id, rules.base, quantity)
    account.take(reserve.ccy, reserve.amount)
    is_limit = request.kind == "limit"
    intent = Intent(
        account=request.account,
        intent_id=request.request_id,
        bot_id=None,
        decision_id=decision.decision_id,
        symbol=request.symbol,
        bar_at=request.requested_at,
        leg=leg,
        source=IntentSource.MANUAL,
        side=side,
        kind=OrderKind.LIMIT if is_limit else OrderKind.MARKET,
        quantity=quantity,
        price=request.price,
        stop_price=None,
        reference_price=price if quote is None else quote.mid,
        terms=PositionTerms(),
        reserve=reserve,
        # A limit order rests until somebody cancels it.
        valid_until=None if is_limit else request.valid_until,
        shard=tenant.lease.shard,
        epoch=tenant.lease.epoch,
        created_at=tenant.now,
    )
    return (
        Commit(
            decision,
            intent,
            is_entry=side is Side.BUY,
            day_limit=tenant.plan.trades_per_day if side is Side.BUY else None,
            day_at=tenant.day_at,
        ),
        None,
    )


def _verdict(
    order: ManualOrder,
    quantity: Decimal,
    price: Decimal,
    account: AccountFacts,
    tenant: TenantFacts,
) -> Verdict:
    request, rules = order.request, order.rules
    if request.side == "sell":
        return judge(
            ExitRequest(
                symbol=request.symbol, quantity=quantity, price=price, held=order.held, rules=rules
            ),
            RiskFacts(),
            _NO_LIMITS,
            tenant.plan,
            tenant.now,
        )
    instrument = f"{account.account.venue}:{request.symbol}"
    entry = EntryRequest(
        mode=account.account.mode,
        symbol=instrument,
        quantity=quantity,
        price=price,
        rules=rules,
        valid_until=request.valid_until,
        fee_in_base_ratio=rules.taker_fee,
        usd_per_ccy=usd_per(rules.quote),
    )
    facts = RiskFacts(
        zone=tenant.zone,
        halts=account.halts.get(None, ()),
        bot_state=None,
        account_state=account.account.state,
        plan_in_force=tenant.plan_in_force,
        symbols_in_use=tenant.symbols_in_use,
        tenant_trades_today=tenant.trades_today,
        tenant_capital=tenant.capital,
        free=account.free.get(rules.quote, ZERO),
    )
    return judge(entry, facts, _NO_LIMITS, tenant.plan, tenant.now)
