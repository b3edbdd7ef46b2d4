"""Reading a venue's JSON: what a field must be, and a shape error where it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from candela.money import decimal_of
from candela.venues.door import ShapeError

__all__ = [
    "amount",
    "flag",
    "instant",
    "optional_amount",
    "record_of",
    "rows_of",
    "text",
    "texts_of",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 32_503_680_000_000


def record_of(content: object) -> dict[str, Any]:
    """Return an object's fields.

    Raises
    ------
    ShapeError
        It is something else.
    """
    if not isinstance(content, dict):
        raise ShapeError(f"{type(content).__name__} where an object must be")
    return cast("dict[str, Any]", content)


def rows_of(content: object) -> list[dict[str, Any]]:
    """Return a list's objects.

    Raises
    ------
    ShapeError
        It is no list, or holds something else.
    """
    if not isinstance(content, list):
        raise ShapeError(f"{type(content).__name__} where a list must be")
    return [record_of(row) for row in cast("list[object]", content)]


def texts_of(content: object) -> list[str]:
    """Return a list's values as texts; an absent list has none.

    Raises
    ------
    ShapeError
        It is no list.
    """
    if content is None:
        return []
    if not isinstance(content, list):
        raise ShapeError(f"{type(content).__name__} where a list must be")
    return [str(one) for one in cast("list[object]", content)]


def text(fields: dict[str, Any], name: str) -> str:
    """Return a field as text.

    Raises
    ------
    ShapeError
        It is absent or no text or whole number.
    """
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ShapeError(f"{name} is {value!r}")
    return str(value)


def amount(fields: dict[str, Any], name: str) -> Decimal:
    """Return a field as an exact amount.

    Raises
    ------
    ShapeError
        It is absent or no finite number.
    """
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ShapeError(f"{name} is {value!r}")
    try:
        number = decimal_of(value) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ShapeError(f"{name} is {value!r}")
    return number


def optional_amount(fields: dict[str, Any], name: str) -> Decimal | None:
    """Return a field as an amount, None where the venue has none: absent, empty or 0."""
    if fields.get(name) in {None, ""}:
        return None
    number = amount(fields, name)
    return number if number != 0 else None


def flag(fields: dict[str, Any], name: str) -> bool:
    """Return a truth value.

    Raises
    ------
    ShapeError
        It is something else.
    """
    value = fields.get(name)
    if not isinstance(value, bool):
        raise ShapeError(f"{name} is {value!r}")
    return value


def instant(value: object) -> datetime:
    """Return an instant of milliseconds since 1970, given as number or text.

    Raises
    ------
    ShapeError
        It is no such number.
    """
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LAST_MS:
        raise ShapeError(f"a time is {value!r}")
    return _EPOCH + timedelta(milliseconds=value)
