"""The gate: every candle that is stored has passed :func:`judge`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from candela.market.candle import PRICES, VALUES, Flag
from candela.quality.finding import Finding
from candela.quality.neighbours import spikes, stale_repeats, volume_outliers
from candela.quality.rows import EARLIEST_US, Rows, instant, to_micros
from candela.quality.sifting import sift

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl
    from numpy.typing import NDArray

    from candela.market.timeframe import Timeframe

__all__ = ["Settled", "Verdict", "judge", "settle"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the rows: each is accepted once, or refused at least once.

    Parameters
    ----------
    accepted
        CANDLE_SCHEMA, sorted, each time once; flags set.
    refused, flagged
        One finding per row and check.
    places
        ``row`` and ``line`` of the accepted rows, in their order.
    """

    accepted: pl.DataFrame
    refused: list[Finding]
    flagged: list[Finding]
    places: pl.DataFrame


@dataclass(slots=True)
class Settled:
    """Rows of a series after the checks that need their neighbours."""

    rows: Rows
    refused: list[Finding]
    flagged: list[Finding]


def judge(
    frame: pl.DataFrame,
    timeframe: Timeframe,
    now: datetime,
    *,
    before: pl.DataFrame | None = None,
    after: pl.DataFrame | None = None,
    volume_reported: bool | None = None,
) -> Verdict:
    """Apply the data contract to candles of one series.

    Parameters
    ----------
    frame
        Columns time, open, high, low, close, volume (null where unreadable), in the order of the
        source; ``row`` and ``line`` where known.
    before, after
        Candles around the frame, at least ``neighbours.CONTEXT`` to a side where there are so
        many: they are looked at, never judged.
    volume_reported
        False: the source has no volume, so null is right; None: false where all are null.
    """
    rows = Rows.from_frame(frame)
    if volume_reported is None:
        volume_reported = not len(rows) or not bool(np.isnan(rows.volume).all())
    now_us = to_micros(now)
    if "flags" not in frame.columns:
        rows = replace(rows, flags=_order_flags(rows.time, now_us))
    good, refused = _sifted(rows, timeframe, now_us, has_volume=volume_reported)
    sides: list[Rows] = []
    for side in (before, after):
        context = Rows.empty() if side is None else Rows.from_frame(side)
        context, _ = _sifted(context, timeframe, now_us, has_volume=volume_reported)
        # What the frame holds itself is no surrounding of it.
        if len(context):
            context = context.take(~np.isin(context.time, good.time))
        sides.append(context)
    settled = settle(
        good, before=_unique(sides[0]), after=_unique(sides[1]), has_volume=volume_reported
    )
    return Verdict(
        settled.rows.to_frame(has_volume=volume_reported),
        sorted(refused + settled.refused, key=_row),
        settled.flagged,
        settled.rows.places(),
    )


def settle(good: Rows, *, before: Rows, after: Rows, has_volume: bool) -> Settled:
    """Sort rows that passed alone, drop repeated times and set the flags.

    ``before`` and ``after`` are sorted, unique, good rows of the same series on either side.
    """
    rows, refused = _without_repeats(good)
    flags = np.zeros(len(rows), np.int32) if rows.flags is None else rows.flags.copy()
    flagged: list[Finding] = []
    if len(rows):
        _given(rows, flags, flagged)
        whole = Rows.concat([before, rows, after])
        start = len(before)
        _neighbours(whole, start, start + len(rows), flags, flagged, has_volume=has_volume)
    flagged.sort(key=_row)
    return Settled(replace(rows, flags=flags), refused, flagged)


def _sifted(
    rows: Rows, timeframe: Timeframe, now_us: int, *, has_volume: bool
) -> tuple[Rows, list[Finding]]:
    mask, refused = sift(rows, timeframe, now_us, has_volume=has_volume)
    return (rows if mask is None else rows.take(mask)), refused


def _order_flags(time: NDArray[np.int64], now_us: int) -> NDArray[np.int32]:
    """Flag the rows whose time is smaller than that of the last row before with a usable one."""
    flags = np.zeros(len(time), np.int32)
    usable = np.flatnonzero((time >= EARLIEST_US) & (time <= now_us))
    late = usable[1:][np.diff(time[usable]) < 0]
    flags[late] = Flag.OUT_OF_ORDER
    return flags


