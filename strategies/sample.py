"""The shipped candles as bars: what a strategy is checked on where no others are named."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from candela.errors import NotFound
from strategies.bars import Bars

__all__ = ["NoSample", "sample_bars"]

_SAMPLE: Final = Path(__file__).parents[1] / "data" / "sample"
_FILES: Final = {
    "bitvavo:BTC/EUR": ("BTC-EUR_1h", "1h"),
    "bitvavo:ETH/EUR": ("ETH-EUR_1h", "1h"),
    "binance:ADA/USDT:USDT": ("ADA-USDT-perp_1m_2022-12-13", "1m"),
    "binance:BTC/BUSD": ("BTC-BUSD_1m_2022-12-13", "1m"),
    "dydx:BTC/USD:USD": ("BTC-USD-perp_1m_2026-01-01", "1m"),
}


class NoSample(NotFound):
    """The shipped candles are not beside the package, or not of that instrument."""

    code = "no_sample"


def sample_bars(instrument: str = "bitvavo:BTC/EUR") -> Bars:
    """Return the shipped bars of an instrument; by default two years of hours.

    Raises
    ------
    NoSample
        There are none.
    """
    if instrument not in _FILES:
        message = f"No candles of {instrument} ship with Candela."
        raise NoSample(message, f"There are: {', '.join(_FILES)}.")
    name, timeframe = _FILES[instrument]
    path = _SAMPLE / f"{name}.parquet"
    if not path.is_file():
        message = f"{path} is not there."
        raise NoSample(message, "Install the project from its folder, or name stored candles: -i.")
    return Bars.from_frame(pl.read_parquet(path), timeframe, instrument)
