"""The one door to numba: loops compiled once, kept on disk, and run without the global lock."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache, update_wrapper
from importlib import import_module
from pathlib import Path
from threading import RLock
from types import CodeType
from typing import Any, Final, TypeVar, cast

__all__ = [
    "SOURCES",
    "cache_folder",
    "compiled",
    "compiled_sum",
    "intrinsic",
    "prune_cache",
    "types",
]

Loop = TypeVar("Loop", bound=Callable[..., Any])

SOURCES: Final = ("candela", "candela/fills", "candela/metrics", "candela/payout", "strategies",
                  "backtest/evidence")  # fmt: skip
"""Folders whose modules hold compiled loops."""

# numba asks for scipy's version where it is installed; no loop here needs its linear algebra, and
# a process that trades shall not load it.
_DECLINED: Final = "scipy"


@cache
def _numba() -> Any:
    absent = _DECLINED not in sys.modules
    if absent:
        sys.modules[_DECLINED] = None  # pyright: ignore[reportArgumentType] - Python's way to say no
    try:
        numba = import_module("numba")
        import_module("numba.extending")
        # Loaded with the first loop anyway, and asks for scipy's linear algebra when it is.
        import_module("numba.np.arraymath")
    finally:
        if absent:
            del sys.modules[_DECLINED]
    return numba


@cache
def cache_folder() -> str:
    """Return where compiled loops are kept: a folder of its own for each state of their sources.

    numba compares the age of the file that holds a loop, and not of those whose loops it calls;
    an upgrade that touches only the latter would go on with the old machine code.
    """
    import platformdirs

    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((root / folder).glob("*.py")):
            text = path.read_bytes()
            if b"compiled" in text:
                digest.update(path.name.encode())
                digest.update(text)
    base = _numba().config.CACHE_DIR or platformdirs.user_cache_path("candela") / "loops"
    return str(Path(base) / digest.hexdigest()[:16])


class _Deferred:
    """A loop, or what loops call, that numba takes over when it is first called.

    Processes that only read what strategies say of themselves, such as the API, shall not hold
    numba: it takes longer to load, and more memory, than all else that they need.
    """

    def __init__(self, function: Callable[..., Any], make: Callable[[], Any]) -> None:
        update_wrapper(self, function)
        self._function = function
        self._make = make
        self._made: Any = None

    def __call__(self, *given: Any, **named: Any) -> Any:
        made = self._made
        return (self.made() if made is None else made)(*given, **named)

    def made(self) -> Any:
        """Return what numba makes of it, always the same."""
        with _MAKING:
            if self._made is None:
                _hand_over(self._function)
                made = self._make()
                # Who looks it up from now on finds it without the step over this object.
                _replace(self._function.__globals__, self._function.__name__, self, made)
                self._made = made
        return self._made


_MAKING: Final = RLock()


def _hand_over(function: Callable[..., Any]) -> None:
    """Let numba find loops where a function names such as wait: it knows none of ours."""
    names = function.__globals__
    for name in _names_of(function.__code__):
        found = names.get(name)
        if isinstance(found, _Deferred) and found._function is not function:  # noqa: SLF001 - its own
            _replace(names, name, found, found.made())


def _names_of(code: CodeType) -> set[str]:
    inner = [_names_of(one) for one in code.co_consts if isinstance(one, CodeType)]
    return {*code.co_names}.union(*inner)


def _replace(names: dict[str, Any], name: str, before: object, after: object) -> None:
    if names.get(name) is before:
        names[name] = after


def compiled(loop: Loop) -> Loop:
    """Compile a loop over arrays when it is first called, or load it from the disk.

    No fast mathematics and no threads: the same numbers give the same bits on one machine. Dividing
    by zero gives an infinity or NaN, as in numpy: a check at each division would stand in the way
    of doing several at once.
    """
    return _later(loop, fastmath=False)


def compiled_sum(loop: Loop) -> Loop:
    """Compile a loop whose additions may be reordered, so that several run side by side.

    For sums that only figures are made of: the last bit may differ between kinds of processors.
    """
    return _later(loop, fastmath={"reassoc", "nsz", "nnan"})


def _later(loop: Loop, *, fastmath: set[str] | bool) -> Loop:
    return cast("Loop", _Deferred(loop, lambda: _compile(loop, fastmath=fastmath)))


def _compile(loop: Callable[..., Any], *, fastmath: set[str] | bool) -> Any:
    # The folder is numba's own setting: other libraries shall keep theirs.
    numba, folder = _numba(), cache_folder()
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(loop)
    finally:
        numba.config.CACHE_DIR = before


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make a function that writes machine code callable from loops."""
    return _Deferred(function, lambda: _numba().extending.intrinsic(function))


def types() -> Any:
    """Return numba's types, for functions that write machine code."""
    return _numba().types


def prune_cache(keep: int = 4) -> None:
    """Remove the loops of older states of their sources, but the newest few."""
    import shutil

    here = Path(cache_folder())
    others = [path for path in here.parent.glob("*") if path.is_dir() and path != here]
    for path in sorted(others, key=lambda one: one.stat().st_mtime_ns)[: -(keep - 1)]:
        shutil.rmtree(path, ignore_errors=True)
