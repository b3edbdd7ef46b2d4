"""How much a bot buys: the sizes of the backtests, put on the venue's grid in decimal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from candela.fills.model import Costs, FillModel, Sizing, VenueRules
from candela.fills.prices import market_price, share_of_volume
from candela.fills.sizing import affordable_units, entry_units, kelly_share, volatility_at
from candela.fills.state import new_state, packed_terms
from candela.metrics.calendar import bars_per_year
from candela.money import EXACT, ZERO, ceiled, decimal_of, floored
from candela.orders.words import InstrumentRules

__all__ = [
    "EntrySize",
    "SizeQuestion",
    "entry_size",
    "kelly_of",
    "reserve_of",
    "volatility_of",
    "warm_up",
]

_CUSHION: Final = Decimal("0.005")
"""Share of its cost by which a market purchase may turn out dearer than its quote said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeQuestion:
    """All that the size of an entry depends on; NaN means not given.

    Parameters
    ----------
    equity
        Quote: capital, gains realised, and the open gain at `raw`.
    units
        Base held.
    raw
        The market's price, before costs.
    size, stop, trailing, volume
        Of the decision's bar.
    limit
        Price of a limit entry; NaN: a market order.
    volatility, kelly
        Where the sizing asks for them.
    """

    sizing: Sizing
    costs: Costs
    rules: InstrumentRules
    equity: float
    units: float
    raw: float
    size: float = math.nan
    stop: float = math.nan
    trailing: float = math.nan
    limit: float = math.nan
    volume: float = math.nan
    volatility: float = math.nan
    kelly: float = math.nan


@dataclass(frozen=True, slots=True)
class EntrySize:
    """What is bought, and what it is expected to cost.

    Parameters
    ----------
    quantity
        Base, on the lot grid; 0: nothing can be bought.
    price
        Quote per base: the limit, or the market with slippage and half the spread.
    fee_ratio
        Of the order.
    """

    quantity: Decimal
    price: Decimal
    fee_ratio: Decimal


def entry_size(question: SizeQuestion) -> EntrySize:
    """Return the size of an entry, by section 5 of docs/concepts/fills.md."""
    rules = question.rules
    terms = _terms(question.sizing, question.costs, rules)
    is_limit = not math.isnan(question.limit)
    fee = float(terms["maker"] if is_limit else terms["taker"])
    raw = question.limit if is_limit else question.raw
    if not raw > 0.0:
        return EntrySize(ZERO, ZERO, decimal_of(fee))
    price = raw if is_limit else float(market_price(terms, raw, 1, 0.0))
    state = _STATE[0]
    state["size"], state["order_stop"] = question.size, question.stop
    state["order_trailing"] = question.trailing
    state["volatility"], state["kelly"] = question.volatility, question.kelly
    held = question.units * raw
    units = float(entry_units(state, terms, question.equity, held, price, fee, question.volume))
    if not is_limit and terms["impact"] > 0.0 and units > 0.0:
        share = share_of_volume(units, question.volume)
        price = float(market_price(terms, raw, 1, share))
        units = float(affordable_units(terms, units, question.equity, held, price, fee))
    quantity = floored(decimal_of(units), rules.lot) if math.isfinite(units) else ZERO
    cost = floored(decimal_of(price), rules.tick) if is_limit else decimal_of(price)
    return EntrySize(max(quantity, ZERO), cost, decimal_of(fee))


def reserve_of(size: EntrySize, rules: InstrumentRules, free: Decimal | None) -> Decimal:
    """Return what a purchase may cost at most, fee and a cushion against slippage inside.

    Parameters
    ----------
    free
        Where all that is free just covers the expected cost, the cushion is what is left of it;
        None: not asked.
    """
    fee = max(size.fee_ratio, rules.taker_fee)
    cost = EXACT.multiply(EXACT.multiply(size.quantity, size.price), 1 + fee)
    most = EXACT.multiply(cost, 1 + _CUSHION)
    if free is not None and cost <= free < most:
        most = free
    return ceiled(most, _CENT)


def volatility_of(closes: tuple[float, ...], window: int, interval_s: float) -> float:
    """Return the annual volatility of the last returns; NaN where too few closes are known."""
    if len(closes) <= window:
        return math.nan
    last = np.asarray(closes[-window - 1 :], np.float64)
    return float(volatility_at(last, window, window, bars_per_year(interval_s)))


def kelly_of(returns: tuple[float, ...], window: int, cap: float) -> float:
    """Return the Kelly share of the last closed trades, the cap with too few.

    Parameters
    ----------
    returns
        Gain over cost of each, in the order of their ends.
    """
    values = np.asarray(returns, np.float64)
    return float(kelly_share(values, np.zeros(len(values), np.int32), len(values), 0, window, cap))


def warm_up() -> None:
    """Load the compiled loops: the first time on a machine they take seconds to be made."""
    rules = InstrumentRules("A/B", "A", "B", lot=Decimal("0.01"), tick=Decimal("0.01"))
    for limit in (math.nan, 1.0):
        entry_size(
            SizeQuestion(
                sizing=Sizing(),
                costs=Costs(impact_bps=1.0),
                rules=rules,
                equity=1_000.0,
                units=0.0,
                raw=1.0,
                limit=limit,
                volume=1.0,
            )
        )
    volatility_of((1.0, 1.1, 1.0), 2, 60.0)
    kelly_of((0.1, -0.1), 2, 1.0)


def _terms(sizing: Sizing, costs: Costs, rules: InstrumentRules) -> Any:
    key = (sizing, costs, rules)
    found = _packed.get(key)
    if found is None:
        if len(_packed) >= _MOST_PACKED:
            _packed.clear()
        found = _packed[key] = _pack(sizing, costs, rules)
    return found


def _pack(sizing: Sizing, costs: Costs, rules: InstrumentRules) -> Any:
    model = FillModel(
        costs=costs,
        sizing=sizing,
        rules=VenueRules(
            lot=float(rules.lot),
            tick=float(rules.tick),
            minimum_notional=float(rules.minimum_notional),
        ),
    )
    return packed_terms(model)[0]


# Sizing reads the order's columns only and one thread decides: a row is enough for all bots.
_STATE: Final[npt.NDArray[np.void]] = new_state(0.0)
_CENT: Final = Decimal("1e-8")
_MOST_PACKED: Final = 4_096
_packed: dict[tuple[Any, ...], Any] = {}
