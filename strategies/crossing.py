"""Compiled loops that find where two lines cross and where a mask is set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from candela.bits import compare_64, lowest_bit
from candela.compiled import compiled

__all__ = ["crossings", "set_rows"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_ONE = np.uint64(1)
_LAST = np.uint64(63)


@compiled
def crossings(first: Floats, second: Floats, up: Rows, down: Rows) -> tuple[int, int]:
    """Write the rows where ``first`` comes to lie above ``second``, and below; return how many.

    An equal pair keeps the relation before it, and so does a NaN. The first strict relation is
    where the lines start from, no crossing.
    """
    rows = len(first)
    ups = downs = 0
    row = 0
    while row < rows and not (first[row] > second[row] or first[row] < second[row]):
        row += 1
    if row == rows:
        return ups, downs
    carry = _ONE if first[row] > second[row] else np.uint64(0)
    row += 1
    while row + 64 <= rows:
        above, below = compare_64(first, second, row)
        open_ = ~(above | below)
        while open_:
            place = np.uint64(lowest_bit(open_))
            open_ &= open_ - _ONE
            before = carry if place == 0 else (above >> (place - _ONE)) & _ONE
            above |= before << place
        turned = above ^ ((above << _ONE) | carry)
        carry = above >> _LAST
        while turned:
            place = np.uint64(lowest_bit(turned))
            turned &= turned - _ONE
            if (above >> place) & _ONE:
                up[ups] = row + np.int64(place)
                ups += 1
            else:
                down[downs] = row + np.int64(place)
                downs += 1
        row += 64
    is_above = carry == _ONE
    while row < rows:
        if first[row] > second[row] and not is_above:
            up[ups] = row
            ups += 1
            is_above = True
        elif first[row] < second[row] and is_above:
            down[downs] = row
            downs += 1
            is_above = False
        row += 1
    return ups, downs


@compiled
def set_rows(mask: Mask, rows: Rows) -> int:
    """Write the rows at which the mask is true; return how many."""
    found = 0
    whole = len(mask) // 8 * 8
    words = mask[:whole].view(np.uint64)
    for word in range(len(words)):
        if words[word]:
            for row in range(word * 8, word * 8 + 8):
                if mask[row]:
                    rows[found] = row
                    found += 1
    for row in range(whole, len(mask)):
        if mask[row]:
            rows[found] = row
            found += 1
    return found
