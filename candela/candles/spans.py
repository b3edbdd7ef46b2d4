"""Spans of time, [from, to), in UTC: refused where they are none, merged where they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["BadSpan", "merge_spans"]


class BadSpan(DataError):
    """A span that ends before it begins, or instants without a time zone."""

    code = "bad_span"


def merge_spans(
    spans: Sequence[tuple[datetime, datetime]],
) -> list[tuple[datetime, datetime]]:
    """Return the same instants as the fewest spans [from, to), in order of time."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
