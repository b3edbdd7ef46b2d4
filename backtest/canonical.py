"""The one JSON text of a value, and its digest: what identities are made of."""

from __future__ import annotations

import hashlib
import json
from typing import Any, SupportsFloat, SupportsIndex, cast

from candela.errors import StrategyError

__all__ = ["BadFigures", "canonical", "digest_of", "plain"]


class BadFigures(StrategyError):
    """Figures or a specification that cannot be recorded as they are."""

    code = "bad_figures"


def canonical(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, numbers as Python writes them.

    Raises
    ------
    BadFigures
        A number is not finite, or a value has no JSON.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain
        )
    except (TypeError, ValueError) as error:
        message = f"{value!r:.200} cannot be written as JSON: {error}."
        raise BadFigures(message, "Give texts, whole and finite numbers, lists and maps.") from None


def digest_of(value: object) -> str:
    """Return the sha256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def plain(value: object) -> object:
    """Return a number of numpy as Python's, an instant or any other value as text."""
    if isinstance(value, SupportsIndex):
        return value.__index__()
    if isinstance(value, SupportsFloat):
        return float(value)
    if hasattr(value, "isoformat"):
        return str(cast("Any", value).isoformat())
    if type(value).__str__ is object.__str__:
        message = f"a {type(value).__name__}"
        raise TypeError(message)
    return str(value)
