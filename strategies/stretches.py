"""Computes line by line between unknown values: an indicator begins anew after each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["on_stretches", "unknown"]

Floats = npt.NDArray[np.float64]


def unknown(values: Floats) -> bool:
    """Whether any value is NaN."""
    with np.errstate(all="ignore"):
        total = np.add.reduce(values, axis=None)
    # Infinities of both signs give NaN too, and are looked at for it.
    return bool(np.isnan(total)) and bool(np.isnan(values).any())


def on_stretches(compute: Callable[[Floats], Floats], values: Floats) -> Floats:
    """Return what is computed from each stretch on which all is known, NaN between them.

    Running sums and smoothed means would carry one NaN to the end of the data, or make a number of
    it. A stretch is computed as if the data began with it.

    Parameters
    ----------
    compute
        Takes (k,) or (columns, k) as ``values`` are, and returns (k,) or (lines, k).
    """
    if not unknown(values):
        return compute(values)
    rows = values.shape[-1]
    known = ~np.isnan(values).reshape(-1, rows).any(axis=0)
    turns = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2)
    lines = compute(values[..., :0]).shape[:-1]
    found = np.full((*lines, rows), np.nan)
    for start, stop in turns.tolist():
        found[..., start:stop] = compute(values[..., start:stop])
    return found
