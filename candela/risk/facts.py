"""What a judgement is about: the order that is wanted, and everything known that bears on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from candela.money import EXACT, ZERO
from candela.orders.words import InstrumentRules
from candela.plans import Mode
from candela.risk.history import Settled

__all__ = [
    "HALT_SCOPES",
    "BarSeen",
    "BarStatus",
    "EntryRequest",
    "ExitRequest",
    "Halt",
    "HaltScope",
    "RiskFacts",
]

HaltScope = Literal["platform", "tenant", "account", "bot"]
HALT_SCOPES: tuple[HaltScope, ...] = ("platform", "tenant", "account", "bot")
BarStatus = Literal["ok", "missing_bar", "quarantined_bar", "stale_bar", "failed", "too_few_bars"]


@dataclass(frozen=True, slots=True)
class Halt:
    """A kill switch that is on: no entries in its scope until a person releases it.

    Parameters
    ----------
    flatten
        What is held in the scope is sold.
    """

    scope: HaltScope
    reason: str
    since: datetime
    flatten: bool = False


@dataclass(frozen=True, slots=True)
class BarSeen:
    """The closed bar that a decision was taken on.

    Parameters
    ----------
    closed_at
        End of the bar.
    interval
        Its length.
    bars_since_bad
        Good bars since the last bad one, this one included; None: no bad one is remembered.
    lookback
        Bars that the strategy looks back.
    """

    closed_at: datetime
    interval: timedelta
    status: BarStatus = "ok"
    bars_since_bad: int | None = None
    lookback: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRequest:
    """An order that opens or enlarges a position, or stakes on a contract.

    Parameters
    ----------
    quantity, price
        Spot: base on the lot grid, and the quote per base that the order is expected to pay.
    stake, payout_ratio
        Fixed payout: account currency, and the profit of a win over it.
    bar
        None for an order by hand.
    valid_until
        After it the decision is worth nothing: the slot of a contract, or the next bar.
    is_leg
        Enlarges a position that is held.
    ladder_step
        Step from 0 that the size was taken from; None: not a martingale.
    fee_in_base_ratio
        Share of the quantity that the venue keeps as its fee; it cannot be sold later.
    usd_per_ccy
        Worth of a unit of the account's currency; None: not known.
    """

    kind: Literal["spot", "fixed_payout"] = "spot"
    mode: Mode = "paper"
    symbol: str
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    stake: Decimal = ZERO
    payout_ratio: Decimal | None = None
    rules: InstrumentRules | None = None
    bar: BarSeen | None = None
    valid_until: datetime | None = None
    is_leg: bool = False
    ladder_step: int | None = None
    fee_in_base_ratio: Decimal = ZERO
    usd_per_ccy: Decimal | None = Decimal(1)

    @property
    def amount(self) -> Decimal:
        """What is committed, fees apart: value of the units, or the stake."""
        if self.kind == "fixed_payout":
            return self.stake
        return EXACT.multiply(self.quantity, self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRequest:
    """An order that closes what is held, or a part.

    Parameters
    ----------
    quantity
        Base to be sold (bought, for a short).
    held
        Base that can be sold: fills less fees in base.
    """

    symbol: str
    quantity: Decimal
    price: Decimal
    held: Decimal
    rules: InstrumentRules


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFacts:
    """What is known at the moment of an entry; of the bot, where nothing else is said.

    Read them in the transaction that commits the intent, under the locks that make them true.
    Entries that are still working count as if they were filled.

    Parameters
    ----------
    zone
        Of the user; trading hours without a zone of their own are on its wall clock.
    halts
        Those in force on the platform, the tenant, the account and the bot.
    bot_state, account_state
        None for an order by hand, and where there is no account to ask.
    plan_in_force
        Whether the subscription has not lapsed.
    symbols_in_use, tenant_trades_today, tenant_capital
        Of all bots of the tenant; capital is the cost of spot positions and working entries.
    trades_today, realised_today
        On the user's calendar day; see `candela.risk.hours.day_bounds`.
    open_mark
        Gain of open positions at the price they could be closed at now.
    open_stakes
        Of contracts that are not settled.
    exposure, symbol_exposure, position_cost
        Cost of all, of the request's symbol, and of the position that a leg would enlarge.
    held
        Base held of the request's symbol.
    equity, peak_equity
        Now, and the highest since the drawdown breaker was reset.
    settled
        Trades that are over, at least those since the last win: the ladder's step follows.
    unsettled
        Contracts open or with an unknown outcome.
    free
        Account currency neither spent nor reserved; None: not asked here.
    """

    zone: str = "UTC"
    halts: tuple[Halt, ...] = ()
    bot_state: str | None = "running"
    account_state: str | None = "active"
    plan_in_force: bool = True
    symbols_in_use: frozenset[str] = frozenset()
    tenant_trades_today: int = 0
    tenant_capital: Decimal = ZERO
    trades_today: int = 0
    realised_today: Decimal = ZERO
    open_mark: Decimal = ZERO
    open_stakes: Decimal = ZERO
    open_positions: int = 0
    exposure: Decimal = ZERO
    symbol_exposure: Decimal = ZERO
    position_cost: Decimal = ZERO
    held: Decimal = ZERO
    equity: Decimal = ZERO
    peak_equity: Decimal = ZERO
    loss_streak: int = 0
    last_loss_at: datetime | None = None
    settled: tuple[Settled, ...] = ()
    unsettled: int = 0
    free: Decimal | None = None
