"""A bet that a bar asks for: its stake, its slot, its gates, the intent that comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from candela.bots.market import usd_per
from candela.gates import ask
from candela.money import EXACT, ZERO, floored
from candela.orders.bets import BetIntent, BetSide
from candela.orders.records import Account, Decision
from candela.orders.words import IntentSource, Quote
from candela.payout.rules import PayoutRules
from candela.risk.facts import EntryRequest, Halt, RiskFacts
from candela.risk.hours import day_bounds, trading_day
from candela.risk.judge import judge
from candela.risk.martingale import next_stake
from live.bots.conditions import SignalBar
from live.bots.runner import BotRunner
from live.bots.surroundings import TenantFacts
from live.store.bets_port import BetCommit

__all__ = ["BetSurroundings", "bet_on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BetSurroundings:
    """What is true of a bot's account when it bets.

    Parameters
    ----------
    free
        Of the account, neither staked nor reserved.
    at_stake, open_bets
        Of the bot, and not settled.
    """

    account: Account
    halts: tuple[Halt, ...]
    quote: Quote | None
    free: Decimal
    at_stake: Decimal
    open_bets: int


def bet_on(
    runner: BotRunner, bar: SignalBar, around: BetSurroundings, tenant: TenantFacts
) -> BetCommit | Decision | None:
    """Return the bet that a bar asks for, the decision that refuses it, or None: none is asked for.

    It expires as long after the bar's end as the strategy says, which is where a backtest that
    enters at the next open settles it, and is worth sending for a quarter of that time, at most
    for one bar: later it would be another bet.
    """
    said, rules = bar.conditions, runner.config.payout
    if rules is None or said.call == said.put or said.expiry_bars < 1:
        return None
    lasts = said.expiry_bars * bar.interval
    expires_at = bar.closed_at + lasts
    valid_until = bar.closed_at + min(bar.interval, lasts / 4)
    stake, step = _stake(runner, rules, around)
    request = EntryRequest(
        kind="fixed_payout",
        mode=runner.mode,
        symbol=runner.config.instrument,
        stake=stake,
        payout_ratio=rules.payout,
        bar=bar.seen(),
        valid_until=valid_until,
        ladder_step=step,
        usd_per_ccy=usd_per(around.account.quote_ccy),
    )
    limits = runner.config.limits
    verdict = judge(request, _facts(runner, around, tenant), limits, tenant.plan, tenant.now)
    most = ask(
        "max_open",
        around.open_bets + 1,
        "at_most",
        rules.max_open,
        "{value} open bets with this one; at most {limit}.",
    )
    gates = (most.as_dict(), *verdict.as_list())
    decided_by = None if verdict.decided_by is None else verdict.decided_by.name
    if not most.passed:
        decided_by = most.name
    key = around.account.key
    decision = Decision(
        tenant_id=key.tenant_id,
        decision_id=tenant.make_id(),
        bot_id=runner.bot_id,
        definition_id=runner.definition_id,
        symbol=runner.symbol,
        bar_at=bar.bar_at,
        leg="entry",
        action="bet",
        outcome="intent" if decided_by is None else "refused",
        decided_by=decided_by,
        gates=gates,
        decided_at=tenant.now,
    )
    if decided_by is not None:
        return decision
    day_at, day_end = _day(tenant.now, tenant.zone)
    intent = BetIntent(
        account=key,
        intent_id=tenant.make_id(),
        bot_id=runner.bot_id,
        decision_id=decision.decision_id,
        asset=runner.symbol,
        bar_at=bar.bar_at,
        leg="entry",
        source=IntentSource.SIGNAL,
        side=BetSide.CALL if said.call else BetSide.PUT,
        stake=stake,
        ccy=around.account.quote_ccy,
        expires_at=expires_at,
        duration_s=int(lasts.total_seconds()),
        payout_ratio=rules.payout,
        ladder_step=step,
        reference_price=None if around.quote is None else around.quote.mid,
        valid_until=valid_until,
        shard=tenant.lease.shard,
        epoch=tenant.lease.epoch,
        created_at=tenant.now,
    )
    return BetCommit(decision, intent, request, limits, day_at, day_end, tenant.plan.trades_per_day)


def _stake(
    runner: BotRunner, rules: PayoutRules, around: BetSurroundings
) -> tuple[Decimal, int | None]:
    sizing, martingale = rules.sizing, runner.config.martingale
    if martingale is not None:
        upcoming = next_stake(martingale, runner.tally.history())
        # While an outcome is awaited, the gates say so.
        return (ZERO, None) if upcoming is None else (upcoming.stake, upcoming.step)
    stake = sizing.value
    if sizing.kind == "fraction":
        cash = EXACT.subtract(runner.tally.equity, around.at_stake)
        stake = floored(EXACT.multiply(cash, sizing.value), rules.money_step)
    if sizing.max_stake is not None:
        stake = min(stake, sizing.max_stake)
    # A ladder that stands only in the terms was never acknowledged: its gate refuses it.
    return stake, 0 if sizing.kind == "martingale" else None


def _facts(runner: BotRunner, around: BetSurroundings, tenant: TenantFacts) -> RiskFacts:
    tally = runner.tally
    return RiskFacts(
        zone=tenant.zone,
        halts=around.halts,
        bot_state=runner.state,
        account_state=around.account.state,
        plan_in_force=tenant.plan_in_force,
        symbols_in_use=tenant.symbols_in_use,
        tenant_trades_today=tenant.trades_today,
        tenant_capital=tenant.capital,
        trades_today=tally.trades_on(tenant.now),
        realised_today=tally.realised_on(tenant.now),
        open_stakes=around.at_stake,
        open_positions=around.open_bets,
        exposure=around.at_stake,
        symbol_exposure=around.at_stake,
        equity=tally.equity,
        peak_equity=tally.peak,
        loss_streak=tally.streak,
        last_loss_at=tally.last_loss_at,
        settled=tally.history(),
        unsettled=around.open_bets,
        free=around.free,
    )


def _day(now: datetime, zone: str) -> tuple[datetime, datetime]:
    return day_bounds(trading_day(now, zone), zone)
