"""Options that take instants, and spans that are refused where they are empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["SinceOption", "UntilOption", "instant", "ordered"]


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
    # Late: the module of spans is light, the package around it is not.
    from candela.candles import spans

    return spans.instant(text)


def ordered(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return both.

    Raises
    ------
    BadSpan
        The first is not before the second.
    """
    from candela.candles.spans import BadSpan

    if since is not None and until is not None and since >= until:
        message = f"There is nothing from {since:%Y-%m-%dT%H:%MZ} to {until:%Y-%m-%dT%H:%MZ}."
        raise BadSpan(message, "Give a --since before --until.")
    return since, until
