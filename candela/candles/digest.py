"""The digest of candles: the same values give the same text, wherever they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.market.candle import VALUES
from candela.market.digest import digest_of_candles

if TYPE_CHECKING:
    import polars as pl

__all__ = ["candle_digest"]


def candle_digest(frame: pl.DataFrame) -> str:
    """Return the sha256 of times and values, as ``sha256:<hex>``.

    Parameters
    ----------
    frame
        Columns of CANDLE_SCHEMA, oldest first; ``flags`` do not count, since they are a remark on
        the values and not part of them.

    Notes
    -----
    The bytes are those of `candela.market.digest`; a null volume is the NaN of numpy.
    """
    return digest_of_candles(
        frame["time"].dt.cast_time_unit("us").to_physical().to_numpy(),
        (frame[name].fill_null(float("nan")).to_numpy() for name in VALUES),
    )
