"""A batch: checked candles of one series with their source, and what writing them did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.quality.finding import Finding

__all__ = ["Batch", "Source", "Written"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where candles came from.

    Parameters
    ----------
    kind
        How they came.
    name
        File name, or venue and call; shown to people, so never a secret.
    digest
        sha256 of the file or of the answers that were read.
    run_id
        The Dagster run, where one did it.
    """

    kind: Literal["file", "fetch", "repair", "live"]
    name: str
    digest: str
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Checked candles of one series, to be written whole or not at all.

    Parameters
    ----------
    frame
        (n,) rows of CANDLE_SCHEMA, oldest first, each time once, within the covered span.
    covered_from, covered_to
        The span [from, to) that the source answers for: a candle absent from it is known to be
        absent at the source.
    refused
        What the data contract refused; kept in the quarantine.
    """

    instrument: Instrument
    timeframe: Timeframe
    frame: pl.DataFrame
    covered_from: datetime
    covered_to: datetime
    source: Source
    rows_read: int
    refused: tuple[Finding, ...] = ()
    flagged_count: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch did to the store; no batch id where nothing had to be written."""

    batch_id: int | None
    new: int
    changed: int
    unchanged: int
