"""Bars kept on disk as arrays that are mapped, not read: a second run begins at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from backtest.manifest import Gaps
from candela.errors import CandelaError
from candela.market.timeframe import Timeframe
from strategies.bars import COLUMNS, Bars

__all__ = ["BarCache", "Kept", "cache_key"]

_MAGIC: Final = b"CNDLBAR2"
_ALIGNED: Final = 64
_ITEM: Final = 8
_SUFFIX: Final = ".bars"


@dataclass(frozen=True, slots=True)
class Kept:
    """Bars of one instrument with what a manifest says of them."""

    bars: Bars
    digest: str
    gaps: Gaps
    as_of: str | None


def cache_key(
    instrument: str, timeframe: str, since: str | None, until: str | None, as_of: str | None
) -> str:
    """Return the name of a span of candles as they were known at an instant."""
    text = json.dumps([instrument, timeframe, since, until, as_of])
    return hashlib.sha256(text.encode()).hexdigest()


class BarCache:
    """A folder of bars, the least recently used given up over a budget.

    What was known at an instant never changes, so an entry is never wrong: it is there or not. A
    file is written beside and renamed, so that nobody maps half of one. What a disk does to a file
    later shows in its checksum, taken when it is mapped for the first time and again whenever
    somebody else has touched it: 3 ms for half a million bars.

    Parameters
    ----------
    budget
        Bytes kept.
    """

    def __init__(self, folder: Path, budget: int = 2 * 2**30) -> None:
        self.folder = folder
        self.budget = budget
        self._sound: dict[str, int] = {}
        """When each file that was found sound had been touched."""

    def get(self, key: str) -> Kept | None:
        """Return what is kept under the key; None where nothing is, or a file is not whole."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                touched = os.fstat(file.fileno()).st_mtime_ns
                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            kept = _kept_of(view, is_checked=self._sound.get(key) == touched)
            if kept is not None:
                os.utime(path)
                self._sound[key] = path.stat().st_mtime_ns
        except (OSError, ValueError, KeyError, TypeError, CandelaError):
            return None
        return kept

    def put(self, key: str, kept: Kept) -> None:
        """Keep bars; a folder that cannot be written to keeps nothing."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                columns = [
                    np.ascontiguousarray(getattr(kept.bars, column)).data
                    for column in ("time", *COLUMNS)
                ]
                with os.fdopen(handle, "wb") as file:
                    file.write(_head_of(kept, _checksum(*columns)))
                    for column in columns:
                        file.write(column)
                Path(name).replace(self._path(key))
            finally:
                Path(name).unlink(missing_ok=True)
            self._prune()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _prune(self) -> None:
        found = [(path.stat(), path) for path in self.folder.glob(f"*{_SUFFIX}")]
        total = sum(status.st_size for status, _ in found)
        for status, path in sorted(found, key=lambda one: one[0].st_mtime_ns):
            if total <= self.budget:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size


def _checksum(*parts: memoryview) -> int:
    found = 0
    for part in parts:
        found = zlib.crc32(part, found)
    return found


def _head_of(kept: Kept, checksum: int) -> bytes:
    text = json.dumps(
        {
            "instrument": kept.bars.instrument,
            "timeframe": str(kept.bars.timeframe),
            "rows": len(kept.bars),
            "digest": kept.digest,
            "missing": kept.gaps.missing,
            "expected": kept.gaps.expected,
            "first": kept.gaps.first,
            "last": kept.gaps.last,
            "checksum": checksum,
            "as_of": kept.as_of,
        }
    ).encode()
    head = _MAGIC + len(text).to_bytes(_ITEM, "little") + text
    return head + bytes(-len(head) % _ALIGNED)


def _kept_of(view: mmap.mmap, *, is_checked: bool) -> Kept | None:
    start = len(_MAGIC) + _ITEM
    if view[: len(_MAGIC)] != _MAGIC:
        return None
    size = int.from_bytes(view[len(_MAGIC) : start], "little")
    head = cast("dict[str, Any]", json.loads(view[start : start + size]))
    rows = int(head["rows"])
    first = start + size + -(start + size) % _ALIGNED
    if len(view) != first + rows * _ITEM * (1 + len(COLUMNS)):
        return None
    if not is_checked and _checksum(memoryview(view)[first:]) != head["checksum"]:
        return None

    def column(place: int, kind: type[np.generic]) -> npt.NDArray[Any]:
        return np.frombuffer(view, dtype=kind, count=rows, offset=first + place * rows * _ITEM)

    open_, high, low, close, volume = (column(place, np.float64) for place in range(1, 6))
    bars = Bars(
        time=column(0, np.int64),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        timeframe=Timeframe.parse(head["timeframe"]),
        instrument=head["instrument"],
    )
    gaps = Gaps(int(head["missing"]), int(head["expected"]), head["first"], head["last"])
    return Kept(bars, head["digest"], gaps, head["as_of"])
