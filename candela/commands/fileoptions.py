"""Options that say what a candle file is, where the file itself does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast, get_args

import typer

from candela.errors import DataError

if TYPE_CHECKING:
    from candela.files.options import ReadOptions, Unit

__all__ = [
    "BadOption",
    "ColumnsOption",
    "DecimalOption",
    "InstrumentOption",
    "TimeframeOption",
    "UnitOption",
    "VenueOption",
    "file_options",
]

InstrumentOption = Annotated[
    str | None,
    typer.Option("--instrument", "-i", help="exchange:SYMBOL, where the file does not say."),
]
TimeframeOption = Annotated[
    str | None, typer.Option("--timeframe", "-t", help="Such as 1m or 1h; else found in the file.")
]
UnitOption = Annotated[
    str | None, typer.Option("--unit", help="Unit of whole-number times: s, ms, us or ns.")
]
ColumnsOption = Annotated[
    str | None,
    typer.Option("--columns", help="Which columns are what, such as time=ts,open=o,high=hi."),
]
VenueOption = Annotated[
    str | None, typer.Option("--venue", help="Venue, where the file has a symbol column alone.")
]
DecimalOption = Annotated[
    str | None,
    typer.Option("--decimal", help="Decimal mark, . or , where the file leaves it open."),
]


class BadOption(DataError):
    """An option says something that cannot be understood."""

    code = "bad_option"
    # As for other mistakes on the command line: 1 would say that the file has findings.
    exit_code: ClassVar[int] = 2


def file_options(
    *,
    instrument: str | None = None,
    venue: str | None = None,
    timeframe: str | None = None,
    unit: str | None = None,
    columns: str | None = None,
    decimal: str | None = None,
) -> ReadOptions:
    """Read the options about a file.

    Raises
    ------
    BadOption
        The unit or the decimal mark is unknown, the instrument, venue or timeframe is none, or
        the columns are not name=column pairs.
    """
    from candela.files.options import ReadOptions, Unit
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

    if unit is not None and unit not in get_args(Unit):
        message = f"--unit {unit} is not a unit of time."
        raise BadOption(message, f"One of {', '.join(get_args(Unit))}.")
    if decimal not in {None, ".", ","}:
        message = f"--decimal {decimal} is not a decimal mark."
        raise BadOption(message, "Either . or , is.")
    try:
        name = Instrument.parse(instrument) if instrument else None
        length = Timeframe.parse(timeframe) if timeframe else None
        if venue:
            # Any symbol will do: only the venue is looked at.
            Instrument(venue.lower(), "X")
    except DataError as error:
        raise BadOption(error.message, error.hint) from None
    return ReadOptions(
        venue=venue.lower() if venue else None,
        decimal=cast('Literal[".", ","] | None', decimal),
        instrument=name,
        timeframe=length,
        unit=cast("Unit | None", unit),
        columns=_columns(columns),
    )


def _columns(text: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in (text or "").split(","):
        if not pair.strip():
            continue
        name, equals, column = pair.partition("=")
        if not equals or not name.strip():
            message = f"--columns {text!r} is not understood at {pair!r}."
            raise BadOption(message, "Write pairs, such as time=ts,open=o,high=hi,low=lo,close=c.")
        found[name.strip()] = column.strip()
    return found
