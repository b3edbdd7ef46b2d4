"""Funding files: rates of perpetuals, from CSV or Parquet, each row judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from candela.errors import DataError
from candela.files.names import normal
from candela.files.opening import open_file
from candela.files.parquetrows import parquet_frame
from candela.files.textblocks import TextBlocks
from candela.files.times import rule_for_epochs, rule_for_texts
from candela.files.typedtimes import from_timestamps
from candela.files.unreadable import FileUnreadable
from candela.market.instrument import Instrument
from candela.quality.finding import Finding
from candela.quality.rows import EARLIEST_US, LATEST_US, NO_TIME, instant, to_micros

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from candela.clock import Clock
    from candela.files.options import Unit

__all__ = ["FUNDING_SCHEMA", "FundingRates", "read_funding"]

FUNDING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "symbol": pl.String(),
    "exchange": pl.String(),
    "time": pl.Datetime("us", "UTC"),
    "funding_rate": pl.Float64(),
}
"""One row a settlement; the rate is the share of the position's value, positive: longs pay."""

_ALIASES: Final = {
    "symbol": ("symbol", "pair", "ticker"),
    "exchange": ("exchange", "venue"),
    "time": ("time", "timestamp", "funding_time", "datetime", "date"),
    "funding_rate": ("funding_rate", "fundingrate", "rate"),
}
_LARGEST_RATE: Final = 1.0


@dataclass(frozen=True, slots=True)
class FundingRates:
    """The settlements of a file.

    Parameters
    ----------
    frame
        FUNDING_SCHEMA, sorted by exchange, symbol and time; each of these once.
    refused
        One finding per row and check.
    rows
        Rows of the file: each is in the frame or has a finding.
    """

    frame: pl.DataFrame
    refused: list[Finding]
    rows: int
    digest: str


def read_funding(
    path: Path, clock: Clock | None = None, *, unit: Unit | None = None
) -> FundingRates:
    """Read funding rates.

    Parameters
    ----------
    clock
        Tells which settlements lie in the future and are refused; None: not looked at.
    unit
        Of whole-number times; milliseconds if not given.

    Raises
    ------
    FileUnreadable
        The file as a whole cannot be taken.
    """
    opened = open_file(path)
    try:
        if opened.kind == "parquet":
            frame = parquet_frame(path)
            first_line = None
        else:
            frame = _from_text(path, b"".join(TextBlocks(opened)))
            first_line = 2
        digest = opened.raw.digest()
    finally:
        opened.close()
    frame = _named(frame)
    if not frame.height:
        message = f"{path.name} has columns but no rows."
        raise FileUnreadable("empty_file", message, "Get the file again from its source.")
    now_us = LATEST_US if clock is None else to_micros(clock.now())
    return _judged(frame, _times(frame["time"], unit), now_us, first_line, digest)


