"""Export of candles to CSV and Parquet: written beside the target, then moved into place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from candela.errors import Conflict, DataError

if TYPE_CHECKING:
    from candela.candles.read import Candles

__all__ = ["CannotExport", "FileExists", "export_candles"]

_WRITERS: Final = (".parquet", ".csv", ".csv.gz")


class FileExists(Conflict):
    """The target of an export is there already."""

    code = "file_exists"


class CannotExport(DataError):
    """The target's ending names no format, or its folder cannot be written."""

    code = "cannot_export"


def export_candles(candles: Candles, path: Path, *, overwrite: bool = False) -> int:
    """Write candles to a file by the ending of its name and return the number of rows.

    The columns are symbol, exchange, time, open, high, low, close, volume, as the import reads
    them; CSV times are ISO 8601 in UTC. A failed export leaves nothing behind.

    Raises
    ------
    FileExists
        The file is there and may not be replaced.
    CannotExport
        The ending is none of .parquet, .csv and .csv.gz, the name is that of a folder, or the
        folder cannot be written.
    """
    ending = next((one for one in _WRITERS if path.name.endswith(one)), None)
    if ending is None:
        message = f"{path.name!r} does not say in which format to write."
        raise CannotExport(message, f"End the name in {', '.join(_WRITERS)}.")
    if path.is_dir():
        message = f"{path} is a folder."
        raise CannotExport(message, "Name a file in it.")
    if path.exists() and not overwrite:
        raise FileExists(f"{path} exists.", "Choose another name or pass --overwrite.")
    frame = candles.frame.select(
        symbol=pl.lit(candles.instrument.symbol),
        exchange=pl.lit(candles.instrument.venue),
        time=pl.col("time"),
        open=pl.col("open"),
        high=pl.col("high"),
        low=pl.col("low"),
        close=pl.col("close"),
        volume=pl.col("volume"),
    )
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        message = f"{path.parent} cannot be written: {error.strerror}."
        raise CannotExport(message, "Choose a folder that exists and is yours.") from None
    os.close(handle)
    written = Path(name)
    try:
        if ending == ".parquet":
            frame.write_parquet(written, compression="zstd")
        else:
            compression = "gzip" if ending == ".csv.gz" else "uncompressed"
            frame.write_csv(
                written,
                datetime_format="%Y-%m-%dT%H:%M:%SZ",
                compression=compression,
                check_extension=False,
            )
        written.chmod(0o644)
        written.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise CannotExport(message, "Make room, or choose another folder.") from error
    finally:
        written.unlink(missing_ok=True)
    return frame.height
