"""Arrays as compiled loops take them: contiguous, of one type, and not to be written into."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["frozen_floats", "frozen_rows"]


def frozen_floats(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a read-only, contiguous float64 view, or a copy where the values are none.

    Compiled loops see a read-only array as a type of its own; inputs that are always read-only
    need one compilation, and nobody's numbers change under another's hands.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def frozen_rows(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return a read-only, contiguous int64 view, or a copy where the values are none."""
    array = np.ascontiguousarray(values, dtype=np.int64)
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
