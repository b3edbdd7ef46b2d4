"""Tells look-ahead from repainting, and how far ahead a decision sees, for words of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from strategies.equivalence.columns import PANE, Difference, Table, shown
from strategies.equivalence.futures import FUTURES, other_future
from strategies.equivalence.report import Finding, Kind
from strategies.equivalence.trial import Trial

__all__ = ["explain_future", "explain_prefixes"]

_NEAR: Final = 3
_FAR: Final = 500
_TRIED: Final = 6
_FOLLOWING: Final = 32

_REMEDIES: Final = {
    "near": "Shift forward only: row i takes rows up to i. Look for a negative shift, np.roll, a"
    " slice such as values[1:] put at row 0, and the open of the next bar.",
    "middle": "Use trailing windows; look for a centred or reversed window, a filter run in both"
    " directions, or a longer bar that is still open. bars.higher() shows closed bars only.",
    "far": "Take trailing or expanding figures; look for a mean, maximum, rank, quantile, fit or"
    " transform over all bars, and for NaN filled from later rows.",
    "newest": "Decide every bar by one rule, when it has closed: no special case for the last rows"
    " (values[-1], len(bars)), no pivot that is provisional until later bars confirm it.",
}
_CAUSES: Final = {
    "near": "a shift or slice by one bar too many",
    "middle": "a centred or forward window, or a longer bar that is still open",
    "far": "a figure of the whole data",
}


def explain_prefixes(
    trial: Trial, whole: Table, prefixes: Sequence[Table], random: np.random.Generator
) -> Finding:
    """Return the finding for beginnings of the bars that disagree with the whole."""
    difference, prefix = _earliest(whole, prefixes)
    column, bar = difference.column, f"bar {difference.row} ({trial.at(difference.row)})"
    if _is_repainting(trial, whole, prefixes, random):
        words = (
            f"{column} at {bar} is {shown(difference.other)} among the newest of"
            f" {prefix.length:,} bars, and {shown(difference.whole)} once there are more: what was"
            " decided at the newest bar is changed afterwards."
        )
        return _finding(trial, "repainting", difference, words, _REMEDIES["newest"])
    settled = _settled_by(trial, whole, difference, prefix.length)
    later = settled - 1 - difference.row
    reach = "near" if later <= _NEAR else "middle" if later <= _FAR else "far"
    words = (
        f"{column} at {bar} is {shown(difference.whole)} on all {trial.length:,} bars, but"
        f" {shown(difference.other)} on the first {prefix.length:,}, which hold that bar. It is"
        f" settled only by bar {settled - 1}, {later:,} later: probably {_CAUSES[reach]}."
    )
    return _finding(trial, "look_ahead", difference, words, _REMEDIES[reach])


def _earliest(whole: Table, prefixes: Sequence[Table]) -> tuple[Difference, Table]:
    found = [(whole.first_difference(prefix), prefix) for prefix in prefixes]
    there = [(one, prefix) for one, prefix in found if one is not None]
    return min(there, key=lambda pair: (pair[0].column.startswith(PANE), pair[0].row))


def explain_future(trial: Trial, known: int, kind: str, difference: Difference) -> Finding:
    """Return the finding for a decision that another continuation of the bars has changed."""
    row, column = difference.row, difference.column
    live = trial.beginning(row + 1).columns.get(column)
    words = (
        f"{column} at bar {row} ({trial.at(row)}) turns from {shown(difference.whole)} to"
        f" {shown(difference.other)} when other bars ({kind}) follow bar {known - 1}"
    )
    ahead = known - row
    if live is not None and live.dtype == np.bool_ and live[-1] and ahead <= _FAR:
        words += ": what was decided at the newest bar is taken back afterwards."
        return _finding(trial, "repainting", difference, words, _REMEDIES["newest"])
    words += ": it depends on bars that were not there yet."
    reach = "near" if ahead <= _NEAR else "middle" if ahead <= _FAR else "far"
    return _finding(trial, "look_ahead", difference, words, _REMEDIES[reach])


def _is_repainting(
    trial: Trial, whole: Table, prefixes: Sequence[Table], random: np.random.Generator
) -> bool:
    """Whether live decisions are only taken back soon, or changed by the mere coming of bars.

    A decision that appears in hindsight, or is taken back by a figure of the whole data, is
    look-ahead.
    """
    turned = [whole.turned(prefix) for prefix in prefixes]
    if any(lost for _, lost in turned) and not any(gained for gained, _ in turned):
        found = [(prefix.length, whole.first_difference(prefix)) for prefix in prefixes]
        if all(one is None or length - one.row <= _FAR for length, one in found):
            return not _reaches_far(trial, whole, random)
    # Where nearly no bars follow, other ones that follow are the newest too.
    early = [prefix for prefix in prefixes if prefix.length + _FOLLOWING <= trial.length]
    for prefix in early[:: max(len(early) // _TRIED, 1)][:_TRIED]:
        for kind in FUTURES:
            other = trial.on(other_future(trial.bars, prefix.length, kind, random))
            if whole.first_difference(other.cut(prefix.length)) is not None:
                return False
    return bool(early)


def _reaches_far(trial: Trial, whole: Table, random: np.random.Generator) -> bool:
    """Whether an old decision hangs on what the last quarter of the bars is."""
    known = 3 * trial.length // 4
    for kind in ("crash", "boom"):
        other = trial.on(other_future(trial.bars, known, kind, random))
        difference = whole.first_difference(other.cut(known))
        if difference is not None and known - difference.row > _FAR:
            return True
    return False


def _settled_by(trial: Trial, whole: Table, difference: Difference, known_to_differ: int) -> int:
    """Return how many of the first bars must be there for a row to be as in the whole."""
    low, high = known_to_differ, trial.length
    while high - low > 1:
        middle = (low + high) // 2
        table = trial.beginning(middle)
        if whole.differs_at(table, difference.row, difference.column):
            low = middle
        else:
            high = middle
    return high


def _finding(trial: Trial, kind: Kind, difference: Difference, words: str, remedy: str) -> Finding:
    return Finding(
        kind=kind,
        bar=difference.row,
        at=trial.at(difference.row),
        column=difference.column,
        whole=shown(difference.whole),
        prefix=shown(difference.other),
        words=words,
        remedy=remedy,
    )
