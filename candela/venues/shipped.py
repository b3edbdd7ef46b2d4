"""The list of well-known symbols that ships, for where a venue was never read."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, cast

__all__ = ["shipped_symbols", "shipped_venues"]


def shipped_symbols(venue: str) -> tuple[str, ...]:
    """Return the shipped symbols of a venue; none where it is not in the list."""
    return tuple(_lists().get(venue, ()))


def shipped_venues() -> tuple[str, ...]:
    """Return the venues that the list knows, sorted."""
    return tuple(sorted(_lists()))


@cache
def _lists() -> dict[str, list[str]]:
    text = files("candela.venues").joinpath("fallback.json").read_text(encoding="utf-8")
    content = cast("dict[str, Any]", json.loads(text))
    return cast("dict[str, list[str]]", content["venues"])
