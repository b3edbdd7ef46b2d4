"""Texts and JSON that a body may hold: what the database cannot keep is refused by its field."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator

__all__ = ["Text", "json_faults"]

_DEEPEST: Final = 12
_MOST_PARTS: Final = 5_000
_LARGEST: Final = 2**63


def _storable(text: str) -> str:
    if "\0" in text:
        message = "holds the character NUL"
        raise ValueError(message)
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""A text that PostgreSQL can keep; add the bounds of its length."""


def json_faults(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Give the place and reason of each part that the database could not keep as JSON.

    Numbers that are not finite or beyond 64 bits, texts that are no Unicode, nesting without end.
    """
    waiting: list[tuple[str, object, int]] = [(place, value, 0)]
    for count, (where, part, depth) in enumerate(waiting):
        if depth > _DEEPEST or count > _MOST_PARTS:
            yield where, "is nested too deeply, or has too many parts"
            return
        if isinstance(part, Mapping):
            for name, inner in cast("Mapping[Any, Any]", part).items():
                if not _is_text(str(name)):
                    yield where, "has a name that is no text"
                else:
                    waiting.append((f"{where}.{str(name)[:60]}", inner, depth + 1))
        elif isinstance(part, list):
            for number, inner in enumerate(cast("list[Any]", part)):
                waiting.append((f"{where}.{number}", inner, depth + 1))
        elif (reason := _unkept(part)) is not None:
            yield where, reason


def _unkept(part: object) -> str | None:
    if isinstance(part, str) and not _is_text(part):
        return "is no text that can be kept"
    if isinstance(part, float) and not math.isfinite(part):
        return "is no finite number"
    if isinstance(part, int) and abs(part) >= _LARGEST:
        return "is beyond 64 bits"
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
