"""Sifting: the checks that one row passes or fails by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from candela.market.candle import PRICES
from candela.quality.finding import Finding
from candela.quality.rows import EARLIEST_US, LATEST_US, NO_TIME, instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from candela.market.timeframe import Timeframe
    from candela.quality.rows import Rows

    Mask = NDArray[np.bool_]

__all__ = ["LARGEST", "SMALLEST", "on_grid", "sift"]

LARGEST: Final = 1e20
"""numeric(38,18) holds 20 digits before the point."""
SMALLEST: Final = 1e-18
"""A positive value below this would be stored as zero in numeric(38,18)."""

_MICROS: Final = 1_000_000

_SAYS: Final = {
    "null": "{column} is absent",
    "infinite": "{column} is infinite ({value})",
    "out_of_range": "{column} is beyond what can be stored ({value})",
    "negative_price": "{column} is below zero ({value})",
    "zero_price": "{column} is zero",
    "negative_volume": "the volume is below zero ({value})",
    "high_lt_low": "the high is below the low ({value})",
    "ohlc_range": "open or close lies outside low to high ({column}: {value})",
    "future_timestamp": "the candle begins in the future ({value})",
    "timestamp_off_grid": "the candle does not begin on the grid of {timeframe} ({value})",
    "unclosed_candle": "the candle of {value} has not ended yet",
}


def on_grid(time: NDArray[np.int64], timeframe: Timeframe) -> Mask:
    """Tell which times (microseconds) are starts of candles of the timeframe."""
    origin = timeframe.origin_s * _MICROS
    return (time - origin if origin else time) % (timeframe.seconds * _MICROS) == 0


def sift(
    rows: Rows, timeframe: Timeframe, now_us: int, *, has_volume: bool
) -> tuple[Mask | None, list[Finding]]:
    """Find the rows that are wrong by themselves.

    Returns
    -------
    The mask of the good rows, None where all are good, and one finding per row and check.
    """
    if _all_good(rows, timeframe, now_us, has_volume=has_volume):
        return None, []
    bad = np.zeros(len(rows), np.bool_)
    findings: list[Finding] = []
    for check, columns in _faults(rows, timeframe, now_us, has_volume=has_volume):
        found = np.logical_or.reduce(list(columns.values()))
        bad |= found
        findings.extend(
            _finding(rows, int(index), check, columns, timeframe) for index in np.flatnonzero(found)
        )
    findings.sort(key=lambda finding: finding.row or 0)
    return ~bad, findings


def _all_good(rows: Rows, timeframe: Timeframe, now_us: int, *, has_volume: bool) -> bool:
    """Whether nothing is wrong, by whole columns: the cheap way that clean data takes."""
    if not len(rows):
        return True
    low, high = rows.low, rows.high
    # A NaN fails every comparison, so absent values fall through to the careful way.
    return bool(
        rows.time.min() >= EARLIEST_US
        and rows.time.max() <= now_us - timeframe.seconds * _MICROS
        and low.min() >= SMALLEST
        and high.max() < LARGEST
        and (high >= rows.open).all()
        and (high >= rows.close).all()
        and (low <= rows.open).all()
        and (low <= rows.close).all()
        and (not has_volume or _volume_good(rows.volume))
        and on_grid(rows.time, timeframe).all()
    )


def _volume_good(volume: NDArray[np.float64]) -> bool:
    least = volume.min()
    if not (least >= 0 and volume.max() < LARGEST):
        return False
    return bool(least >= SMALLEST or ((volume >= SMALLEST) | (volume == 0)).all())


def _faults(
    rows: Rows, timeframe: Timeframe, now_us: int, *, has_volume: bool
) -> Iterator[tuple[str, dict[str, Mask]]]:
    """Yield each check with the columns that break it; a check implied by another stays away."""
    values = {name: rows.column(name) for name in PRICES}
    if has_volume:
        values["volume"] = rows.volume
    absent = {"timestamp": rows.time == NO_TIME} | {
        name: np.isnan(column) for name, column in values.items()
    }
    yield "null", absent
    yield "infinite", {name: np.isinf(column) for name, column in values.items()}
    size = {name: np.abs(column) for name, column in values.items()}
    outside = {
        name: np.isfinite(column) & ((size[name] >= LARGEST) | _tiny(size[name]))
        for name, column in values.items()
    }
    no_year = ~absent["timestamp"] & ((rows.time < EARLIEST_US) | (rows.time > LATEST_US))
    yield "out_of_range", {"timestamp": no_year, **outside}
    usual = {name: np.isfinite(column) & ~outside[name] for name, column in values.items()}
    yield "negative_price", {name: usual[name] & (values[name] < 0) for name in PRICES}
    yield "zero_price", {name: values[name] == 0 for name in PRICES}
    yield from _range_faults(
        rows, np.logical_and.reduce([usual[name] & (values[name] > 0) for name in PRICES])
    )
    if has_volume:
        yield "negative_volume", {"volume": usual["volume"] & (rows.volume < 0)}
    readable = ~absent["timestamp"] & ~no_year
    future = readable & (rows.time > now_us)
    yield "future_timestamp", {"timestamp": future}
    off = readable & ~future & ~on_grid(rows.time, timeframe)
    yield "timestamp_off_grid", {"timestamp": off}
    open_still = readable & ~future & ~off & (rows.time > now_us - timeframe.seconds * _MICROS)
    yield "unclosed_candle", {"timestamp": open_still}


def _range_faults(rows: Rows, sane: Mask) -> Iterator[tuple[str, dict[str, Mask]]]:
    crossed = sane & (rows.high < rows.low)
    yield "high_lt_low", {"high": crossed, "low": crossed}
    sane = sane & ~crossed
    open_high, open_low = rows.open > rows.high, rows.open < rows.low
    close_high, close_low = rows.close > rows.high, rows.close < rows.low
    yield (
        "ohlc_range",
        {
            "open": sane & (open_high | open_low),
            "high": sane & (open_high | close_high),
            "low": sane & (open_low | close_low),
            "close": sane & (close_high | close_low),
        },
    )


def _tiny(size: NDArray[np.float64]) -> Mask:
    return (size > 0) & (size < SMALLEST)


def _finding(
    rows: Rows, index: int, check: str, columns: dict[str, Mask], timeframe: Timeframe
) -> Finding:
    names = [name for name, mask in columns.items() if mask[index]]
    at = instant(int(rows.time[index]))
    shown: list[str] = []
    for name in names:
        if name == "timestamp":
            shown.append(_time_text(int(rows.time[index])))
        else:
            number = float(rows.column(name)[index])
            shown.append("" if np.isnan(number) else repr(number))
    column, value = ",".join(names), ",".join(shown)
    return Finding(
        row=int(rows.row[index]),
        line=rows.line_at(index),
        column=column,
        check=check,
        value=value,
        message=_SAYS[check].format(column=column, value=value, timeframe=timeframe) + ".",
        time=at,
    )


def _time_text(micros: int) -> str:
    if micros == NO_TIME:
        return ""
    at = instant(micros)
    return f"{micros} us" if at is None else at.isoformat().replace("+00:00", "Z")
