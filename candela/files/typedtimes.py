"""Typed times: timestamps and dates of a Parquet file become microseconds since the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from candela.files.times import UNIT_CHECK
from candela.files.unreadable import FileUnreadable
from candela.quality.rows import EARLIEST_US, LATEST_US, NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["from_timestamps", "refuse_tiny_span"]

_FACTOR: Final = {"ms": 1_000, "us": 1}
_DAY_US: Final = 86_400_000_000
_MONTH_US: Final = 31 * _DAY_US
_FEW: Final = 2


def from_timestamps(column: pl.Series) -> NDArray[np.int64]:
    """Return microseconds, NO_TIME where absent; what lies beyond all years stays beyond them."""
    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        factor = _FACTOR.get(kind.time_unit, 0)
        numbers = column.to_physical()
    else:
        factor = _DAY_US
        numbers = column.to_physical().cast(pl.Int64)
    absent = numbers.is_null().to_numpy() if numbers.null_count() else None
    ticks = (numbers if absent is None else numbers.fill_null(0)).to_numpy()
    if not factor:
        micros = ticks // 1_000
        # Whole grids are even microseconds: an odd one keeps a lost fraction off the grid.
        micros |= (ticks % 1_000 != 0).astype(np.int64)
    else:
        first, last = EARLIEST_US // factor, LATEST_US // factor
        if len(ticks) and (ticks.max() > last or ticks.min() < first):
            # Clipped, since a product beyond 64 bits would come back as a common date.
            ticks = np.clip(ticks, first - 1, last + 1)
        micros = ticks * factor if factor > 1 else ticks
    return micros if absent is None else np.where(absent, NO_TIME, micros)


def refuse_tiny_span(column: pl.Series, rows: int) -> None:
    """Refuse timestamps that all fall in January 1970: seconds that were labelled milliseconds."""
    micros = from_timestamps(column)
    micros = micros[micros != NO_TIME]
    if len(micros) < _FEW or micros.min() <= 0 or micros.max() >= _MONTH_US:
        return
    shown = str(micros[0].astype("M8[us]"))
    message = f"The timestamps, as {shown}, fall in January 1970: they were stored in a wrong unit."
    raise FileUnreadable(
        UNIT_CHECK["s"],
        message,
        "Write the column again from seconds.",
        column="timestamp",
        value=shown,
        rows=rows,
    )
