"""Keys: the columns that name symbol, venue and timeframe become numbers of series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from candela.files.series import BadKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candela.files.chunk import Faults
    from candela.files.series import SeriesTable

__all__ = ["number_series"]

_BETWEEN: Final = "\x1f"
_NULL: Final = "\x00"


def number_series(
    keys: dict[str, pl.Series], count: int, table: SeriesTable, faults: Faults
) -> NDArray[np.int32] | int:
    """Give each row the number of its series; rows that name none get -1 and a fault.

    Returns
    -------
    One number where all rows are of one series, else an array.
    """
    if not count:
        return np.empty(0, np.int32)
    if all(series.n_unique() == 1 for series in keys.values()):
        found = table.number({name: series[0] for name, series in keys.items()})
        if isinstance(found, int):
            return found
        for at in range(count):
            faults.add_key(at, found)
        return np.full(count, -1, np.int32)
    joined = pl.select(
        pl.concat_str(
            [
                series.str.replace_all(_BETWEEN, " ", literal=True).fill_null(_NULL)
                for series in keys.values()
            ],
            separator=_BETWEEN,
        )
    ).to_series()
    numbers: dict[str, int] = {}
    bad: dict[str, BadKey] = {}
    for text in joined.unique(maintain_order=True):
        parts = [None if part == _NULL else part for part in text.split(_BETWEEN)]
        found = table.number(dict(zip(keys, parts, strict=True)))
        if isinstance(found, BadKey):
            numbers[text], bad[text] = -1, found
        else:
            numbers[text] = found
    codes = joined.replace_strict(numbers, return_dtype=pl.Int32).to_numpy()
    if bad:
        for at in np.flatnonzero(codes < 0):
            faults.add_key(int(at), bad[joined[int(at)]])
    return codes
