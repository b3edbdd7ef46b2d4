"""Series of a file: which instrument and timeframe each row belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from candela.errors import DataError
from candela.files.unreadable import FileUnreadable
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from candela.files.options import ReadOptions

__all__ = ["KEYS", "UNNAMED", "BadKey", "SeriesTable"]

KEYS: Final = ("symbol", "exchange", "timeframe", "instrument")
"""The columns that say to which series a row belongs."""

UNNAMED: Final = Instrument("file", "UNNAMED")
"""Stands for the instrument where a file is only checked and nobody says what it holds."""


@dataclass(frozen=True, slots=True)
class BadKey:
    """A row whose columns name no series."""

    check: str
    column: str
    value: str
    message: str


class SeriesTable:
    """The series met in a file, numbered in the order of their first row.

    Parameters
    ----------
    is_named
        Whether every row needs an instrument; a check of a file does without.
    """

    def __init__(self, options: ReadOptions, *, is_named: bool) -> None:
        self._options = options
        self._is_named = is_named
        self._numbers: dict[tuple[Instrument, Timeframe | None], int] = {}
        self._cache: dict[tuple[str | None, ...], int | BadKey] = {}
        self.instruments: list[Instrument] = []
        self.timeframes: list[Timeframe | None] = []

    def number(self, keys: dict[str, str | None]) -> int | BadKey:
        """Return the number of the series that the key columns of a row name.

        Raises
        ------
        FileUnreadable
            The file says too little, or something else than the caller.
        """
        cached = tuple(keys.get(name, "\0") for name in KEYS)
        found = self._cache.get(cached)
        if found is None:
            found = self._find(keys)
            self._cache[cached] = found
        return found

    def _find(self, keys: dict[str, str | None]) -> int | BadKey:
        for name, value in keys.items():
            if not value:
                return BadKey("null", name, "", f"the {name} is absent.")
        try:
            instrument = self._instrument(keys)
        except FileUnreadable:
            raise
        except DataError as error:
            column = ",".join(name for name in keys if name != "timeframe")
            value = ",".join(str(keys[name]) for name in column.split(","))
            return BadKey("bad_instrument", column, value, error.message)
        timeframe = self._timeframe(keys.get("timeframe"))
        if isinstance(timeframe, BadKey):
            return timeframe
        key = (instrument, timeframe)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self.instruments.append(instrument)
            self.timeframes.append(timeframe)
        return self._numbers[key]

    def _instrument(self, keys: dict[str, str | None]) -> Instrument:
        told = self._options.instrument
        full, symbol, venue = (keys.get(name) for name in ("instrument", "symbol", "exchange"))
        if full is not None:
            return self._agreed(Instrument.parse(full))
        if symbol is None:
            if told is None and self._is_named:
                message = "Neither a column nor an option says which instrument the file holds."
                raise FileUnreadable(
                    "unknown_instrument", message, "Name it: --instrument exchange:SYMBOL."
                )
            base = told or UNNAMED
            if told is not None and venue is not None and venue.lower() != told.venue:
                raise _contradiction(venue, told)
            return base if venue is None else Instrument(venue.lower(), base.symbol)
        venue = venue or self._options.venue or (told.venue if told else None)
        if venue is None:
            if self._is_named:
                message = f"The file names the symbol {symbol!r} but no venue."
                raise FileUnreadable(
                    "unknown_instrument",
                    message,
                    "Name it: --instrument exchange:SYMBOL; several symbols need a venue column.",
                    column="symbol",
                    value=symbol[:80],
                )
            venue = UNNAMED.venue
        return self._agreed(Instrument(venue.lower(), symbol))

    def _agreed(self, found: Instrument) -> Instrument:
        told = self._options.instrument
        if told is None or found == told:
            return found
        if found.venue == told.venue and _letters(found.symbol) == _letters(told.symbol):
            # BTCUSD of a file is the BTC/USD that the caller means.
            return told
        raise _contradiction(str(found), told)

    def _timeframe(self, text: str | None) -> Timeframe | BadKey | None:
        told = self._options.timeframe
        if text is None:
            return told
        try:
            found = Timeframe.parse(text)
        except DataError as error:
            return BadKey("non_numeric", "timeframe", text[:80], error.message)
        if told is not None and found != told:
            message = f"The file says timeframe {found}, the option says {told}."
            raise FileUnreadable(
                "mixed_timeframes", message, "Leave the option out.", column="timeframe", value=text
            )
        return found


def _contradiction(found: str, told: Instrument) -> FileUnreadable:
    message = f"The file says {found[:80]}, the option says {told}."
    return FileUnreadable(
        "unknown_instrument",
        message,
        "Leave the option out, or name the file that is meant.",
        column="symbol",
        value=found[:80],
    )


def _letters(symbol: str) -> str:
    return "".join(letter for letter in symbol.upper() if letter.isalnum())
