"""The catalogue of plans."""

from __future__ import annotations

from decimal import Decimal

from api.plans.schemas import PlansView, PlanView
from candela.billing.catalogue import CCY, price_of
from candela.money import plain
from candela.plans import PLANS, Entitlements

__all__ = ["catalogue"]


def catalogue(*, can_buy: bool) -> PlansView:
    """Return all plans."""
    return PlansView(items=[_view(one) for one in PLANS.values()], can_buy=can_buy)


def _view(one: Entitlements) -> PlanView:
    return PlanView(
        plan=one.plan,
        price_month=plain(price_of(one.plan, "month")),
        price_year=plain(price_of(one.plan, "year")),
        ccy=CCY.upper(),
        active_bots=one.active_bots,
        symbols=one.symbols,
        trades_per_day=one.trades_per_day,
        payout_stake_cap=_text(one.payout_stake_cap),
        spot_capital_cap=_text(one.spot_capital_cap),
        modes=list(one.modes),
        history_days=one.history_days,
        log_retention_days=one.log_retention_days,
        multi_timeframe=one.multi_timeframe,
        advice=one.advice,
        backtests_per_month=one.backtests_per_month,
        optimisation=one.optimisation,
        api=one.api,
        support=one.support,
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
