"""How much of what a plan includes a tenant uses now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.bots.market import usd_per
from candela.desk.bots import all_bots
from candela.desk.users import zone_of
from candela.money import EXACT, ZERO
from candela.risk.hours import day_bounds, trading_day

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["Use", "use_of"]

# As executors count them: everything that is bought, by bots or by hand.
_TRADES: Final = """
SELECT count(*) AS n FROM trading.intents
WHERE tenant_id = %(tenant)s AND created_at >= %(day)s AND side <> 'sell'
"""
_BACKTESTS: Final = """
SELECT count(*) AS n FROM trading.backtest_orders
WHERE tenant_id = %(tenant)s AND ordered_at >= %(month)s
"""


@dataclass(frozen=True, slots=True)
class Use:
    """What counts against the limits of a plan.

    Parameters
    ----------
    trades_today
        Since midnight in the tenant's zone.
    capital_usd
        With which the spot bots that run work; currencies whose worth is not known are left out.
    backtests_this_month
        Of the calendar month, UTC.
    """

    active_bots: int
    symbols: int
    trades_today: int
    capital_usd: Decimal
    backtests_this_month: int


def use_of(session: TenantSession, *, clock: Clock) -> Use:
    """Return what a tenant uses now."""
    now = clock.now()
    zone = zone_of(session)
    active = [bot for bot in all_bots(session) if bot.is_active]
    capital = ZERO
    for bot in active:
        worth = usd_per(bot.quote_ccy)
        if bot.kind == "spot" and worth is not None:
            capital = EXACT.add(capital, EXACT.multiply(bot.config.capital, worth))
    day_at = day_bounds(trading_day(now, zone), zone)[0]
    month_at = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    trades = session.row(_TRADES, {"day": day_at})
    backtests = session.row(_BACKTESTS, {"month": month_at})
    return Use(
        active_bots=len(active),
        symbols=len({bot.config.instrument for bot in active}),
        trades_today=0 if trades is None else int(trades["n"]),
        capital_usd=capital,
        backtests_this_month=0 if backtests is None else int(backtests["n"]),
    )
