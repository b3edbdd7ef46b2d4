"""Numbers, spans and instants as a reader wants them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

__all__ = [
    "UNDEFINED",
    "amount",
    "count",
    "day",
    "instant",
    "iso",
    "percent",
    "plain",
    "span",
    "tone",
    "units",
]

UNDEFINED = "undefined"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_S = 365 * 86_400
_DAY_S = 86_400
_HOUR_S = 3_600
_MINUTE_S = 60


def amount(value: float, decimals: int = 2, unit: str = "") -> str:
    """Return ``12,345.67 EUR``; small amounts keep three digits that say something."""
    if not math.isfinite(value):
        return UNDEFINED if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    if value != 0 and abs(value) < 10.0 ** (1 - decimals):
        decimals = min(12, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")  # minus nought is nought
    return f"{text} {unit}" if unit else text


def plain(value: float, decimals: int = 2) -> str:
    """Return a number that counts nothing, such as a Sharpe ratio."""
    if not math.isfinite(value):
        return amount(value)
    text = f"{value:,.{decimals}f}"
    return text if text.strip("-0.,") else text.lstrip("-")


def units(value: float) -> str:
    """Return a quantity with six digits that say something, never in powers of ten."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else amount(value)
    decimals = min(max(5 - math.floor(math.log10(abs(value))), 0), 12)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def percent(ratio: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Return ``12.34 %`` of a ratio, with its sign where asked for."""
    if not math.isfinite(ratio):
        return amount(ratio)
    text = f"{ratio * 100:{'+' if signed else ''},.{decimals}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return f"{text} %"


def count(number: float) -> str:
    """Return ``17,505``."""
    return f"{int(number):,}" if math.isfinite(number) else UNDEFINED


def tone(value: float) -> str:
    """Return the class of style for a gain or a loss."""
    if value > 0:
        return "gain"
    return "loss" if value < 0 else ""


def span(seconds: float) -> str:
    """Return a length of time in its two largest units, such as ``12 d 4 h``, or ``2.5 years``."""
    if not math.isfinite(seconds):
        return UNDEFINED
    if seconds >= _YEAR_S:
        return f"{seconds / _YEAR_S:,.1f} years"
    days, rest = divmod(round(seconds), _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, left = divmod(rest, _MINUTE_S)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    largest = next((place for place, (size, _) in enumerate(parts) if size), 3)
    chosen = [f"{size:,} {unit}" for size, unit in parts[largest : largest + 2] if size]
    return " ".join(chosen) or "0 s"


def _at(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


def instant(microseconds: int) -> str:
    """Return ``2022-01-31 14:00`` in UTC, with seconds where there are any."""
    at = _at(microseconds)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at.second else f"{at:%Y-%m-%d %H:%M}"


def day(microseconds: int) -> str:
    """Return ``2022-01-31``."""
    return f"{_at(microseconds):%Y-%m-%d}"


def iso(microseconds: int) -> str:
    """Return ``2022-01-31T14:00:00Z``."""
    return f"{_at(microseconds):%Y-%m-%dT%H:%M:%SZ}"