def _from_text(path: Path, text: bytes) -> pl.DataFrame:
    separator = max(",;\t|", key=lambda mark: text.partition(b"\n")[0].count(mark.encode()))
    try:
        return pl.read_csv(text, separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        message = f"{path.name} is no table: {str(error).partition(chr(10))[0]}."
        raise FileUnreadable("ragged_row", message, "Each line needs as many fields.") from error


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    normals = {normal(name): name for name in reversed(frame.columns)}
    chosen: dict[str, str] = {}
    for thing, words in _ALIASES.items():
        name = next((normals[word] for word in words if word in normals), None)
        if name is None:
            message = f"The columns ({', '.join(frame.columns)[:200]}) name no {thing}."
            hint = f"Call it {words[0]}."
            raise FileUnreadable("wrong_header", message, hint, column="header", line=1)
        chosen[thing] = name
    return frame.select(pl.col(name).alias(thing) for thing, name in chosen.items())


def _times(column: pl.Series, unit: Unit | None) -> NDArray[np.int64]:
    if isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date:
        return from_timestamps(column)
    if column.dtype.is_integer():
        rule = rule_for_epochs(column.drop_nulls().head(1_000).to_list(), None, unit)
        return rule.from_epochs(column.cast(pl.Int64).fill_null(NO_TIME).to_numpy())[0]
    texts = column.cast(pl.String).str.strip_chars().replace({"": None})
    return rule_for_texts(texts.drop_nulls().head(1_000).to_list(), None, unit).from_texts(texts)[0]


def _judged(
    frame: pl.DataFrame,
    time: NDArray[np.int64],
    now_us: int,
    first_line: int | None,
    digest: str,
) -> FundingRates:
    rates = frame["funding_rate"]
    texts = rates.cast(pl.String)
    rate = rates.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    absent = (texts.is_null() | texts.str.to_lowercase().is_in(["", "nan", "null"])).to_numpy()
    unread = np.isnan(rate) & ~absent
    lost = (time == NO_TIME) | (time < EARLIEST_US) | (time > LATEST_US)
    future = ~lost & (time > now_us)
    names = _instruments(frame)
    checks: list[tuple[str, str, NDArray[np.bool_], str]] = [
        ("bad_instrument", "symbol,exchange", names == "", "symbol and venue name no instrument"),
        ("null", "timestamp", lost, "the time is absent or no instant"),
        ("future_timestamp", "timestamp", future, "the settlement lies in the future"),
        ("null", "funding_rate", absent, "the rate is absent"),
        ("non_numeric", "funding_rate", unread, "the rate is not a number"),
        ("infinite", "funding_rate", np.isinf(rate), "the rate is infinite"),
        (
            "out_of_range",
            "funding_rate",
            np.isfinite(rate) & (np.abs(rate) > _LARGEST_RATE),
            "the rate is beyond the whole position",
        ),
    ]
    refused: list[Finding] = []
    bad = np.zeros(frame.height, np.bool_)
    for check, column, mask, says in checks:
        for at in np.flatnonzero(mask & ~bad):
            value = str(texts[int(at)] if column == "funding_rate" else frame["time"][int(at)])
            refused.append(_finding(int(at), first_line, column, check, value, says, time))
        bad |= mask
    order = np.lexsort((np.arange(frame.height), time, names))
    order = order[~bad[order]]
    same = np.concatenate(
        [[False], (time[order][1:] == time[order][:-1]) & (names[order][1:] == names[order][:-1])]
    )[: len(order)]
    for at in order[same]:
        value, says = str(frame["time"][int(at)]), "the settlement stands in a row before"
        refused.append(
            _finding(int(at), first_line, "timestamp", "duplicate_timestamp", value, says, time)
        )
    kept = order[~same]
    taken = pl.DataFrame(
        [
            frame["symbol"].cast(pl.String)[kept.tolist()],
            frame["exchange"].cast(pl.String)[kept.tolist()],
            pl.Series("time", time[kept]).cast(pl.Datetime("us", "UTC")),
            pl.Series("funding_rate", rate[kept]),
        ]
    )
    refused.sort(key=lambda finding: finding.row or 0)
    return FundingRates(taken, refused, frame.height, digest)


def _instruments(frame: pl.DataFrame) -> NDArray[np.str_]:
    """Return the name of each row's instrument, empty where there is none."""
    pairs = frame.select(
        pl.concat_str(
            pl.col("exchange").cast(pl.String), pl.lit(":"), pl.col("symbol").cast(pl.String)
        ).fill_null("")
    ).to_series()
    known: dict[str, str] = {}
    for text in pairs.unique():
        try:
            known[text] = str(Instrument.parse(text))
        except DataError:
            # The row gets its own finding.
            known[text] = ""
    return np.array([known[text] for text in pairs])


def _finding(
    at: int,
    first_line: int | None,
    column: str,
    check: str,
    value: str,
    says: str,
    time: NDArray[np.int64],
) -> Finding:
    line = None if first_line is None else at + first_line
    stamp = int(time[at])
    when = None if stamp == NO_TIME else instant(stamp)
    return Finding(at + 1, line, column, check, value[:80], f"{says} ({value[:80]}).", when)
