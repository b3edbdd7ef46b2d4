"""Parameters given as text, such as fast=20: split here, typed by the strategy's own schema."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any

from strategies.definition import BadParameters, Parameters, Strategy

__all__ = ["read_values"]


def read_values(strategy: Strategy[Any], pairs: Sequence[str]) -> Parameters:
    """Return checked parameters from ``name=value`` texts, defaults where none is given.

    Raises
    ------
    BadParameters
        No ``=``, a name that is unknown or given twice, a value of another type or out of bounds.
    """
    known = list(strategy.parameters.model_fields)
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            message = f"{pair!r} gives no parameter a value."
            raise BadParameters(message, "Write name=value, such as fast=20.")
        if name in values:
            message = f"{name} is given twice, as {values[name]!r} and as {text!r}."
            raise BadParameters(message, "Give it once.")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            message = f"{strategy.name} has no parameter {name}."
            hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known) or 'none'}."
            raise BadParameters(message, hint)
        values[name] = _read(text)
    return strategy.with_values(values)


def _read(text: str) -> object:
    # Lists and objects are JSON; anything else is text, which the schema makes a number of.
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text
