"""An entry or leg: its size, its gates with all their values, the intent that comes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from candela.bots.market import usd_per
from candela.gates import ask
from candela.money import EXACT, ZERO, decimal_of, floored
from candela.orders.records import Decision, Intent, PositionTerms, Reservation
from candela.orders.words import IntentSource, OrderKind, Side
from candela.risk.facts import BarSeen, EntryRequest, RiskFacts
from candela.risk.judge import judge
from candela.risk.martingale import next_stake
from live.bots.conditions import Conditions, SignalBar
from live.bots.runner import BotRunner, terms_of
from live.bots.sizing import (
    EntrySize,
    SizeQuestion,
    entry_size,
    kelly_of,
    reserve_of,
    volatility_of,
)
from live.bots.surroundings import AccountFacts, Market, TenantFacts
from live.store.port import Commit

__all__ = ["LegPlan", "enter", "enter_leg"]


@dataclass(frozen=True, slots=True)
class LegPlan:
    """A further purchase whose price the market has reached.

    Parameters
    ----------
    amount
        Quote to be bought for.
    """

    number: int
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    action: Literal["enter", "add"]
    leg: str
    bar_at: datetime
    source: IntentSource
    kind: OrderKind
    size: EntrySize
    terms: PositionTerms
    bar: BarSeen | None
    valid_until: datetime | None
    ladder_step: int | None


def enter(
    runner: BotRunner,
    action: Literal["enter", "add"],
    bar: SignalBar,
    market: Market,
    account: AccountFacts,
    tenant: TenantFacts,
) -> Commit | Decision:
    """Return the entry that a bar asks for, or the decision that says which gate refused it."""
    said, config = bar.conditions, runner.config
    limit = _limit(runner, said)
    terms = terms_of(config, said)
    size, step = _size(runner, bar, market, limit, terms)
    return _judged(
        runner,
        _Entry(
            action=action,
            # One a bar: a number would move with the fills, and a bar told again buy again.
            leg="entry" if action == "enter" else "leg",
            bar_at=bar.bar_at,
            source=IntentSource.SIGNAL,
            kind=OrderKind.MARKET if math.isnan(limit) else OrderKind.LIMIT,
            size=size,
            terms=terms if action == "enter" else runner.position.terms,
            bar=bar.seen(),
            valid_until=bar.valid_until,
            ladder_step=step,
        ),
        market,
        account,
        tenant,
    )


def enter_leg(
    runner: BotRunner, plan: LegPlan, market: Market, account: AccountFacts, tenant: TenantFacts
) -> Commit | Decision:
    """Return the purchase of a planned leg, or the decision that says which gate refused it."""
    price = market.quote.ask if market.quote is not None else market.close or ZERO
    fee = decimal_of(runner.config.costs.taker_fee_bps / 10_000)
    units = floored(plan.amount / price, market.rules.lot) if price > 0 else ZERO
    return _judged(
        runner,
        _Entry(
            action="add",
            leg=f"dca-{plan.number}",
            bar_at=tenant.now,
            source=IntentSource.PROTECTION,
            kind=OrderKind.MARKET,
            size=EntrySize(units, price, fee),
            terms=runner.position.terms,
            bar=None,
            valid_until=tenant.now + runner.config.interval.delta,
            ladder_step=None,
        ),
        market,
        account,
        tenant,
    )


def _judged(
    runner: BotRunner, entry: _Entry, market: Market, account: AccountFacts, tenant: TenantFacts
) -> Commit | Decision:
    rules, size = market.rules, entry.size
    key = account.account.key
    free = account.free.get(rules.quote, ZERO)
    limits = runner.config.limits
    request = EntryRequest(
        mode=runner.mode,
        symbol=str(runner.config.instrument),
        quantity=size.quantity,
        price=size.price,
        rules=rules,
        bar=entry.bar,
        valid_until=entry.valid_until,
        is_leg=entry.action == "add",
        ladder_step=entry.ladder_step,
        fee_in_base_ratio=size.fee_ratio,
        usd_per_ccy=usd_per(rules.quote),
    )
    verdict = judge(request, _facts(runner, market, account, tenant, free), limits, tenant.plan,
                    tenant.now)  # fmt: skip
    gates = verdict.as_list()
    decided_by = None if verdict.decided_by is None else verdict.decided_by.name
    pending = account.pending.get(runner.bot_id, ZERO)
    busy = "exiting" if runner.bot_id in account.exiting else "entering" if pending else "idle"
    phrase = "An order of the bot is {value}; an entry waits until it is {limit}."
    idle = ask("in_flight", busy, "equal", "idle", phrase)
    gates.insert(0, idle.as_dict())
    if not idle.passed:
        decided_by = idle.name
    decision = Decision(
        tenant_id=key.tenant_id,
        decision_id=tenant.make_id(),
        bot_id=runner.bot_id,
        definition_id=runner.definition_id,
        symbol=runner.symbol,
        bar_at=entry.bar_at,
        leg=entry.leg,
        action=entry.action,
        outcome="intent" if decided_by is None else "refused",
        decided_by=decided_by,
        gates=tuple(gates),
        decided_at=tenant.now,
    )
    if decided_by is not None:
        return decision
    reserve = reserve_of(size, rules, free)
    intent_id = tenant.make_id()
    intent = Intent(
        account=key,
        intent_id=intent_id,
        bot_id=runner.bot_id,
        decision_id=decision.decision_id,
        symbol=runner.symbol,
        bar_at=entry.bar_at,
        leg=entry.leg,
        source=entry.source,
        side=Side.BUY,
        kind=entry.kind,
        quantity=size.quantity,
        price=size.price if entry.kind is OrderKind.LIMIT else None,
        stop_price=None,
        reference_price=market.price,
        terms=entry.terms,
        reserve=Reservation(intent_id, rules.quote, reserve),
        valid_until=entry.valid_until,
        shard=tenant.lease.shard,
        epoch=tenant.lease.epoch,
        created_at=tenant.now,
    )
    account.take(rules.quote, reserve)
    account.pending[runner.bot_id] = pending + reserve
    tenant.capital += reserve
    tenant.trades_today += entry.action == "enter"
    return Commit(
        decision,
        intent,
        is_entry=True,
        day_limit=tenant.plan.trades_per_day,
        day_at=tenant.day_at,
    )


def _facts(
    runner: BotRunner,
    market: Market,
    account: AccountFacts,
    tenant: TenantFacts,
    free: Decimal,
) -> RiskFacts:
    position, tally = runner.position, runner.tally
    price = market.bid
    cost = EXACT.multiply(position.quantity, position.mean_price)
    pending = account.pending.get(runner.bot_id, ZERO)
    mark = ZERO
    if runner.is_held and price is not None:
        mark = EXACT.multiply(position.quantity, price - position.mean_price)
    return RiskFacts(
        zone=tenant.zone,
        halts=account.halts_of(runner.bot_id),
        bot_state=runner.state,
        account_state=account.account.state,
        plan_in_force=tenant.plan_in_force,
        symbols_in_use=tenant.symbols_in_use,
        tenant_trades_today=tenant.trades_today,
        tenant_capital=tenant.capital,
        trades_today=tally.trades_on(tenant.now),
        realised_today=tally.realised_on(tenant.now),
        open_mark=mark,
        open_positions=int(runner.is_held),
        exposure=cost + pending,
        symbol_exposure=cost + pending,
        position_cost=cost + pending,
        held=position.quantity,
        equity=tally.equity + mark,
        peak_equity=tally.peak,
        loss_streak=tally.streak,
        last_loss_at=tally.last_loss_at,
        settled=tally.history() if runner.config.martingale is not None else (),
        free=free,
    )


def _limit(runner: BotRunner, said: Conditions) -> float:
    if not math.isnan(said.limit_price):
        return said.limit_price
    return said.close if runner.config.order == "limit" else math.nan


def _size(
    runner: BotRunner, bar: SignalBar, market: Market, limit: float, terms: PositionTerms
) -> tuple[EntrySize, int | None]:
    config, said = runner.config, bar.conditions
    sizing, size, step = config.sizing, said.size, None
    if config.martingale is not None:
        stake = next_stake(config.martingale, runner.tally.history())
        if stake is None:
            return EntrySize(ZERO, ZERO, ZERO), None
        step = stake.step
        sizing = sizing.model_copy(update={"kind": "fixed_value"})
        size = float(stake.stake)
    price = market.price
    volatility = kelly = math.nan
    if sizing.kind == "volatility_target":
        volatility = volatility_of(bar.closes, sizing.window, bar.interval.total_seconds())
    elif sizing.kind == "kelly":
        kelly = kelly_of(runner.tally.returns(), sizing.window, sizing.cap)
    question = SizeQuestion(
        sizing=sizing,
        costs=config.costs,
        rules=market.rules,
        equity=float(runner.equity(price)),
        units=float(runner.position.quantity),
        raw=math.nan if price is None else float(price),
        size=size,
        stop=math.nan if terms.stop_loss is None else float(terms.stop_loss),
        trailing=math.nan if terms.trailing_stop is None else float(terms.trailing_stop),
        limit=limit,
        volume=said.volume,
        volatility=volatility,
        kelly=kelly,
    )
    return entry_size(question), step
