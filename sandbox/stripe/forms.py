"""Bodies of requests with brackets in their names, read into nested values."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

__all__ = ["read_form"]

Content = dict[str, Any]


def read_form(text: str) -> Content:
    """Return what ``items[0][price]=p&expand[]=data.charge`` says: dicts, lists and texts."""
    found: Content = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = name.replace("]", "").split("[")
        _put(found, [head, *rest], value)
    return cast("Content", _listed(found))


def _put(into: Content, path: list[str], value: str) -> None:
    head, *rest = path
    key = head or str(len(into))
    if not rest:
        into[key] = value
        return
    inner = into.setdefault(key, {})
    if isinstance(inner, dict):
        _put(cast("Content", inner), rest, value)


def _listed(value: object) -> object:
    """Turn dicts whose keys are numbers into lists."""
    if not isinstance(value, dict):
        return value
    content = cast("Content", value)
    inner = {key: _listed(one) for key, one in content.items()}
    if inner and all(key.isdecimal() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner
