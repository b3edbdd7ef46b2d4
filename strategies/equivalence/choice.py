"""Which beginnings and stretches of the bars are compared: all, or those that tell most."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from strategies.equivalence.columns import Table
from strategies.signals import CONDITIONS

__all__ = ["choose_prefixes", "choose_windows", "telling_rows"]

Rows = npt.NDArray[np.intp]

_EDGE: Final = 24
_EVENTS: Final = 32
# Rows computed in all: they bound the time, and are the same on any machine.
_PREFIX_ROWS: Final = 3_000_000
_LONE_PREFIX_ROWS: Final = 16_000_000
_WINDOW_ROWS: Final = 8_000_000
_MOST_WINDOWS: Final = 20_000


def telling_rows(table: Table, random: np.random.Generator, wanted: int) -> Rows:
    """Return rows around which decisions begin and end, of every condition, and the rows before.

    Leaks bite where decisions are made; a leak at rare events shows nowhere else.
    """
    found = [np.empty(0, dtype=np.intp)]
    for name in CONDITIONS:
        column = table.columns.get(name)
        if column is None:
            continue
        turns = np.flatnonzero(np.diff(column, prepend=False))
        if turns.size > wanted:
            turns = np.sort(random.choice(turns, wanted, replace=False))
        found += [turns, turns - 1]
    rows = np.unique(np.concatenate(found))
    return rows[rows >= 0]


def choose_prefixes(
    table: Table, warm_up: int, random: np.random.Generator, wanted: int | None
) -> Rows:
    """Return lengths of beginnings, shortest first: both edges, each decision, and by chance.

    A decision at row i is the newest one of the beginning of i + 1 bars, as it is live.
    """
    length = table.length
    has_windows = warm_up + 1 < length
    rows = _PREFIX_ROWS if has_windows else _LONE_PREFIX_ROWS
    count = int(np.clip(rows // max(length // 2, 1), 32, 2_000)) if wanted is None else wanted
    edges = np.concatenate(
        [
            np.arange(1, _EDGE // 2),
            np.arange(warm_up - 2, warm_up + _EDGE // 2),
            np.arange(length - _EDGE, length),
        ]
    )
    events = telling_rows(table, random, _EVENTS) + 1
    spread = random.integers(1, max(length, 2), size=max(count // 3, 1))
    lengths = np.unique(np.concatenate([edges, events, spread]))
    lengths = lengths[(lengths >= 1) & (lengths < length)]
    if lengths.size > count:
        lengths = np.sort(random.choice(lengths, count, replace=False))
    return lengths


def choose_windows(
    table: Table, warm_up: int, random: np.random.Generator, wanted: int | None
) -> Rows:
    """Return the ends (exclusive) of stretches that are as short as the warm-up allows.

    Every bar is the newest of one where that is quick; else those where decisions turn come
    first, and the others are spread evenly.
    """
    ends = np.arange(warm_up + 1, table.length + 1)
    if wanted is None:
        wanted = min(_MOST_WINDOWS, _WINDOW_ROWS // (warm_up + 8))
    if ends.size <= wanted:
        return ends
    telling = telling_rows(table, random, wanted // 8) + 1
    telling = telling[telling > warm_up]
    rest = ends[np.linspace(0, ends.size - 1, max(wanted - telling.size, 1)).astype(np.intp)]
    return np.unique(np.concatenate([telling, rest]))
