"""Remembers indicators of one set of bars, so that a sweep computes each distinct one once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

__all__ = ["Memory", "current_memory", "remember", "remembering"]

Floats = npt.NDArray[np.float64]
Value = TypeVar("Value")

_DEFAULT_BUDGET: Final = 192 * 2**20
_active: Final = threading.local()


class Memory:
    """Results by the identity of the array they came from, the oldest given up over a budget.

    Parameters
    ----------
    budget
        Bytes of arrays kept.
    """

    def __init__(self, budget: int = _DEFAULT_BUDGET) -> None:
        self.budget = budget
        self.used = 0
        self.computed = 0
        # The source array is kept beside its result: while it lives, its id names no other.
        self._entries: OrderedDict[Hashable, tuple[object, Any, int]] = OrderedDict()

    def recall(self, key: Hashable, source: object, compute: Callable[[], Value]) -> Value:
        """Return the result under ``(key, id(source))``, computing it the first time."""
        whole = (key, id(source))
        found = self._entries.get(whole)
        if found is not None:
            self._entries.move_to_end(whole)
            return found[1]
        value = compute()
        self.computed += 1
        size = _bytes_of(value)
        self._entries[whole] = (source, value, size)
        self.used += size
        while self.used > self.budget and len(self._entries) > 1:
            _, (_, _, freed) = self._entries.popitem(last=False)
            self.used -= freed
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.used = 0


def _bytes_of(value: object) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple):
        return sum(_bytes_of(part) for part in cast("tuple[object, ...]", value))
    size = getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 0


def current_memory() -> Memory | None:
    """Return the memory of the evaluation that runs on this thread, if any."""
    return getattr(_active, "memory", None)


@contextmanager
def remembering(memory: Memory) -> Generator[None]:
    """Let indicators computed on this thread be remembered in ``memory``."""
    before = current_memory()
    _active.memory = memory
    try:
        yield
    finally:
        _active.memory = before


def remember(key: Hashable, source: object, compute: Callable[[], Value]) -> Value:
    """Compute, or recall where an evaluation is under way and computed the same before."""
    memory = getattr(_active, "memory", None)
    return compute() if memory is None else memory.recall(key, source, compute)
