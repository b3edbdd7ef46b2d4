"""The data contract: the one list of named checks that candles pass or fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from candela.market.candle import Flag

__all__ = ["CHECKS", "Check", "Scope", "Severity", "check_named"]

Severity = Literal["refuse", "flag"]
Scope = Literal["file", "row", "series"]


@dataclass(frozen=True, slots=True)
class Check:
    """A named rule, what happens to a row that breaks it, and what it looks at.

    Parameters
    ----------
    severity
        ``refuse``: the row (or file) is not taken; ``flag``: it is stored with a remark.
    flag
        The bit that a stored row carries; None where nothing is stored.
    scope
        What one must see to judge: the file, one row, or the rows of a series together.
    """

    name: str
    severity: Severity
    flag: Flag | None
    scope: Scope
    summary: str


def _refuse(name: str, scope: Scope, summary: str) -> Check:
    return Check(name, "refuse", None, scope, summary)


CHECKS: Final[tuple[Check, ...]] = (
    _refuse("missing_file", "file", "there is a file under that name"),
    _refuse("not_a_file", "file", "the name is that of a plain file"),
    _refuse("no_permission", "file", "the file may be read"),
    _refuse("empty_file", "file", "the file has at least one data row"),
    _refuse("truncated_file", "file", "the file, or its last line, is there to the end"),
    _refuse("not_parquet", "file", "a Parquet file can be decoded"),
    _refuse("encoding", "file", "the bytes are text in a known encoding and compression"),
    _refuse("wrong_header", "file", "time, four prices and volume can be told apart"),
    _refuse("unknown_instrument", "file", "symbol and venue are known"),
    _refuse("unknown_timeframe", "file", "the timeframe is known or can be inferred"),
    _refuse("mixed_timeframes", "file", "a series has one timeframe"),
    _refuse("timestamp_unit_seconds", "file", "epoch times are in the unit agreed, not seconds"),
    _refuse("timestamp_unit_milliseconds", "file", "epoch times are in the unit agreed, not ms"),
    _refuse("timestamp_unit_microseconds", "file", "epoch times are in the unit agreed, not us"),
    _refuse("timestamp_unit_nanoseconds", "file", "epoch times are in the unit agreed, not ns"),
    _refuse("ragged_row", "row", "a line has as many fields as the header"),
    _refuse("bad_instrument", "row", "symbol and venue of the row name an instrument"),
    _refuse("non_numeric", "row", "numbers are numbers and times are times"),
    _refuse("null", "row", "no time, price or reported volume is absent or NaN"),
    _refuse("infinite", "row", "no price or volume is infinite"),
    _refuse("out_of_range", "row", "values fit numeric(38,18), times the years 1700 to 9999"),
    _refuse("negative_price", "row", "no price is below zero"),
    _refuse("zero_price", "row", "no price is zero"),
    _refuse("high_lt_low", "row", "the high is not below the low"),
    _refuse("ohlc_range", "row", "open and close lie between low and high"),
    _refuse("negative_volume", "row", "the volume is not below zero"),
    _refuse("future_timestamp", "row", "the candle does not begin after the present"),
    _refuse("timestamp_off_grid", "row", "the candle begins on the grid of its timeframe"),
    _refuse("unclosed_candle", "row", "the candle has ended"),
    _refuse("duplicate_timestamp", "series", "a time occurs once; the first row is kept"),
    Check("out_of_order", "flag", Flag.OUT_OF_ORDER, "series", "times do not go back"),
    Check("spike", "flag", Flag.SPIKE, "series", "no price leaves its neighbourhood and returns"),
    Check("stale_run", "flag", Flag.STALE_RUN, "series", "candles with volume do not repeat"),
    Check(
        "volume_outlier",
        "flag",
        Flag.VOLUME_OUTLIER,
        "series",
        "no volume is far beyond all its neighbours",
    ),
    Check("truncated_tail", "flag", Flag.TRUNCATED_TAIL, "row", "the last line has its line end"),
    Check("gap", "flag", None, "series", "no candle is absent between two others"),
)
"""Every check, file checks first, then in the order in which they are applied to a row."""

_BY_NAME: Final = {check.name: check for check in CHECKS}


def check_named(name: str) -> Check:
    """Return the check of that name.

    Raises
    ------
    KeyError
        No check has the name: a mistake of the caller, never of the data.
    """
    return _BY_NAME[name]
