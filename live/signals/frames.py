"""Frames between the executor and the process that runs strategies: JSON, and arrays as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["SeriesRows", "decode_rows", "encode", "read_frame"]

_COLUMNS: Final = 5


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """Candles of one series as arrays, oldest first.

    Parameters
    ----------
    time
        (n,) int64 microseconds since 1970 UTC.
    values
        (5, n) float64: open, high, low, close, volume.
    """

    instrument: str
    timeframe_s: int
    time: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def last(self, rows: int) -> SeriesRows:
        """Return the last rows; all where there are fewer."""
        return SeriesRows(
            self.instrument, self.timeframe_s, self.time[-rows:], self.values[:, -rows:]
        )


def encode(message: Mapping[str, Any], series: Sequence[SeriesRows]) -> bytes:
    """Return a frame: length of the JSON, length of the arrays, both parts."""
    head = dict(message)
    head["series"] = [[one.instrument, one.timeframe_s, len(one.time)] for one in series]
    text = json.dumps(head, separators=(",", ":")).encode()
    arrays = b"".join(
        part
        for one in series
        for part in (
            np.ascontiguousarray(one.time, dtype="<i8").tobytes(),
            np.ascontiguousarray(one.values, dtype="<f8").tobytes(),
        )
    )
    return len(text).to_bytes(4, "little") + len(arrays).to_bytes(8, "little") + text + arrays


def read_frame(read: Callable[[int], bytes]) -> tuple[dict[str, Any], list[SeriesRows]] | None:
    """Read one frame; None at the end of the pipe."""
    sizes = read(12)
    if len(sizes) < 12:  # noqa: PLR2004 - 4 and 8 bytes
        return None
    message: dict[str, Any] = json.loads(read(int.from_bytes(sizes[:4], "little")))
    return message, decode_rows(message["series"], read(int.from_bytes(sizes[4:], "little")))


def decode_rows(shapes: Sequence[Sequence[Any]], data: bytes) -> list[SeriesRows]:
    """Return the series of a frame; the arrays are views that nobody can write into."""
    found: list[SeriesRows] = []
    at = 0
    for instrument, timeframe_s, rows in shapes:
        time = np.frombuffer(data, dtype="<i8", count=rows, offset=at)
        values = np.frombuffer(data, dtype="<f8", count=rows * _COLUMNS, offset=at + rows * 8)
        found.append(SeriesRows(instrument, timeframe_s, time, values.reshape(_COLUMNS, rows)))
        at += rows * 8 * (1 + _COLUMNS)
    return found
