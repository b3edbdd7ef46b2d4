"""Returns month by month and year by year, from equity at the last close of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.report.reportable import Floats

__all__ = ["Year", "monthly_returns"]

_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Year:
    """One year's returns; a month without a bar is NaN."""

    year: int
    months: tuple[float, ...]  # twelve
    total: float


def monthly_returns(time: npt.NDArray[np.int64], equity: Floats, initial: float) -> list[Year]:
    """Return a row a year, in order; a bar belongs to the month in which it starts.

    The first and the last month may be parts of months.
    """
    if not len(time):
        return []
    month = time.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    last = np.flatnonzero(np.append(month[1:] != month[:-1], np.True_))
    closing = equity[last]
    opening = np.concatenate([[initial], closing[:-1]])
    returns = np.full(len(last), np.nan)
    np.divide(closing, opening, out=returns, where=opening > 0)
    returns -= 1.0
    numbers = month[last]
    years: list[Year] = []
    for year in np.unique(numbers // _MONTHS).tolist():
        rows = np.flatnonzero(numbers // _MONTHS == year)
        cells = [float("nan")] * _MONTHS
        for row in rows.tolist():
            cells[int(numbers[row]) % _MONTHS] = float(returns[row])
        start = float(opening[rows[0]])
        total = float(closing[rows[-1]]) / start - 1.0 if start > 0 else float("nan")
        years.append(Year(year=1970 + int(year), months=tuple(cells), total=total))
    return years
