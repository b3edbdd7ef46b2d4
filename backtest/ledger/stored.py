"""How values lie in the database: tables as Parquet, reports gzipped, figures as JSON."""

from __future__ import annotations

import gzip
import io
import json
import math
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
from psycopg.types.json import Json, Jsonb

from backtest.canonical import BadFigures, canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

__all__ = [
    "as_figures",
    "exact_json",
    "figures_json",
    "finite_or_none",
    "pack_html",
    "pack_table",
    "records_table",
    "unpack_html",
    "unpack_table",
]

_INFINITE: Final = {"Infinity": math.inf, "-Infinity": -math.inf}
_NAMES: Final = {value: name for name, value in _INFINITE.items()}


def exact_json(value: object) -> Json:
    """Return a value for a column of type json, which keeps the text as it is written here."""
    return Json(value, dumps=canonical)


def figures_json(figures: Mapping[str, Any]) -> Jsonb:
    """Return figures for a column of type jsonb: null where undefined, a text where infinite."""
    return Jsonb({name: _written(value) for name, value in figures.items()}, dumps=canonical)


def as_figures(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as they were before `figures_json`; what was null is NaN."""
    return {
        name: math.nan if value is None else _INFINITE.get(str(value), value)
        for name, value in stored.items()
    }


def finite_or_none(value: float | None) -> float | None:
    """Return a number for a column, None where it is undefined or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)


def records_table(records: npt.NDArray[np.void]) -> pl.DataFrame:
    """Return a structured array as a table, a column for each field.

    Raises
    ------
    BadFigures
        The array has no fields.
    """
    names = records.dtype.names
    if names is None:
        message = f"Trades are an array of {records.dtype} without fields."
        raise BadFigures(message, "Give the records of a simulation, one for each trade.")
    return pl.DataFrame({name: records[name] for name in names})


def pack_table(table: pl.DataFrame) -> bytes:
    """Return a table as Parquet, compressed."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()


def unpack_table(stored: bytes) -> pl.DataFrame:
    """Return the table that `pack_table` packed."""
    return pl.read_parquet(io.BytesIO(stored))


def pack_html(text: str) -> bytes:
    """Return a report gzipped; the same text is always the same bytes."""
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def unpack_html(stored: bytes) -> str:
    """Return the report that `pack_html` packed."""
    return gzip.decompress(stored).decode()


def _written(value: object) -> object:
    plain = json.loads(canonical(value)) if _is_finite(value) else float(cast("float", value))
    if isinstance(plain, float) and not math.isfinite(plain):
        return _NAMES.get(plain)
    return plain


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(cast("float", value))
    except TypeError:  # no number
        return True