def _unique(rows: Rows) -> Rows:
    return _without_repeats(rows)[0]


def _without_repeats(rows: Rows) -> tuple[Rows, list[Finding]]:
    steps = np.diff(rows.time)
    if not len(steps) or steps.min() > 0:
        return rows, []
    rows = rows.take(np.lexsort((rows.row, rows.time)))
    repeated = np.concatenate([[False], np.diff(rows.time) == 0])
    if not repeated.any():
        return rows, []
    first = np.maximum.accumulate(np.where(repeated, 0, np.arange(len(rows))))
    refused = [_repeat(rows, int(at), int(first[at])) for at in np.flatnonzero(repeated)]
    return rows.take(~repeated), sorted(refused, key=_row)


def _repeat(rows: Rows, index: int, first: int) -> Finding:
    differing = [
        name
        for name in VALUES
        if not np.array_equal(rows.column(name)[index], rows.column(name)[first], equal_nan=True)
    ]
    at = instant(int(rows.time[index]))
    how = f"differs from it in {', '.join(differing)}" if differing else "is identical to it"
    return Finding(
        row=int(rows.row[index]),
        line=rows.line_at(index),
        column="timestamp",
        check="duplicate_timestamp",
        value=_iso(at),
        message=f"the time is that of row {int(rows.row[first])}, which is kept; this row {how}.",
        time=at,
    )


_GIVEN: Final = {
    Flag.OUT_OF_ORDER: ("timestamp", "out_of_order", "the candle comes after a later one."),
    Flag.TRUNCATED_TAIL: (
        "file",
        "truncated_tail",
        "the last line has no line end, so its last number may have been cut.",
    ),
}


def _given(rows: Rows, flags: NDArray[np.int32], flagged: list[Finding]) -> None:
    """Tell of the flags that were set before judging: they depend on the order of the source."""
    for flag, (column, check, message) in _GIVEN.items():
        for index in np.flatnonzero(flags & flag):
            value = _iso(instant(int(rows.time[index])))
            flagged.append(_flagged(rows, int(index), column, check, value, message))


def _neighbours(
    whole: Rows,
    start: int,
    stop: int,
    flags: NDArray[np.int32],
    flagged: list[Finding],
    *,
    has_volume: bool,
) -> None:
    found = spikes(whole, start, stop)
    flags[found.index - start] |= Flag.SPIKE
    for number, index in enumerate(found.index):
        names = [name for name in PRICES if found.out[name][number]]
        value = ",".join(repr(float(whole.column(name)[index])) for name in names)
        message = f"{', '.join(names)} far from the closes around, near {found.level[number]:.8g}."
        flagged.append(_flagged(whole, int(index), ",".join(names), "spike", value, message))
    stale = stale_repeats(whole, start, stop, has_volume=has_volume)
    flags[stale - start] |= Flag.STALE_RUN
    for index in stale:
        value = repr(float(whole.close[index]))
        message = "the candle repeats the one before, in a long run of equal candles."
        columns = ",".join(VALUES if has_volume else PRICES)
        flagged.append(_flagged(whole, int(index), columns, "stale_run", value, message))
    if not has_volume:
        return
    outliers, levels = volume_outliers(whole, start, stop)
    flags[outliers - start] |= Flag.VOLUME_OUTLIER
    for index, level in zip(outliers, levels, strict=True):
        value = repr(float(whole.volume[index]))
        message = f"the volume is far beyond all around it, which reach {level:.8g}."
        flagged.append(_flagged(whole, int(index), "volume", "volume_outlier", value, message))


def _flagged(rows: Rows, index: int, column: str, check: str, value: str, message: str) -> Finding:
    return Finding(
        row=int(rows.row[index]),
        line=rows.line_at(index),
        column=column,
        check=check,
        value=value,
        message=message,
        time=instant(int(rows.time[index])),
    )


def _iso(at: datetime | None) -> str:
    return "" if at is None else at.isoformat().replace("+00:00", "Z")


def _row(finding: Finding) -> int:
    return finding.row or 0
