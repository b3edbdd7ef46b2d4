"""What makes two trials the same: the digest of everything that decides their outcome."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Final, cast

from backtest.canonical import canonical, digest_of, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["trial_base", "trial_key"]

# What a manifest says that does not decide the outcome, or is said by something else: the span, the
# instant of knowledge, funding, finer bars and what is read besides by the digest of the data,
# parameters by the key, the name of the strategy by the family.
_APART: Final = frozenset(
    {
        *("id", "strategy", "parameters", "engine", "versions"),
        *("since", "until", "as_of", "rows", "gaps", "reads", "funding_digest", "finer_digest"),
    }
)


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
    number = value if isinstance(value, int | float) else plain(value)
    if isinstance(number, float) and math.isfinite(number) and number.is_integer():
        return int(number)
    return number
