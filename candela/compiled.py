"""The one door to numba: loops compiled once, kept on disk, and run without the global lock."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
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


def _open_numba() -> Any:
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


_numba: Final = _open_numba()
types: Final[Any] = _numba.types
"""numba's types."""


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
    base = _numba.config.CACHE_DIR or platformdirs.user_cache_path("candela") / "loops"
    return str(Path(base) / digest.hexdigest()[:16])


def compiled(loop: Loop) -> Loop:
    """Compile a loop over arrays when it is first called, or load it from the disk.

    No fast mathematics and no threads: the same numbers give the same bits on one machine. Dividing
    by zero gives an infinity or NaN, as in numpy: a check at each division would stand in the way
    of doing several at once.
    """
    return _compile(loop, fastmath=False)


def compiled_sum(loop: Loop) -> Loop:
    """Compile a loop whose additions may be reordered, so that several run side by side.

    For sums that only figures are made of: the last bit may differ between kinds of processors.
    """
    return _compile(loop, fastmath={"reassoc", "nsz", "nnan"})


def _compile(loop: Loop, *, fastmath: set[str] | bool) -> Loop:
    # The folder is numba's own setting: other libraries shall keep theirs.
    before = _numba.config.CACHE_DIR
    folder = cache_folder()
    _numba.config.CACHE_DIR = folder
    try:
        made = _numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(loop)
    finally:
        _numba.config.CACHE_DIR = before
    return cast("Loop", made)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make a function that writes machine code callable from loops."""
    return _numba.extending.intrinsic(function)


def prune_cache(keep: int = 4) -> None:
    """Remove the loops of older states of their sources, but the newest few."""
    import shutil

    here = Path(cache_folder())
    others = [path for path in here.parent.glob("*") if path.is_dir() and path != here]
    for path in sorted(others, key=lambda one: one.stat().st_mtime_ns)[: -(keep - 1)]:
        shutil.rmtree(path, ignore_errors=True)
