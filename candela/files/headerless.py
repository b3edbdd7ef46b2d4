"""Headerless files: the layouts of venues that publish candles without a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BARE_LAYOUTS", "BareLayout", "choose_bare"]


@dataclass(frozen=True, slots=True)
class BareLayout:
    """A layout without a header.

    Parameters
    ----------
    order
        What stands in each column; an empty name is not read, ``clock`` is the time of day.
    unit
        Of whole-number times: a unit, ``auto`` (by size), or None for the contract's milliseconds.
    """

    name: str
    order: tuple[str, ...]
    unit: str | None

    def at(self) -> dict[str, int]:
        """Return the position of each thing."""
        return {thing: place for place, thing in enumerate(self.order) if thing}


_OHLCV: Final = ("time", "open", "high", "low", "close", "volume")
BARE_LAYOUTS: Final = (
    # https://github.com/binance/binance-public-data: milliseconds, microseconds since 2025.
    BareLayout("binance_klines", (*_OHLCV, "", "", "", "", "", ""), "auto"),
    # Kraken's downloadable OHLCVT: seconds, the last column counts trades.
    BareLayout("kraken_ohlcvt", (*_OHLCV, ""), "s"),
    # MetaTrader 4's export of history: date, time of day, prices, ticks.
    BareLayout("metatrader4", ("time", "clock", "open", "high", "low", "close", "volume"), None),
    # Bitfinex's /v2/candles: MTS, OPEN, CLOSE, HIGH, LOW, VOLUME.
    BareLayout("bitfinex_candles", ("time", "open", "close", "high", "low", "volume"), "ms"),
    # Coinbase's /products/<id>/candles: time, low, high, open, close, volume.
    BareLayout("coinbase_candles", ("time", "low", "high", "open", "close", "volume"), "s"),
    BareLayout("ohlcv", _OHLCV, None),
)
"""Known layouts; where several have the number of columns, the data must fit exactly one."""

_ENOUGH: Final = 0.9


def choose_bare(
    sample: Sequence[Sequence[float | None]], width: int, first_line: int
) -> BareLayout:
    """Choose the layout under which low <= open, close <= high in the rows of the sample.

    Parameters
    ----------
    sample
        Rows of ``width`` fields, None where a field is no number.

    Raises
    ------
    FileUnreadable
        No layout has that many columns, or the data fit none or several.
    """
    known = [layout for layout in BARE_LAYOUTS if len(layout.order) == width]
    hint = "Name the columns with --columns time=1,open=2,high=3,low=4,close=5,volume=6."
    if not known:
        message = f"There is no header, and no known layout has {width} columns."
        raise FileUnreadable("wrong_header", message, hint, column="header", line=first_line)
    fitting = [layout for layout in known if _share(sample, layout) >= _ENOUGH]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(layout.name for layout in fitting or known)
    why = "fit several layouts" if fitting else "fit no layout"
    message = f"There is no header, and the values {why} of {width} columns: {names}."
    raise FileUnreadable("wrong_header", message, hint, column="header", line=first_line)


def _share(sample: Sequence[Sequence[float | None]], layout: BareLayout) -> float:
    at = layout.at()
    fits = seen = 0
    for row in sample:
        if "clock" in at and row[at["clock"]] is not None:
            # 00:05 is no number.
            return 0.0
        prices = [row[at[name]] for name in ("open", "high", "low", "close")]
        known = [price for price in prices if price is not None]
        if len(known) < len(prices):
            continue
        seen += 1
        opened, high, low, close = known
        fits += low <= opened <= high and low <= close <= high
    return fits / seen if seen else 0.0
