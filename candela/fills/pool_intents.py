"""Intents of many instruments: decisions as events, checked before anything is simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from candela.fills.intents import BadIntents
from candela.market.arrays import frozen_floats, frozen_rows

__all__ = ["Events", "PoolIntents"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

_CONDITIONS: Final = ("long_entry", "long_exit", "short_entry", "short_exit")
_NUMBERS: Final = ("size", "stop_loss", "take_profit", "trailing_stop", "exit_fraction")
_ABSENT: Final = frozen_floats(np.full((1, 1), np.nan))
_NO_ROWS: Final = frozen_rows(np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Events:
    """Bars on which a condition holds: rising rows, instrument after instrument.

    Parameters
    ----------
    rows
        ``(k,)``.
    offsets
        ``(m + 1,)``; those of instrument j are ``rows[offsets[j] : offsets[j + 1]]``.
    """

    rows: Rows
    offsets: Rows

    @classmethod
    def of(cls, condition: Bools) -> Events:
        """Return the events of an ``(m, n)`` condition."""
        flat = np.flatnonzero(condition)
        count, bars = len(condition), len(condition[0])
        starts = np.arange(count + 1) * bars
        offsets = np.searchsorted(flat, starts)
        rows = flat - np.repeat(starts[:-1], np.diff(offsets))
        return cls(frozen_rows(rows), frozen_rows(offsets))


@dataclass(frozen=True, slots=True)
class PoolIntents:
    """What is wanted of m instruments at the close of each of n bars.

    Parameters
    ----------
    long_entry, long_exit, short_entry, short_exit
        ``Events``, or ``(m, n)`` conditions; None: never.
    size, stop_loss, take_profit, trailing_stop, exit_fraction
        As in ``Intents``: a number, or an array that stretches to ``(m, n)``.
    legs
        Entries that a position may have.
    """

    long_entry: Events | Bools | None = None
    long_exit: Events | Bools | None = None
    short_entry: Events | Bools | None = None
    short_exit: Events | Bools | None = None
    size: Floats | float | None = None
    stop_loss: Floats | float | None = None
    take_profit: Floats | float | None = None
    trailing_stop: Floats | float | None = None
    exit_fraction: Floats | float | None = None
    legs: int = 1

    def has_no_numbers(self) -> bool:
        """Return whether entries and exits are all there is."""
        return all(getattr(self, name) is None for name in _NUMBERS)

    def events(self, count: int, bars: int) -> tuple[Events, Events, Events, Events]:
        """Return the four conditions as events.

        Raises
        ------
        BadIntents
            A condition has another shape or is not boolean, or events are out of order or range,
            or there are fewer than one leg.
        """
        if self.legs < 1:
            message = f"A position of {self.legs} legs cannot be entered."
            raise BadIntents(message, "Give at least 1.")
        long_entry, long_exit, short_entry, short_exit = (
            _events_of(name, getattr(self, name), count, bars) for name in _CONDITIONS
        )
        return long_entry, long_exit, short_entry, short_exit

    def numbers(self, count: int, bars: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return size, stop, target, trailing and exit share as tables that stretch to all bars.

        Raises
        ------
        BadIntents
            A table does not stretch, or a value is negative, infinite or out of range.
        """
        size, stop, target, trailing, fraction = (
            _table_of(name, getattr(self, name), count, bars) for name in _NUMBERS
        )
        return size, stop, target, trailing, fraction

    def refuse_entries_without_stop(self, events: tuple[Events, Events, Events, Events]) -> None:
        """Refuse sizing by risk where an entry has no stop.

        Raises
        ------
        BadIntents
            The first such entry.
        """
        count = len(events[0].offsets) - 1
        for one in (events[0], events[2]):
            place = np.repeat(np.arange(count), np.diff(one.offsets))
            lacking = np.ones(len(one.rows), np.bool_)
            for name in ("stop_loss", "trailing_stop"):
                given = getattr(self, name)
                table = _ABSENT if given is None else np.atleast_2d(np.asarray(given, np.float64))
                at_row = np.minimum(place, table.shape[0] - 1)
                lacking &= np.isnan(table[at_row, np.minimum(one.rows, table.shape[1] - 1)])
            if lacking.any():
                first = int(lacking.argmax())
                message = (
                    f"The entry of instrument {place[first]} at bar {one.rows[first]} has no stop,"
                    " so its risk is unknown."
                )
                raise BadIntents(
                    message, "Give stop_loss or trailing_stop, or another kind of sizing."
                )


def _events_of(name: str, given: Events | Bools | None, count: int, bars: int) -> Events:
    if given is None:
        return Events(_NO_ROWS, frozen_rows(np.zeros(count + 1, np.int64)))
    if isinstance(given, Events):
        rows, offsets = frozen_rows(given.rows), frozen_rows(given.offsets)
        rises = np.diff(rows) > 0
        # Where an instrument begins, rows begin anew.
        rises[np.setdiff1d(offsets[1:-1], (0, len(rows))) - 1] = True
        if (
            offsets.shape != (count + 1,)
            or offsets[0] != 0
            or offsets[-1] != len(rows)
            or (np.diff(offsets) < 0).any()
            or not rises.all()
            or (len(rows) and (rows.min() < 0 or rows.max() >= bars))
        ):
            message = f"{name} holds no rising bars of {count} instruments within {bars} bars."
            raise BadIntents(message, "Give rows in order for each instrument, and its offsets.")
        return Events(rows, offsets)
    array = np.asarray(given)
    if array.dtype != np.bool_ or array.shape != (count, bars):
        message = f"{name} holds {array.dtype} of the shape {array.shape}."
        raise BadIntents(message, f"Give conditions of the shape ({count}, {bars}).")
    return Events.of(array)


def _table_of(name: str, given: Floats | float | None, count: int, bars: int) -> Floats:
    if given is None:
        return _ABSENT
    table = np.atleast_2d(np.asarray(given, np.float64))
    if table.ndim != 2 or table.shape[0] not in {1, count} or table.shape[1] not in {1, bars}:  # noqa: PLR2004
        message = f"{name} has the shape {table.shape} for {count} instruments and {bars} bars."
        raise BadIntents(message, f"Give a number, or an array of the shape ({count}, {bars}).")
    most = 1.0 if name == "exit_fraction" else np.inf
    with np.errstate(invalid="ignore"):
        bad = (table < 0) | np.isinf(table) | (table > most)
        if name != "size":
            bad |= table == 0
    if bad.any():
        place, bar = (int(one) for one in np.argwhere(bad)[0])
        message = f"{name} of instrument {place} is {table[place, bar]} at bar {bar}."
        limit = f" and at most {most:g}" if most < np.inf else ""
        raise BadIntents(message, f"It is a positive number{limit}; NaN means not given.")
    return frozen_floats(table)
