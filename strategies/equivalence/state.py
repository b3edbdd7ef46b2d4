"""What a strategy keeps between calls: fingerprints of globals, closures, attributes, defaults."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from random import Random
from types import CodeType, FunctionType
from typing import Any, Final, cast

import numpy as np

from strategies.definition import Strategy

__all__ = ["kept_state"]

_PLAIN: Final = (int, float, complex, str, bytes, bytearray, bool, type(None), np.generic)
_DEEPEST: Final = 6


def kept_state(strategy: Strategy[Any]) -> dict[str, str]:
    """Return a digest of each variable that the strategy's functions can keep something in.

    Looked at are globals that the functions of the file name, variables of closures, defaults,
    and attributes of functions, objects and classes of the file. Comparing two of these says by
    name what a call has changed.
    """
    found: dict[str, str] = {}
    seen: set[int] = set()
    for function in (strategy.function, strategy.warm_up):
        for name, value in _variables(function, seen):
            found[name] = _digest(value)
    return found


def _variables(function: object, seen: set[int]) -> Iterator[tuple[str, object]]:
    """Yield the variables that a function can reach, and those of the functions it calls."""
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    own = function.__name__
    yield f"an attribute of {own}", vars(function)
    yield f"a default of {own}", (function.__defaults__, function.__kwdefaults__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # not yet bound
            continue
        yield from _variable(f"the enclosing variable {name}", value, function, seen)
    space = function.__globals__
    for name in sorted(_names(function.__code__)):
        if name in space:
            yield from _variable(f"the global {name}", space[name], function, seen)


def _variable(
    name: str, value: object, function: FunctionType, seen: set[int]
) -> Iterator[tuple[str, object]]:
    if isinstance(value, Strategy):
        yield from _variables(cast("Strategy[Any]", value).function, seen)
    elif callable(getattr(value, "__wrapped__", value)) and not isinstance(value, type):
        inner = getattr(value, "__wrapped__", value)
        if getattr(inner, "__module__", None) == function.__module__:
            yield from _variables(inner, seen)
            if not isinstance(inner, FunctionType):
                yield name, value
    elif isinstance(value, type):
        if value.__module__ == function.__module__:
            attributes = {key: one for key, one in vars(value).items() if not key.startswith("__")}
            yield f"an attribute of the class {value.__name__}", attributes
    else:
        yield name, value


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _digest(value: object) -> str:
    digest = hashlib.sha256()
    for part in _parts(value, 0, set()):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(value: object, depth: int, above: set[int]) -> Iterator[bytes]:
    """Yield the bytes that say what a value holds; types of no known content say their name."""
    yield type(value).__qualname__.encode()
    if isinstance(value, _PLAIN) or type(value).__module__ == "itertools":
        yield repr(cast("object", value)).encode()
    elif isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, Any]", value)
        yield array.tobytes() if array.dtype != np.object_ else repr(array).encode()
    elif depth <= _DEEPEST and id(value) not in above:
        for one in _inside(value):
            yield from _parts(one, depth + 1, above | {id(value)})


def _inside(value: object) -> list[object]:
    """Return what a value is made of, in a fixed order."""
    if isinstance(value, np.random.Generator):
        return [value.bit_generator.state]
    if isinstance(value, (np.random.RandomState, Random)):  # noqa: S311 - looked at, not drawn from
        return [repr(_drawn(value))]
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return [part for key, one in items for part in (repr(key), one)]
    if isinstance(value, AbstractSet):
        return [sorted(repr(one) for one in cast("AbstractSet[Any]", value))]
    if isinstance(value, (list, tuple)) or type(value).__module__ == "collections":
        return list(cast("list[Any]", value))
    has_variables = hasattr(value, "__dict__")
    is_ours = type(value).__module__ not in {"builtins", "functools"}
    return [vars(value)] if has_variables and is_ours else []


def _drawn(generator: np.random.RandomState | Random) -> object:
    if isinstance(generator, Random):  # noqa: S311 - the same
        return generator.getstate()
    state = generator.get_state(legacy=False)
    return {key: repr(one) for key, one in dict(state).items()}
