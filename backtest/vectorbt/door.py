"""The one door to vectorbt: its portfolios, made of a result."""

from __future__ import annotations

import importlib.util
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from backtest.result import Result
from backtest.vectorbt.arguments import arguments_of
from backtest.vectorbt.limits import inexpressible
from candela.errors import ConfigError, StrategyError

__all__ = [
    "Inexpressible",
    "Portfolio",
    "VectorbtAbsent",
    "is_available",
    "outcome_of",
    "portfolio_of_orders",
    "to_portfolio",
]

Portfolio: TypeAlias = Any
"""A ``vectorbt.Portfolio``; vectorbt tells no types."""

_DUST: Final = 1e-9


class VectorbtAbsent(ConfigError):
    """vectorbt was asked for and is not installed, or does not load."""

    code = "vectorbt_absent"


class Inexpressible(StrategyError):
    """A run does what vectorbt's simulator cannot do."""

    code = "inexpressible"


def is_available() -> bool:
    """Whether vectorbt is installed; it is not loaded for that."""
    return importlib.util.find_spec("vectorbt") is not None


def to_portfolio(result: Result, *, engine: Literal["auto", "numba", "rust"] = "auto") -> Portfolio:
    """Simulate the decisions of a result once more, by vectorbt's own simulator.

    Parameters
    ----------
    engine
        Which of vectorbt's engines; ``auto`` takes Rust where it is installed.

    Raises
    ------
    Inexpressible
        vectorbt cannot do what the run did; the message says why.
    VectorbtAbsent
        vectorbt is not installed.
    """
    reasons = inexpressible(result)
    if reasons:
        message = f"vectorbt cannot simulate this run: {'; '.join(reasons)}."
        raise Inexpressible(message, "Take portfolio_of_orders for vectorbt's figures and plots.")
    return _simulated(result, engine)


def _simulated(result: Result, engine: str) -> Portfolio:
    vbt = _vectorbt()
    index, frequency = _axis(result)
    return vbt.Portfolio.from_signals(
        _series(result, index), freq=frequency, engine=engine, **arguments_of(result)
    )


def outcome_of(
    portfolio: Portfolio,
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64]]:
    """Return a portfolio's order records, and (n,) its value at each close."""
    return np.asarray(portfolio.order_records), np.asarray(portfolio.value(), np.float64)


def portfolio_of_orders(result: Result) -> Portfolio:
    """Return the fills of any result as a vectorbt portfolio, for its figures and plots.

    Nothing is simulated again: the fills are its order records, however many a bar has. vectorbt
    knows no funding, and no venue that bears what an account has lost beyond its cash; both are
    counted in the fee of the last fill of their trade.

    Raises
    ------
    VectorbtAbsent
        vectorbt is not installed.
    """
    vbt = _vectorbt()
    index, frequency = _axis(result)
    close = _series(result, index)
    return vbt.Portfolio(
        vbt.ArrayWrapper.from_obj(close, freq=frequency),
        close,
        _records(result, vbt.portfolio.enums.order_dt),
        np.empty(0, vbt.portfolio.enums.log_dt),
        np.array([result.cash]),
        cash_sharing=False,
    )


def _records(result: Result, kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    fills = result.fills
    records = np.zeros(len(fills), kind)
    records["id"] = np.arange(len(fills))
    records["idx"] = fills["bar"]
    records["size"] = fills["units"]
    records["price"] = fills["price"]
    records["fees"] = fills["fee"] - _other_flows(result)
    records["side"] = np.where(fills["side"] > 0, 0, 1)
    return records


def _other_flows(result: Result) -> npt.NDArray[np.float64]:
    """Return the cash of each trade that was neither price nor fee, at the last fill of it."""
    fills, trades = result.fills, result.trades
    flows = np.zeros(len(fills))
    made = trades["direction"] * trades["units"] * (trades["exit_price"] - trades["entry_price"])
    other = trades["pnl"] - (made - trades["fees"])
    if (np.abs(other) > _DUST * result.cash).any():
        last = _last_fills(fills)
        np.add.at(flows, last, other)  # a fill may end one trade and begin the last
    return flows


def _last_fills(fills: npt.NDArray[np.void]) -> list[int]:
    """Return the row of the last fill of each trade."""
    rows: list[int] = []
    held = 0.0
    for row, (side, units) in enumerate(zip(fills["side"], fills["units"], strict=True)):
        before, held = held, held + side * units
        is_flat = abs(held) <= _DUST * units
        if is_flat or held * before < 0:
            rows.append(row)
            held = 0.0 if is_flat else held
    return rows if held == 0.0 else [*rows, len(fills) - 1]


def _vectorbt() -> Any:
    try:
        import vectorbt
    except ImportError as error:
        message = f"vectorbt cannot be loaded: {error}."
        hint = (
            "Install the extra: pip install 'candela[vectorbt]'. Its licence is Apache-2.0 with the"
            " Commons Clause, which excludes selling what lives off it; Candela works without it."
        )
        raise VectorbtAbsent(message, hint) from None
    return vectorbt


def _axis(result: Result) -> tuple[Any, Any]:
    import pandas as pd

    # UTC without saying so: vectorbt turns an index that has a zone into objects at every step,
    # which takes fifty times as long as all the rest.
    index = pd.DatetimeIndex(result.bars.time.view("datetime64[us]"))
    return index, pd.Timedelta(seconds=result.bars.timeframe.seconds)


def _series(result: Result, index: Any) -> Any:
    import pandas as pd

    return pd.Series(result.bars.close, index=index, name=result.bars.instrument or None)
