"""Glance: how many rows and which digest a file has that could not be read as candles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.files.dialect import SEPARATORS, is_data, is_remark, split_line
from candela.files.opening import open_file
from candela.files.textblocks import TextBlocks
from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from candela.files.opening import Opened

__all__ = ["glance"]


def glance(path: Path) -> tuple[int, str | None]:
    """Count the lines that look like rows and hash the file, as far as that is possible."""
    try:
        opened = open_file(path)
    except FileUnreadable:
        # The caller holds the error that this one repeats.
        return 0, None
    try:
        return _rows(opened), opened.raw.digest()
    finally:
        opened.close()


def _rows(opened: Opened) -> int:
    if opened.kind != "csv":
        return _parquet_rows(opened.path)
    rows, has_begun = 0, False
    try:
        for block in TextBlocks(opened):
            for line in block.decode("utf-8", "replace").split("\n"):
                if not line.strip() or is_remark(line):
                    continue
                has_begun = has_begun or any(is_data(split_line(line, mark)) for mark in SEPARATORS)
                rows += has_begun
    except FileUnreadable:
        return 0
    return rows


def _parquet_rows(path: Path) -> int:
    # Imported here: text files need none of its 30 MB.
    from candela.files.parquetrows import count_rows

    try:
        return count_rows(path)
    except FileUnreadable:
        # The caller holds the error that this one repeats.
        return 0
