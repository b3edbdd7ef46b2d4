"""What a report is made from: anything with the attributes of a backtest's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from backtest.result import Result

__all__ = [
    "Candles",
    "Floats",
    "Ground",
    "Judgement",
    "Records",
    "Reportable",
    "Run",
    "Section",
    "reportable",
]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]


class Candles(Protocol):
    """Candles of one instrument as arrays of one length, in order of time."""

    @property
    def time(self) -> npt.NDArray[np.int64]:
        """Starts of the bars, microseconds UTC."""
        ...

    @property
    def open(self) -> Floats:
        """First prices."""
        ...

    @property
    def high(self) -> Floats:
        """Highest prices."""
        ...

    @property
    def low(self) -> Floats:
        """Lowest prices."""
        ...

    @property
    def close(self) -> Floats:
        """Last prices."""
        ...

    @property
    def instrument(self) -> str:
        """The name, ``venue:SYMBOL``."""
        ...

    @property
    def timeframe(self) -> Timeframe:
        """The length of a bar."""
        ...

    def __len__(self) -> int: ...


class Reportable(Protocol):
    """A run: what was assumed, what came of it, and the candles it ran on.

    A run may also carry ``extra_sections``, a sequence of `Section` (fixed payout runs do).
    """

    @property
    def manifest(self) -> Mapping[str, object]:
        """What the run was, with its ``id``."""
        ...

    @property
    def metrics(self) -> Mapping[str, float]:
        """The figures by the kernel's names; NaN where undefined."""
        ...

    @property
    def trades(self) -> Records:
        """Records of `candela.fills.records.TRADE`."""
        ...

    @property
    def fills(self) -> Records:
        """Records of `candela.fills.records.FILL`."""
        ...

    @property
    def trades_digest(self) -> str:
        """The digest of the trades."""
        ...

    @property
    def bars(self) -> Candles:
        """The candles, n of them."""
        ...

    @property
    def equity(self) -> Floats:
        """Equity at each close, (n,)."""
        ...

    @property
    def benchmark(self) -> Floats:
        """Equity of buying and holding, (n,)."""
        ...

    @property
    def position(self) -> Floats:
        """Units held at each close, (n,), negative when short."""
        ...

    @property
    def signals(self) -> object:
        """What the strategy said, bar by bar; its condition arrays are counted."""
        ...

    @property
    def panes(self) -> Mapping[str, Floats]:
        """Lines to draw, (n,) each: on the prices, or in a pane where named ``pane/line``."""
        ...


Run: TypeAlias = "Reportable | Result"
"""What reports and pictures are asked for."""


def reportable(run: Run) -> Reportable:
    """Return a run as what a report reads.

    A type checker does not see that a cached property of a result is a property.
    """
    return cast("Reportable", run)


class Section(Protocol):
    """A part that a kind of run adds to its report."""

    @property
    def title(self) -> str:
        """The heading."""
        ...

    @property
    def figures(self) -> Mapping[str, object]:
        """Words and values, shown as a table."""
        ...

    @property
    def svg(self) -> str | None:
        """A picture; shown as an image, so that nothing inside it can run or load."""
        ...


class Ground(Protocol):
    """One test that a judgement rests on."""

    @property
    def passed(self) -> bool:
        """Whether it was passed."""
        ...

    @property
    def sentence(self) -> str:
        """What was found."""
        ...


class Judgement(Protocol):
    """What was found about luck and skill, as `backtest.evidence.verdict.Verdict` has it."""

    @property
    def outcome(self) -> str:
        """``skill``, ``luck`` or ``too short to tell``."""
        ...

    @property
    def words(self) -> str:
        """The finding in one sentence."""
        ...

    @property
    def checks(self) -> Sequence[Ground]:
        """What it rests on."""
        ...
