"""Column names: the words that people use for time, prices and volume, and their match."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ALIASES", "AUTO_UNIT", "NEEDED", "Columns", "map_hint", "match_names", "normal"]

NEEDED: Final = ("time", "open", "high", "low", "close", "volume")
"""What every candle file must have; the volume may be waived by mapping it to nothing."""

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    # Best first: the most telling name wins where a file has several times.
    "time": (
        "unix",
        "unix_timestamp",
        "unix_time",
        "unixtime",
        "epoch",
        "mts",
        "timestamp",
        "timestamp_utc",
        "open_time",
        "opentime",
        "kline_open_time",
        "start_time",
        "starttime",
        "period_start",
        "time_period_start",
        "datetime",
        "date_time",
        "datetime_utc",
        "time",
        "time_utc",
        "utc_time",
        "gmt_time",
        "utc",
        "start",
        "date_utc",
        "date",
    ),
    "open": ("open", "open_price", "price_open", "opening_price"),
    "high": ("high", "high_price", "price_high", "highest_price", "highest"),
    "low": ("low", "low_price", "price_low", "lowest_price", "lowest"),
    "close": ("close", "close_price", "price_close", "closing_price"),
    "volume": ("volume", "base_volume", "volume_base", "volume_traded", "trade_volume"),
    "symbol": ("symbol", "pair", "ticker"),
    "exchange": ("exchange", "venue"),
    "timeframe": ("timeframe", "interval"),
    "instrument": ("instrument",),
}
"""Full words only: an abbreviation that may mean two things is asked for, not guessed."""

AUTO_UNIT: Final = frozenset({"unix", "unix_timestamp", "unix_time", "unixtime", "epoch"})
"""Names that promise an epoch but not its unit: the size of the numbers tells it."""

_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "usec", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanoseconds"), "ns"),
}
_VOLUME_OF: Final = re.compile(r"volume_\(?([a-z0-9]{2,10})\)?")
# MetaTrader and Stooq put their names in angle brackets, and only there <VOL> is the volume.
_BRACKETED: Final = {"<vol>": "volume", "<ticker>": "symbol"}


@dataclass(slots=True)
class Columns:
    """Which column of a file holds what.

    Parameters
    ----------
    at
        Position (from 0) of each thing that the file has.
    unit
        The unit that the name of the time column promises: s, ms, us, ns, auto or None.
    clock
        Position of a time of day that completes a date, as MetaTrader and HistData have it.
    volumes
        Positions of volumes named after an asset, such as ``Volume BTC``, where none is plain.
    """

    at: dict[str, int]
    missing: list[str]
    unit: str | None = None
    clock: int | None = None
    volumes: dict[str, int] = field(default_factory=dict[str, int])


def normal(name: str) -> str:
    """Return a column name in the form of the alias table."""
    return re.sub(r"[\s_\-.]+", "_", name.strip().strip("\"'").strip().casefold()).strip("_")


def map_hint(missing: Sequence[str]) -> str:
    """Say how to name the columns that were not found."""
    if list(missing) == ["volume"]:
        return "Name it with --columns volume=NAME, or say that there is none: --columns volume=."
    mapping = ",".join(f"{thing}=NAME" for thing in missing)
    return f"Map the columns that are missing: --columns {mapping}."


def match_names(names: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """Match the names of a file with those of the contract.

    Raises
    ------
    FileUnreadable
        The mapping names what the file does not have, or a name stands twice.
    """
    normals = [normal(name) for name in names]
    found = Columns({}, [])
    for thing, name in mapping.items():
        if thing not in ALIASES:
            message = f"The column mapping names {thing!r}, which candles do not have."
            hint = f"Map {', '.join(NEEDED)}, symbol, exchange or timeframe."
            raise FileUnreadable("wrong_header", message, hint, column="header", value=thing)
        if name or thing != "volume":
            found.at[thing] = _position(names, normals, name)
    open_things = {thing: words for thing, words in ALIASES.items() if thing not in mapping}
    for thing, words in open_things.items():
        at = _first(normals, words)
        if at is not None:
            found.at[thing] = at
    _match_bracketed(normals, open_things, found)
    if "time" not in mapping:
        _match_time(normals, found)
    if "volume" not in found.at and "volume" not in mapping:
        found.volumes = {
            match[1]: at for at, name in enumerate(normals) if (match := _VOLUME_OF.fullmatch(name))
        }
    waived = {"volume"} if found.volumes or mapping.get("volume") == "" else set[str]()
    found.missing = [thing for thing in NEEDED if thing not in found.at and thing not in waived]
    return found


def _match_bracketed(
    normals: list[str], open_things: Mapping[str, tuple[str, ...]], found: Columns
) -> None:
    for at, name in enumerate(normals):
        if not (name.startswith("<") and name.endswith(">")):
            continue
        special = _BRACKETED.get(name)
        for thing in ("time", "open", "high", "low", "close", "volume", "symbol"):
            is_named = thing == special or name[1:-1] in open_things.get(thing, ())
            if is_named and thing in open_things and thing not in found.at:
                found.at[thing] = at


def _match_time(normals: list[str], found: Columns) -> None:
    for at, name in enumerate(normals):
        base, _, ending = name.rpartition("_")
        # A name with its unit is the most telling of all.
        if ending in _UNITS and (base in ALIASES["time"] or base in ("time", "ts")):
            found.at["time"], found.unit = at, _UNITS[ending]
            return
    plain = [name.strip("<>") for name in normals]
    chosen = plain[found.at["time"]] if "time" in found.at else ""
    if "date" in plain and "time" in plain and chosen in ("date", "time"):
        found.at["time"], found.clock = plain.index("date"), plain.index("time")
    elif chosen in AUTO_UNIT:
        found.unit = "auto"
    elif chosen == "mts":
        found.unit = "ms"
    elif {"open_time", "close_time"} <= set(normals) and len(normals) >= 11:  # noqa: PLR2004
        # Binance's archives with a header: milliseconds, and microseconds since 2025.
        found.unit = "auto"


def _position(names: Sequence[str], normals: list[str], name: str) -> int:
    exact = [at for at, other in enumerate(names) if other.strip() == name.strip()]
    near = exact or [at for at, other in enumerate(normals) if other == normal(name)]
    if len(near) == 1:
        return near[0]
    how = "twice" if near else "not"
    message = f"The column {name!r} of the mapping is {how} in the file."
    raise FileUnreadable(
        "wrong_header", message, f"It has: {', '.join(names)}.", column="header", value=name
    )


def _first(normals: list[str], words: tuple[str, ...]) -> int | None:
    for word in words:
        places = [at for at, name in enumerate(normals) if name == word]
        if len(places) > 1:
            message = f"The header names {word!r} {len(places)} times."
            raise FileUnreadable(
                "wrong_header",
                message,
                "Say which one with --columns, or rename one.",
                column="header",
                value=",".join(normals),
            )
        if places:
            return places[0]
    return None
