"""Remembers indicators of one set of bars, so that a sweep computes each distinct one once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

__all__ = ["Memory", "current_memory", "remember", "remembering", "sealed"]

Value = TypeVar("Value")
Scalar = TypeVar("Scalar", bound=np.generic)

_DEFAULT_BUDGET: Final = 192 * 2**20
_active: Final = threading.local()


def sealed(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Return an array that was just made as one that nobody can write into; a view is copied."""
    if array.base is not None:
        array = array.copy()
    array.flags.writeable = False
    return array


class Memory:
    """Results by the identity of what they came from, the oldest given up over a budget.

    What came from an array is kept only where nobody can write into it: a buffer that is filled
    anew is the same array with other numbers.

    Parameters
    ----------
    budget
        Bytes of arrays kept, results and what they came from, each array counted once.
    columns
        Arrays that count as read-only and for nothing: those of the bars, which live anyway and may
        be views of arrays that whoever made the bars could write into.
    """

    def __init__(
        self, budget: int = _DEFAULT_BUDGET, columns: Iterable[npt.NDArray[Any]] = ()
    ) -> None:
        self.budget = budget
        self.used = 0
        self.computed = 0
        # The source is kept beside its result: while it lives, its id names no other.
        self._entries: OrderedDict[Hashable, tuple[object, Any]] = OrderedDict()
        self._columns = {id(column): column for column in columns}
        self._holds: dict[int, int] = {}

    def recall(self, key: Hashable, source: object, compute: Callable[[], Value]) -> Value:
        """Return the result under ``(key, id(source))``, computing it the first time."""
        whole = (key, id(source))
        found = self._entries.get(whole)
        if found is not None:
            self._entries.move_to_end(whole)
            return found[1]
        value = compute()
        self.computed += 1
        if (
            isinstance(source, np.ndarray)
            and id(cast("object", source)) not in self._columns
            and not _is_sealed(cast("npt.NDArray[Any]", source))
        ):
            return value
        self._entries[whole] = (source, value)
        self._count(cast("object", source), 1)
        self._count(value, 1)
        while self.used > self.budget and len(self._entries) > 1:
            _, (gone, result) = self._entries.popitem(last=False)
            self._count(gone, -1)
            self._count(result, -1)
        return value

    def _count(self, held: object, change: int) -> None:
        """Take what an entry holds, or does not hold any more, into the bytes used."""
        for name, size in _held(held):
            if name in self._columns:
                continue
            before = self._holds.get(name, 0)
            if before + change:
                self._holds[name] = before + change
            else:
                del self._holds[name]
            if not before:
                self.used += size
            elif not before + change:
                self.used -= size

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._holds.clear()
        self.used = 0


def _is_sealed(array: npt.NDArray[Any]) -> bool:
    """Whether neither the array nor one that it is a view of can be written into."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base
    return owner is None


def _held(value: object) -> Iterator[tuple[int, int]]:
    """Yield identity and bytes of all that a value keeps alive: of a view, the array behind it."""
    if isinstance(value, tuple):
        for part in cast("tuple[object, ...]", value):
            yield from _held(part)
        return
    if isinstance(value, np.ndarray):
        array = cast("npt.NDArray[Any]", value)
        while isinstance(array.base, np.ndarray):
            array = array.base
        yield id(array), array.nbytes
        return
    size = getattr(value, "nbytes", 0)
    if isinstance(size, int) and size:
        yield id(value), size


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
    """Compute, or recall where an evaluation is under way and computed the same before.

    Parameters
    ----------
    key
        Names what is computed, with every argument.
    source
        What it is computed from, and it alone: a read-only array, or the ``kept`` of bars where
        several of their columns are read.
    """
    memory = getattr(_active, "memory", None)
    return compute() if memory is None else memory.recall(key, source, compute)
