"""Where bars begin must not matter: stretches as short as the warm-up allows, and dates moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from strategies.equivalence.columns import Column, Difference, Table, shown
from strategies.equivalence.futures import SHIFTS, shifted
from strategies.equivalence.report import Finding
from strategies.equivalence.trial import Trial
from strategies.signals import CONDITIONS

__all__ = ["TAIL", "explain_calendar", "explain_start", "stretch_difference"]

_TRIED: Final = 4
TAIL: Final = 8
"""Rows of a stretch that are compared: the newest ones, which have the warm-up before them."""


def stretch_difference(trial: Trial, whole: Table, stop: int) -> Difference | None:
    """Return where the stretch that ends before bar ``stop`` disagrees with the whole."""
    start = max(stop - trial.warm_up - TAIL, 0)
    table = trial.stretch(start, stop)
    skip = trial.warm_up if start else 0
    return whole.first_difference(table, start=start, skip=skip, exact=False)


def explain_start(
    trial: Trial, whole: Table, difference: Difference, stops: Sequence[int]
) -> Finding:
    """Return the finding for a row that needs more bars before it than the warm-up says.

    Later stretches, which end before ``stops``, tell how many bars would do.
    """
    later = (stretch_difference(trial, whole, stop) for stop in stops)
    others = [one for one in later if one is not None][:_TRIED]
    needed = max(_needed(trial, whole, one) for one in (difference, *others))
    if needed >= max(one.row for one in (difference, *others)):
        because = "it agrees only with all bars before it"
        remedy = (
            "Count and sum from the time of a bar, not from the first row; a figure that needs all"
            " bars before it declares warm_up=lambda parameters: ALL_BARS."
        )
    else:
        because = f"with {needed:,} it agrees"
        remedy = (
            f"Declare a warm-up of {needed:,} bars or more for these parameters; smoothed means"
            " need ema_settles(window) or wilder_settles(window) on top."
        )
    words = (
        f"{difference.column} at bar {difference.row} ({trial.at(difference.row)}) is"
        f" {shown(difference.other)} when the bars begin {trial.warm_up:,} bars before, the"
        f" warm-up declared, and {shown(difference.whole)} on all bars; {because}."
    )
    return Finding(
        kind="warm_up_too_short",
        bar=difference.row,
        at=trial.at(difference.row),
        column=difference.column,
        whole=shown(difference.whole),
        prefix=shown(difference.other),
        words=words,
        remedy=remedy,
    )


def _needed(trial: Trial, whole: Table, difference: Difference) -> int:
    row = difference.row

    def agrees(before: int) -> bool:
        table = trial.stretch(row - before, row + 1)
        one = Table(1, {name: column[-1:] for name, column in table.columns.items()})
        there = Table(1, {name: column[row : row + 1] for name, column in whole.columns.items()})
        return there.first_difference(one, exact=False) is None

    high = max(trial.warm_up, 1)
    while high < row and not agrees(high):
        high = min(high * 2, row)
    low = high // 2
    while high < row and high - low > 1:
        middle = (low + high) // 2
        if agrees(middle):
            high = middle
        else:
            low = middle
    return high


def explain_calendar(trial: Trial, whole: Table) -> Finding | None:
    """Return the finding for a condition that ends with its dates.

    The bars are moved by whole cycles of the calendar, to both sides: weekdays, months and hours
    stay. A condition that never holds any more on all the moves to one side knew its dates.
    """
    tables = {cycles: trial.on(shifted(trial.bars, cycles)) for cycles in SHIFTS}
    for name in CONDITIONS:
        column = whole.columns.get(name)
        if column is None or not column.any():
            continue
        bar = int(column.argmax())
        for side, words in ((-1, "earlier"), (1, "later")):
            moved = [table for cycles, table in tables.items() if cycles * side > 0]
            if not any(_holds(table.columns.get(name)) for table in moved):
                return Finding(
                    kind="calendar",
                    bar=bar,
                    at=trial.at(bar),
                    column=name,
                    whole=f"{int(column.sum()):,} bars",
                    prefix="no bar",
                    words=f"{name} holds at {int(column.sum()):,} bars, first at"
                    f" {trial.at(bar)}, and at none when the same bars lie 400 years {words}, with"
                    " the same weekdays, days and months: it hangs on dates known in hindsight.",
                    remedy="Leave years and instants out; hour, weekday and month may count.",
                )
    return None


def _holds(column: Column | None) -> bool:
    return column is not None and bool(column.any())
