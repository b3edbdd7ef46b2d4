"""What a caller may say about a file, and what was found out about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

__all__ = ["Layout", "Order", "ReadOptions", "Unit"]

Unit = Literal["s", "ms", "us", "ns"]
Order = Literal["ascending", "descending", "mixed"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller knows about a file; whatever is None is detected, or the file refused.

    Parameters
    ----------
    instrument
        For files without symbol or venue columns; must agree with the columns where they are.
    venue
        For files with a symbol column alone.
    timeframe
        For files whose timeframe no column tells and no row distance shows.
    unit
        Of whole-number times; milliseconds where neither option nor layout says otherwise.
    columns
        Maps ``time``, ``open``, ``high``, ``low``, ``close``, ``volume`` (and ``symbol``,
        ``exchange``, ``timeframe``) to the names of the file, or to positions from 1 where it has
        no header. An empty name for ``volume`` means that the file has none.
    decimal
        ``.`` or ``,`` where the file leaves that open.
    """

    instrument: Instrument | None = None
    venue: str | None = None
    timeframe: Timeframe | None = None
    unit: Unit | None = None
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    decimal: Literal[".", ","] | None = None


@dataclass(slots=True)
class Layout:
    """What was detected about a file, for people and reports.

    Parameters
    ----------
    name
        A known layout, or ``named columns``.
    columns
        Maps the names of the contract to those of the file (positions from 1 without a header).
    ignored
        Columns of the file that are not read.
    time
        How times are written: ``epoch ms``, ``text, UTC assumed``, ``timestamp``, ...
    order
        ``descending``: newest first, read so; ``mixed``: some rows come after later ones.
    """

    format: Literal["csv", "parquet"]
    name: str = "named columns"
    compression: str | None = None
    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    header_line: int | None = None
    skipped_lines: list[int] = field(default_factory=list[int])
    columns: dict[str, str] = field(default_factory=dict[str, str])
    ignored: list[str] = field(default_factory=list[str])
    time: str = ""
    timeframes: list[str] = field(default_factory=list[str])
    timeframe_from: Literal["option", "column", "inferred"] | None = None
    instruments: list[str] = field(default_factory=list[str])
    order: Order = "ascending"
    has_volume: bool = True

    def as_dict(self) -> dict[str, object]:
        """Return the fields as plain values for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
