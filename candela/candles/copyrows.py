"""Candle frames as PostgreSQL binary COPY rows, encoded whole columns at a time."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

__all__ = ["COPY_COLUMNS", "encode"]

COPY_COLUMNS: Final = (
    "time, open, high, low, close, batch_id, instrument_id, timeframe_s, flags, volume"
)
"""The columns of market.candles in the order that `encode` writes them."""

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TRAILER: Final = struct.pack(">h", -1)
# PostgreSQL counts microseconds from 2000-01-01, polars from 1970-01-01.
_EPOCH_SHIFT_US: Final = 946_684_800_000_000
_FIELDS: Final = (
    ("time", ">i8"),
    ("open", ">f8"),
    ("high", ">f8"),
    ("low", ">f8"),
    ("close", ">f8"),
    ("batch_id", ">i8"),
    ("instrument_id", ">i4"),
    ("timeframe_s", ">i4"),
    ("flags", ">i4"),
)
_ROWS_A_PIECE: Final = 16_384


def _row_type(*, has_volume: bool) -> np.dtype[np.void]:
    parts: list[tuple[str, str]] = [("count", ">i2")]
    for name, kind in _FIELDS:
        parts += [(f"{name}_size", ">i4"), (name, kind)]
    parts.append(("volume_size", ">i4"))
    if has_volume:
        parts.append(("volume", ">f8"))
    return np.dtype(parts)


_WITH_VOLUME: Final = _row_type(has_volume=True)
_WITHOUT_VOLUME: Final = _row_type(has_volume=False)


def _template(rows: int, row_type: np.dtype[np.void]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return rows whose sizes and counts are set; one is reused for every piece."""
    piece = np.zeros(rows, dtype=row_type)
    piece["count"] = len(_FIELDS) + 1
    for name, kind in _FIELDS:
        piece[f"{name}_size"] = np.dtype(kind).itemsize
    piece["volume_size"] = 8 if row_type is _WITH_VOLUME else -1
    return piece


def _pieces(
    frame: pl.DataFrame, row_type: np.dtype[np.void], keys: tuple[int, int, int]
) -> Iterator[memoryview]:
    columns = {
        "time": frame["time"].to_physical().to_numpy() - _EPOCH_SHIFT_US,
        **{name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "flags")},
    }
    if row_type is _WITH_VOLUME:
        columns["volume"] = frame["volume"].to_numpy()
    piece = _template(min(_ROWS_A_PIECE, frame.height), row_type)
    piece["batch_id"], piece["instrument_id"], piece["timeframe_s"] = keys
    for start in range(0, frame.height, _ROWS_A_PIECE):
        stop = min(start + _ROWS_A_PIECE, frame.height)
        part = piece[: stop - start]
        for name, values in columns.items():
            part[name] = values[start:stop]
        # A copy: the next turn overwrites the piece while libpq may still hold this one.
        yield memoryview(part.tobytes())


def encode(
    frame: pl.DataFrame, *, batch_id: int, instrument_id: int, timeframe_s: int
) -> Iterator[bytes | memoryview]:
    """Yield a whole binary COPY stream for a candle frame, piece by piece.

    Parameters
    ----------
    frame
        (n,) rows of CANDLE_SCHEMA. A null volume is written as NULL; such rows come last, since
        rows of one width are encoded together and a table has no order.
    """
    keys = (batch_id, instrument_id, timeframe_s)
    yield _HEADER
    missing = frame["volume"].null_count()
    if missing == 0:
        yield from _pieces(frame, _WITH_VOLUME, keys)
    elif missing == frame.height:
        yield from _pieces(frame, _WITHOUT_VOLUME, keys)
    else:
        has_volume = frame["volume"].is_not_null()
        yield from _pieces(frame.filter(has_volume), _WITH_VOLUME, keys)
        yield from _pieces(frame.filter(~has_volume), _WITHOUT_VOLUME, keys)
    yield _TRAILER
