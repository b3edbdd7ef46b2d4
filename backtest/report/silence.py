"""Why a run made no trade: which conditions never held, and what became of the others."""

from __future__ import annotations

import numpy as np

from backtest.report.numerals import count
from backtest.report.reportable import Reportable

__all__ = ["why_no_trade"]

_CONDITIONS = {
    "long_entries": "to enter long",
    "short_entries": "to enter short",
    "calls": "to buy a call",
    "puts": "to buy a put",
}


def why_no_trade(result: Reportable) -> list[str]:
    """Return sentences on why there is no trade; none where there are trades."""
    if len(result.trades):
        return []
    bars = len(result.bars)
    said = [f"No trade was made in {count(bars)} bars."]
    held = 0
    last_only = True
    for name, purpose in _CONDITIONS.items():
        condition: object = getattr(result.signals, name, None)
        if condition is None:
            continue
        rows = np.flatnonzero(np.asarray(condition, dtype=np.bool_))
        held += len(rows)
        last_only = last_only and bool((rows == bars - 1).all())
        said.append(
            f"The condition {purpose} ({name}) never held."
            if not len(rows)
            else f"The condition {purpose} ({name}) held at {count(len(rows))} bars."
        )
    rejected = result.metrics.get("rejected_orders", 0)
    if rejected > 0:
        said.append(
            f"{count(rejected)} orders were rejected: too small for the venue, or for want of cash."
        )
    elif held and last_only:
        said.append("It held at the last bar only, after which there is no bar to fill in.")
    if not held:
        said.append("Longer data, or parameters that ask for less, may bring trades.")
    return said
