"""Spans of time, [from, to), in UTC: refused where they are none, merged where they meet."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from candela.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
When = datetime | date | str
"""An instant as people write it; without a zone it is UTC."""

__all__ = ["BadInstant", "BadSpan", "When", "instant", "merge_spans"]


class BadSpan(DataError):
    """A span that ends before it begins, or instants without a time zone."""

    code = "bad_span"


class BadInstant(DataError):
    """The text is not a date or a time."""

    code = "bad_instant"


def instant(when: When | None) -> datetime | None:
    """Return the instant in UTC; a date is its midnight.

    Raises
    ------
    BadInstant
        The text is not an ISO 8601 date or time.
    """
    if when is None:
        return None
    try:
        if isinstance(when, str):
            at = datetime.fromisoformat(when.strip())
        elif isinstance(when, datetime):
            at = when
        else:
            at = datetime(when.year, when.month, when.day, tzinfo=UTC)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{when!r} is not a date or a time."
        raise BadInstant(message, "Write 2024-01-31, or 2024-01-31T12:00Z.") from None


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
