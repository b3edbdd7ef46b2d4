"""The result of a run: figures at once; curves, records and the manifest when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backtest.manifest import finite
from candela.fills.model import FillModel
from candela.fills.records import Reason
from strategies.bars import Bars
from strategies.signals import Signals

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Curves", "Result", "digest_of_trades", "trades_frame"]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Curves:
    """(n,) equity in quote and units held at each close, and every FILL."""

    equity: Floats
    position: Floats
    fills: Records


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes
    ----------
    bars
        The candles it ran on.
    signals
        What the strategy decided.
    metrics
        Figures by name; NaN where undefined (see `candela.metrics.words`).
    trades
        TRADE records in order of entry.
    sums
        (1,) EQUITY_SUMS, what the figures of the curve are made of.
    """

    bars: Bars
    signals: Signals
    metrics: dict[str, float | int]
    trades: Records
    sums: Records
    cash: float
    model: FillModel
    _curves: Callable[[], Curves] = field(repr=False)
    _manifest: Callable[[], dict[str, Any]] = field(repr=False)

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything that decided the outcome, and its hash as ``id``."""
        return self._written_manifest

    @cached_property
    def _written_manifest(self) -> dict[str, Any]:
        return self._manifest()

    @cached_property
    def curves(self) -> Curves:
        """Equity, position and fills."""
        return self._curves()

    @property
    def equity(self) -> Floats:
        """(n,) quote at each close."""
        return self.curves.equity

    @property
    def position(self) -> Floats:
        """(n,) units held at each close, negative when short."""
        return self.curves.position

    @property
    def fills(self) -> Records:
        """FILL records in order of time."""
        return self.curves.fills

    @property
    def benchmark(self) -> Floats:
        """(n,) the cash at the first open in the instrument, held and never sold, without costs."""
        return self.cash / self.bars.open[0] * self.bars.close

    @property
    def panes(self) -> Mapping[str, Floats]:
        """Lines that the strategy draws."""
        return self.signals.panes

    @property
    def trades_digest(self) -> str:
        """The sha256 of the trades: equal for equal trades at equal times."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_of_trades(self.trades, self.bars.time)

    def trades_frame(self) -> pl.DataFrame:
        """Return the trades with times and words, oldest entry first."""
        return trades_frame(self.trades, self.bars.time)

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` prints: manifest, metrics and the digest of the trades."""
        return {
            "manifest": self.manifest,
            "metrics": {name: finite(value) for name, value in self.metrics.items()},
            "trades_digest": self.trades_digest,
        }


def digest_of_trades(trades: Records, time: npt.NDArray[np.int64]) -> str:
    """Return the sha256 of trades, bars told by their times, columns little-endian in order."""
    digest = hashlib.sha256()
    digest.update(len(trades).to_bytes(8, "little"))
    exits = trades["exit_bar"]
    closed_at = np.where(exits < 0, -1, time[exits]) if len(time) else exits
    entered_at = time[trades["entry_bar"]] if len(trades) else exits
    for column in (entered_at, closed_at):
        digest.update(np.ascontiguousarray(column, dtype="<i8").data)
    for name in trades.dtype.names or ():
        if name not in {"entry_bar", "exit_bar"}:
            kind = trades.dtype[name].newbyteorder("<")
            digest.update(np.ascontiguousarray(trades[name], dtype=kind).data)
    return f"sha256:{digest.hexdigest()}"


def trades_frame(trades: Records, time: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Return trades with times and words, oldest entry first."""
    import polars as pl

    exits = trades["exit_bar"]
    columns = {
        name: trades[name]
        for name in trades.dtype.names or ()
        if name not in {"instrument", "direction", "reason"}
    }
    instant = pl.Datetime("us", "UTC")
    return pl.DataFrame(columns).with_columns(
        entry_at=pl.Series(time[trades["entry_bar"]]).cast(instant),
        exit_at=pl.when(pl.col("exit_bar") >= 0).then(pl.Series(time[exits]).cast(instant)),
        side=pl.Series(
            ["long" if one > 0 else "short" for one in trades["direction"]], dtype=pl.String
        ),
        reason=pl.Series(
            [Reason(int(one)).name.lower() for one in trades["reason"]], dtype=pl.String
        ),
    )
