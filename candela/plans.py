"""What each plan includes, as data, and the pure checks on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from candela.errors import ConfigError, NotAllowed
from candela.gates import Fact, Gate, ask, first_refusal, holds
from candela.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

__all__ = [
    "PLANS",
    "Advice",
    "ApiAccess",
    "Entitlements",
    "Mode",
    "PlanLimitReached",
    "PlanName",
    "Subscription",
    "SubscriptionStatus",
    "UnknownPlan",
    "bot_gates",
    "entry_gates",
    "plan_named",
    "refuse_beyond",
]

PlanName = Literal["free", "basic", "pro", "enterprise"]
Mode = Literal["paper", "demo", "live"]
"""Of an account: simulated here, play money at the venue, money."""
SubscriptionStatus = Literal["trialing", "active", "past_due", "cancelled", "expired"]
Advice = Literal["none", "one", "ensemble", "premium"]
ApiAccess = Literal["none", "read", "full"]

_ALL_MODES: Final[tuple[Mode, ...]] = ("paper", "demo", "live")


class PlanLimitReached(NotAllowed):
    """The plan does not include what was asked for."""

    code = "plan_limit_reached"


class UnknownPlan(ConfigError):
    """No plan has that name."""

    code = "unknown_plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlements:
    """What a plan includes; None is no limit. Money is in US dollars, for paper and live alike.

    Parameters
    ----------
    active_bots, symbols, trades_per_day
        Of all bots of a tenant together; symbols are instruments of bots that are not stopped.
    payout_stake_cap
        Largest stake of one fixed-payout trade.
    spot_capital_cap
        Most that all spot positions and open entries of the tenant may have cost.
    modes
        Account modes that may trade.
    history_days
        How far back candles are shown and tested on.
    """

    plan: PlanName
    price_month_usd: Decimal
    active_bots: int | None
    symbols: int | None
    trades_per_day: int | None
    payout_stake_cap: Decimal | None
    spot_capital_cap: Decimal | None
    modes: tuple[Mode, ...]
    history_days: int | None
    log_retention_days: int
    multi_timeframe: bool
    advice: Advice
    backtests_per_month: int | None
    optimisation: bool
    api: ApiAccess
    support: Literal["community", "email", "priority"]

    @property
    def live_allowed(self) -> bool:
        """Whether money may be traded."""
        return "live" in self.modes


PLANS: Final[Mapping[PlanName, Entitlements]] = MappingProxyType(
    {
        "free": Entitlements(
            plan="free",
            price_month_usd=Decimal(0),
            active_bots=1,
            symbols=1,
            trades_per_day=10,
            payout_stake_cap=Decimal(5),
            spot_capital_cap=Decimal(100),
            modes=("paper",),
            history_days=7,
            log_retention_days=7,
            multi_timeframe=False,
            advice="none",
            backtests_per_month=5,
            optimisation=False,
            api="none",
            support="community",
        ),
        "basic": Entitlements(
            plan="basic",
            price_month_usd=Decimal(29),
            active_bots=3,
            symbols=5,
            trades_per_day=50,
            payout_stake_cap=Decimal(20),
            spot_capital_cap=Decimal(10_000),
            modes=_ALL_MODES,
            history_days=30,
            log_retention_days=30,
            multi_timeframe=True,
            advice="one",
            backtests_per_month=50,
            optimisation=False,
            api="read",
            support="email",
        ),
        "pro": Entitlements(
            plan="pro",
            price_month_usd=Decimal(99),
            active_bots=10,
            symbols=None,
            trades_per_day=200,
            payout_stake_cap=Decimal(100),
            spot_capital_cap=None,
            modes=_ALL_MODES,
            history_days=365,
            log_retention_days=90,
            multi_timeframe=True,
            advice="ensemble",
            backtests_per_month=1_000,
            optimisation=True,
            api="full",
            support="priority",
        ),
        "enterprise": Entitlements(
            plan="enterprise",
            price_month_usd=Decimal(299),
            active_bots=None,
            symbols=None,
            trades_per_day=None,
            payout_stake_cap=None,
            spot_capital_cap=None,
            modes=_ALL_MODES,
            history_days=None,
            log_retention_days=365,
            multi_timeframe=True,
            advice="premium",
            backtests_per_month=None,
            optimisation=True,
            api="full",
            support="priority",
        ),
    }
)


# The limit of each gate that a larger plan moves, by the name of the gate.
_LIMITS: Final[Mapping[str, Callable[[Entitlements], Fact]]] = MappingProxyType(
    {
        "plan_mode": lambda plan: plan.modes,
        "plan_active_bots": lambda plan: plan.active_bots,
        "plan_symbols": lambda plan: plan.symbols,
        "plan_trades_per_day": lambda plan: plan.trades_per_day,
        "plan_stake": lambda plan: plan.payout_stake_cap,
        "plan_capital": lambda plan: plan.spot_capital_cap,
        "plan_timeframes": lambda plan: None if plan.multi_timeframe else 1,
        "plan_backtests_per_month": lambda plan: plan.backtests_per_month,
        "plan_history_days": lambda plan: plan.history_days,
    }
)

_NOT_USED_UP: Final = ("plan_mode", "plan_timeframes", "plan_history_days", "plan_stake")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A tenant's plan and how it stands.

    Parameters
    ----------
    period_end_at
        Until when it is paid for; None: without end.
    """

    plan: PlanName
    status: SubscriptionStatus = "active"
    period_end_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Return whether entries are allowed; when it has lapsed, exits still go on.

        Active is in force whatever the period says: its renewal may be on the way. Trials,
        cancelled and unpaid subscriptions last to the end of their period.
        """
        if self.status == "active":
            return True
        if self.status == "expired":
            return False
        ends = self.period_end_at
        return now < ends if ends is not None else self.status == "trialing"


def plan_named(name: str) -> Entitlements:
    """Return what a plan includes.

    Raises
    ------
    UnknownPlan
        No plan has that name.
    """
    for plan, entitlements in PLANS.items():
        if plan == name:
            return entitlements
    raise UnknownPlan(f"{name!r} is no plan.", f"Plans: {', '.join(PLANS)}.")


def entry_gates(
    plan: Entitlements,
    *,
    in_force: bool,
    mode: Mode,
    kind: Literal["spot", "fixed_payout"],
    symbol: str,
    symbols_in_use: AbstractSet[str],
    trades_today: int,
    counts_as_trade: bool,
    amount: Decimal,
    capital_in_use: Decimal,
    usd_per_ccy: Decimal | None,
) -> tuple[Gate, ...]:
    """Return the gates of a plan for an entry, in order.

    Parameters
    ----------
    symbols_in_use, trades_today, capital_in_use
        Of all bots of the tenant, with entries that are still working, without this one.
    counts_as_trade
        False for a further leg of a position.
    amount, capital_in_use
        In the currency of the account: stake, or what the position costs.
    usd_per_ccy
        What a unit of that currency is worth in US dollars; None: not known.
    """
    used = len({*symbols_in_use, symbol})
    trades = trades_today + counts_as_trade
    is_spot = kind == "spot"
    cap = plan.spot_capital_cap if is_spot else plan.payout_stake_cap
    value = None
    if usd_per_ccy is not None:
        total = EXACT.add(capital_in_use, amount) if is_spot else amount
        value = EXACT.multiply(total, usd_per_ccy)
    name = plan.plan
    return (
        _force(name, in_force=in_force),
        ask(
            "plan_mode",
            mode,
            "one_of",
            plan.modes,
            f"The account is {{value}}, the plan {name} trades: {{limit}}.",
        ),
        ask(
            "plan_symbols",
            used,
            "at_most",
            plan.symbols,
            f"{{value}} symbols with this one; limit of the plan {name}: {{limit}}.",
        ),
        ask(
            "plan_trades_per_day",
            trades,
            "at_most",
            plan.trades_per_day,
            f"{{value}} trades today with this one; limit of the plan {name}: {{limit}}.",
        ),
        ask(
            "plan_capital" if is_spot else "plan_stake",
            value,
            "at_most",
            cap,
            f"{'Spot capital' if is_spot else 'Stake'} of {{value}} USD with this one; limit of "
            f"the plan {name}: {{limit}}.",
        ),
    )


def bot_gates(
    plan: Entitlements,
    *,
    in_force: bool,
    mode: Mode,
    active_bots: int,
    symbols: AbstractSet[str],
    symbols_in_use: AbstractSet[str],
    timeframes: int = 1,
) -> tuple[Gate, ...]:
    """Return the gates of a plan for the start of a bot, in order.

    Parameters
    ----------
    active_bots, symbols_in_use
        Of the tenant, without this bot. Read them under the lock under which the bot is started.
    symbols, timeframes
        What this bot trades, and how many timeframes it reads.
    """
    name = plan.plan
    return (
        _force(name, in_force=in_force),
        ask(
            "plan_mode",
            mode,
            "one_of",
            plan.modes,
            f"The account is {{value}}, the plan {name} trades: {{limit}}.",
        ),
        ask(
            "plan_active_bots",
            active_bots + 1,
            "at_most",
            plan.active_bots,
            f"{{value}} active bots with this one; limit of the plan {name}: {{limit}}.",
        ),
        ask(
            "plan_symbols",
            len({*symbols_in_use, *symbols}),
            "at_most",
            plan.symbols,
            f"{{value}} symbols with this bot's; limit of the plan {name}: {{limit}}.",
        ),
        ask(
            "plan_timeframes",
            timeframes,
            "at_most",
            None if plan.multi_timeframe else 1,
            f"The bot reads {{value}} timeframes; limit of the plan {name}: {{limit}}.",
        ),
    )


def refuse_beyond(gates: Iterable[Gate]) -> None:
    """Refuse where a gate of a plan was not passed.

    Raises
    ------
    PlanLimitReached
        Naming the first such gate's numbers.
    """
    refused = first_refusal(gates)
    if refused is not None:
        raise PlanLimitReached(refused.words, _way_out(refused))


def _way_out(refused: Gate) -> str:
    """Return what to do: the smallest plan that would have let the gate pass, by name."""
    limit_of = _LIMITS.get(refused.name)
    if limit_of is None:
        return "Take a larger plan, or free what is in use."
    for plan in PLANS.values():
        if refused.rule != "within" and holds(refused.value, refused.rule, limit_of(plan)):
            way = f"The plan {plan.plan} includes it"
            return f"{way}." if refused.name in _NOT_USED_UP else f"{way}; or free what is in use."
    return "No plan includes it: free what is in use."


def _force(name: PlanName, *, in_force: bool) -> Gate:
    phrase = f"The plan {name} is {{value}}; entries need it {{limit}}."
    return ask("plan_in_force", "in force" if in_force else "lapsed", "equal", "in force", phrase)
