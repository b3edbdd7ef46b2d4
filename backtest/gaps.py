"""Counts the candles that a span should hold and does not; shut markets are no gaps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.manifest import Gaps
from candela.market.instrument import Instrument, likely_kind
from candela.market.timeframe import Timeframe

__all__ = ["count_gaps"]

_SECOND: Final = 1_000_000
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_EVENING: Final = 20
_US_CLOSE: Final = 17


def count_gaps(time: npt.NDArray[np.int64], timeframe: Timeframe, instrument: Instrument) -> Gaps:
    """Return absent and expected candles between the first and the last bar.

    Parameters
    ----------
    time
        (n,) microseconds since 1970 UTC, rising.

    Notes
    -----
    What was asked for before the first bar or after the last one is not counted: an instrument may
    be younger than the span. The two are named instead.

    Currencies, metals and shares rest: their nights and weekends are told from the clock as
    `candela gaps` tells them, holidays are not known.
    """
    step = timeframe.seconds * _SECOND
    if not len(time):
        return Gaps(0, 0)
    holes = np.flatnonzero(np.diff(time) > step)
    kind = likely_kind(instrument.symbol)
    missing = 0
    for row in holes:
        first, until = int(time[row]) + step, int(time[row + 1])
        if not _is_shut(kind, first, until, timeframe):
            missing += (until - first) // step
    return Gaps(missing, len(time) + missing, _text(int(time[0])), _text(int(time[-1])))


def _text(time: int) -> str:
    instant = datetime.fromtimestamp(time / _SECOND, UTC)
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def _is_shut(kind: str, first: int, until: int, timeframe: Timeframe) -> bool:
    if kind not in {"fx", "metal", "equity"}:
        return False
    begins = datetime.fromtimestamp(first / _SECOND, UTC)
    lasts = (until - first) / _SECOND
    day, hour = begins.weekday(), begins.hour
    weekend = day in {_SATURDAY, _SUNDAY} or (day == _FRIDAY and hour >= _EVENING)
    if weekend and lasts <= 3 * _DAY_S:
        return True
    if kind == "metal":
        return lasts <= 1.25 * _HOUR_S and hour >= _EVENING
    if kind == "equity":
        late = hour >= _US_CLOSE or timeframe.seconds >= _DAY_S
        return late and lasts <= 4 * _DAY_S + 20 * _HOUR_S
    return False
