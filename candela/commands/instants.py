"""Instants as people type them: dates and times, UTC unless they say otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from candela.errors import DataError

__all__ = ["BadInstant", "SinceOption", "UntilOption", "instant", "ordered"]


class BadInstant(DataError):
    """The text is not a date or a time."""

    code = "bad_instant"


SinceOption = Annotated[
    str | None, typer.Option("--since", help="First instant, such as 2024-01-01 (UTC).")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", help="End, not included, such as 2024-02-01T12:00Z.")
]


def instant(text: str | None) -> datetime | None:
    """Read an ISO 8601 date or time; without an offset it is UTC.

    Raises
    ------
    BadInstant
        The text is neither.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{text!r} is not a date or a time."
        raise BadInstant(message, "Write 2024-01-31, or 2024-01-31T12:00Z.") from None


def ordered(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return both.

    Raises
    ------
    BadInstant
        The first is not before the second.
    """
    if since is not None and until is not None and since >= until:
        message = f"There is nothing from {since:%Y-%m-%dT%H:%MZ} to {until:%Y-%m-%dT%H:%MZ}."
        raise BadInstant(message, "Give a --since before --until.")
    return since, until
