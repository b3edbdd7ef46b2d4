"""What makes two trials the same: the digest of everything that decides their outcome."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, Final, SupportsFloat, SupportsIndex, cast

from backtest.ledger.refusals import BadFigures

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["canonical", "digest_of", "trial_base", "trial_key"]

# What a manifest says that does not decide the outcome, or is said by something else: the span, the
# instant of knowledge, funding, finer bars and what is read besides by the digest of the data,
# parameters by the key, the name of the strategy by the family.
_APART: Final = frozenset(
    {
        *("id", "strategy", "parameters", "engine", "versions"),
        *("since", "until", "as_of", "rows", "gaps", "reads", "funding_digest", "finer_digest"),
    }
)


def canonical(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, numbers as Python writes them.

    Raises
    ------
    BadFigures
        A number is not finite, or a value has no JSON.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        )
    except (TypeError, ValueError) as error:
        message = f"{value!r:.200} cannot be written as JSON: {error}."
        raise BadFigures(message, "Give texts, whole and finite numbers, lists and maps.") from None


def digest_of(value: object) -> str:
    """Return the sha256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def trial_base(manifest: Mapping[str, Any]) -> str:
    """Return the digest of what the trials of one sweep have in common.

    Everything in the manifest counts but its id, the parameters, the engine (engines agree), the
    versions of libraries, and what the digest of the candles says already: a run asked for in
    other words, on another day or by another engine is no second trial.
    """
    strategy = cast("Mapping[str, Any]", manifest.get("strategy", {}))
    parts: dict[str, Any] = {name: value for name, value in manifest.items() if name not in _APART}
    parts["source_digest"] = strategy.get("source_digest")
    return digest_of(_same_numbers(parts))


def trial_key(base: str, parameters: Mapping[str, Any]) -> str:
    """Return the key of a trial within its family; 20 and 20.0 are one value."""
    text = canonical(_same_numbers(dict(parameters)))
    return hashlib.sha256(f"{base}:{text}".encode()).hexdigest()


def _same_numbers(value: object) -> object:
    """Return the value with every whole number as int: a grid says 20.0 where a person says 20."""
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return {key: _same_numbers(one) for key, one in pairs}
    if isinstance(value, list | tuple):
        return [_same_numbers(one) for one in cast("list[object]", value)]
    plain = value if isinstance(value, int | float) else _plain(value)
    if isinstance(plain, float) and math.isfinite(plain) and plain.is_integer():
        return int(plain)
    return plain


def _plain(value: object) -> object:
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
