"""The digest of candles: the same values give the same text, wherever they were read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from candela.market.candle import VALUES

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
    The bytes are, column after column, the row count, little-endian int64 microseconds since 1970
    and little-endian float64 values; a null volume is the NaN of numpy. A negative zero counts as
    zero.
    """
    digest = hashlib.sha256()
    digest.update(frame.height.to_bytes(8, "little"))
    times = frame["time"].dt.cast_time_unit("us").to_physical().to_numpy()
    digest.update(np.ascontiguousarray(times, dtype="<i8").data)
    for name in VALUES:
        column = frame[name]
        if column.null_count():
            column = column.fill_null(float("nan"))
        # Adding a positive zero turns -0.0 into 0.0 and changes nothing else.
        digest.update(np.ascontiguousarray(column.to_numpy() + 0.0, dtype="<f8").data)
    return f"sha256:{digest.hexdigest()}"
