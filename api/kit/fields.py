"""Types of what callers send: texts that PostgreSQL can hold, instants in UTC of sane years."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

__all__ = ["Day", "Instant", "InstrumentName", "Label", "TimeframeName"]

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"\s*[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?\s*")


def _in_utc(at: datetime) -> datetime:
    if not _FIRST <= at < _LAST:
        message = "an instant is from 1970 to 2199"
        raise ValueError(message)
    return at.astimezone(UTC)


def _of_words(given: Any) -> Any:
    """Refuse a count of seconds: the document promises a text of ISO 8601 alone."""
    text = given.decode("ascii", "replace") if isinstance(given, bytes) else given
    is_number = isinstance(text, (int, float)) or (
        isinstance(text, str) and _NUMBER.fullmatch(text)
    )
    if is_number:
        message = "a text such as 2026-03-01T00:00:00Z is needed, not a number"
        raise ValueError(message)
    return given


def _without_nul(text: str) -> str:
    if "\x00" in text:
        message = "a NUL character cannot be kept"
        raise ValueError(message)
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "half of a surrogate pair is no character"
        raise ValueError(message) from None
    return text


Day = Annotated[date, BeforeValidator(_of_words), Field(examples=["2026-03-01"])]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_of_words),
    AfterValidator(_in_utc),
    Field(description="ISO 8601 with a zone", examples=["2026-03-01T00:00:00Z"]),
]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_without_nul)]
InstrumentName = Annotated[
    str,
    Field(
        max_length=101,
        pattern=r"^[a-z0-9][a-z0-9_]{0,39}:[A-Za-z0-9][A-Za-z0-9._/:$+-]{0,59}$",
        description="venue:SYMBOL",
        examples=["binance:BTC/USDT"],
    ),
]
TimeframeName = Annotated[
    str,
    Field(
        max_length=8,
        pattern=r"^[1-9][0-9]{0,5}[smhdw]$",
        description="length of a candle",
        examples=["1h"],
    ),
]
