"""The digest of candles as arrays: the same values give the same text, wherever they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["digest_of_candles"]


def digest_of_candles(
    time: npt.NDArray[np.int64], columns: Iterable[npt.NDArray[np.float64]]
) -> str:
    """Return the sha256 of times and values, as ``sha256:<hex>``.

    Parameters
    ----------
    time
        (n,) microseconds since 1970 UTC, oldest first.
    columns
        (n,) each: open, high, low, close, volume.

    Notes
    -----
    The bytes are, column after column, the row count, little-endian int64 times and little-endian
    float64 values. A negative zero counts as zero.
    """
    digest = hashlib.sha256()
    digest.update(len(time).to_bytes(8, "little"))
    digest.update(np.ascontiguousarray(time, dtype="<i8").data)
    for column in columns:
        # Adding a positive zero turns -0.0 into 0.0 and changes nothing else.
        digest.update(np.ascontiguousarray(column + 0.0, dtype="<f8").data)
    return f"sha256:{digest.hexdigest()}"
