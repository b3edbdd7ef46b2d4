"""Times: how a file writes them, found out from a sample, and their reading."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import polars as pl

from candela.files.unreadable import FileUnreadable
from candela.quality.rows import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from candela.files.options import Unit

__all__ = ["UNIT_CHECK", "TimeRule", "rule_for_epochs", "rule_for_texts"]

_FACTOR: Final[dict[Unit, int]] = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}
_WORD: Final[dict[Unit, str]] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
UNIT_CHECK: Final[dict[Unit, str]] = {
    unit: f"timestamp_unit_{word}" for unit, word in _WORD.items()
}
# From 1973 on, the size of an epoch tells its unit: each unit has three decades to itself.
_BAND: Final[dict[Unit, tuple[int, int]]] = {
    "s": (10**8, 10**11),
    "ms": (10**11, 10**14),
    "us": (10**14, 10**17),
    "ns": (10**17, 2**63),
}
_PER_SECOND: Final[dict[Unit, int]] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIVE_YEARS_S: Final = 5 * 365 * 86_400

_INTEGER: Final = re.compile(r"[+-]?\d+(?:\.0*)?")
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d+")
_DATE: Final = re.compile(
    r"\d{4}([-/.])\d{2}\1\d{2}(?:([T ])\d{2}:\d{2}(:\d{2})?(\.\d+)?)?"
    r"( ?Z| ?UTC| ?GMT| ?[+-]\d{2}:\d{2}| ?[+-]\d{4}| ?[+-]\d{2})?"
)
_COMPACT: Final = re.compile(r"(?:19|20)\d{6}(?:([T ]?)\d{2}(:?)\d{2}(?:\2(\d{2}))?(Z?))?")
_DAY_FIRST: Final = re.compile(r"\d{2}\.\d{2}\.\d{4}(?:([T ])\d{2}:\d{2}(:\d{2})?(\.\d+)?)?")
_HINT: Final = (
    "Times are read as ISO 8601 (2018-02-06 00:00:00), 20180206 000000, 06.02.2018 00:00 or"
    " whole numbers since 1970."
)


@dataclass(slots=True)
class TimeRule:
    """The way in which a file writes its times.

    Parameters
    ----------
    unit
        Of whole numbers; None where times are texts.
    formats
        The formats seen in the sample, commonest first: the quick way for most cells.
    """

    unit: Unit | None
    label: str
    formats: list[str] = field(default_factory=list[str])
    _last: int | None = None

    def from_epochs(self, epochs: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[int, str]]:
        """Turn whole numbers in file order (NO_TIME: absent) into microseconds.

        Returns
        -------
        The times, and by place the check that a number breaks.

        Raises
        ------
        ValueError
            The rule is one for texts: a mistake of the caller.
        """
        if self.unit is None:
            message = "whole numbers cannot be read by a rule for texts"
            raise ValueError(message)
        if not len(epochs):
            return epochs, {}
        faults: dict[int, str] = {}
        low, high = _BAND[self.unit]
        clean = epochs.min() >= low and epochs.max() < high
        if clean:
            self._last = int(epochs[-1])
        else:
            faults = self._strays(epochs)
        if self.unit == "ns":
            micros = epochs // 1_000
            # Whole grids are even microseconds: an odd one keeps a lost fraction off the grid.
            micros |= (epochs % 1_000 != 0).astype(np.int64)
        else:
            micros = epochs * _FACTOR[self.unit]
        if not clean:
            lost = (epochs == NO_TIME) | np.isin(np.arange(len(epochs)), list(faults))
            micros = np.where(lost, NO_TIME, micros)
        return micros, faults

    def _strays(self, epochs: NDArray[np.int64]) -> dict[int, str]:
        unit = cast("Unit", self.unit)
        low, high = _BAND[unit]
        faults: dict[int, str] = {}
        usual = (epochs >= low) & (epochs < high)
        before = np.maximum.accumulate(np.where(usual, np.arange(len(epochs)), -1))
        odd, odd_at = self._last, -1
        strays = np.flatnonzero(~usual & (epochs != NO_TIME))
        if self._last is None and usual.any():
            # Nothing stands before the first ones: what follows them is what they must be near.
            first = int(np.argmax(usual))
            near = int(epochs[first])
            for at in strays[strays < first][::-1]:
                check = _stray(int(epochs[at]), unit, near)
                if check is None:
                    near = int(epochs[at])
                else:
                    faults[int(at)] = check
            strays = strays[strays > first]
        for at in strays:
            value = int(epochs[at])
            near = int(epochs[before[at]]) if before[at] > odd_at else odd
            if near is None and at + 1 < len(epochs):
                near = int(epochs[at + 1])
            check = _stray(value, unit, near)
            if check is None:
                odd, odd_at = value, int(at)
            else:
                faults[int(at)] = check
        self._last = int(epochs[before[-1]]) if before[-1] > odd_at else odd
        return faults

    def from_texts(self, texts: pl.Series) -> tuple[NDArray[np.int64], dict[int, str]]:
        """Turn trimmed texts in file order (null: absent) into microseconds."""
        if self.unit is not None:
            return self._epoch_texts(texts)
        micros: pl.Series | None = None
        for form in self.formats or ["%Y-%m-%d %H:%M:%S"]:
            parsed = _parse(texts, form)
            micros = parsed if micros is None else micros.zip_with(micros.is_not_null(), parsed)
            if micros.null_count() == texts.null_count():
                break
        if micros is None:
            return np.full(len(texts), NO_TIME), {}
        values = micros.fill_null(NO_TIME).to_numpy().copy()
        faults: dict[int, str] = {}
        if micros.null_count() > texts.null_count():
            for at in np.flatnonzero((micros.is_null() & texts.is_not_null()).to_numpy()):
                form = _format_of(texts[int(at)])
                single = None if form is None else _parse(texts[int(at) : int(at) + 1], form)[0]
                if single is None:
                    faults[int(at)] = "non_numeric"
                else:
                    values[at] = single
        return values, faults

    def _epoch_texts(self, texts: pl.Series) -> tuple[NDArray[np.int64], dict[int, str]]:
        whole = texts.str.contains(f"^{_INTEGER.pattern}$").fill_null(value=False)
        epochs = (
            pl.select(pl.when(whole).then(texts.str.replace(r"\.0*$", "")))
            .to_series()
            .cast(pl.Int64, strict=False)
        )
        unread = (epochs.is_null() & texts.is_not_null()).to_numpy()
        micros, faults = self.from_epochs(epochs.fill_null(NO_TIME).to_numpy())
        for at in np.flatnonzero(unread):
            # Digits that do not fit 64 bits are a number, if no instant.
            faults[int(at)] = "out_of_range" if whole[int(at)] else "non_numeric"
        return micros, faults


def _stray(value: int, unit: Unit, last: int | None) -> str | None:
    """Name the check that a number outside the usual size breaks, or None if it may stand."""
    size = abs(value)
    if size >= _BAND[unit][1]:
        seen = _unit_of(size)
        return "out_of_range" if seen is None or seen == unit else UNIT_CHECK[seen]
    # A small number is a date before 1973, unless it stands beside one far from it.
    reach = _FIVE_YEARS_S * _PER_SECOND[unit]
    if last is None or last == NO_TIME or abs(value - last) <= reach:
        return None
    seen = _unit_of(size)
    if seen is not None and seen != unit:
        scaled = value * (_PER_SECOND[unit] / _PER_SECOND[seen])
        if abs(scaled - last) <= reach:
            return UNIT_CHECK[seen]
    return "out_of_range"


def _unit_of(size: int) -> Unit | None:
    for unit, (low, high) in _BAND.items():
        if low <= size < high:
            return unit
    return None


def rule_for_epochs(sample: Sequence[int], promised: str | None, option: Unit | None) -> TimeRule:
    """Decide the unit of whole numbers.

    Parameters
    ----------
    promised
        What the layout or the name of the column promises: a unit, ``auto``, or None for the
        contract's milliseconds.
    option
        What the caller says, which wins.

    Raises
    ------
    FileUnreadable
        The numbers have another size than the unit agreed.
    """
    if option is not None:
        return TimeRule(option, f"epoch {option}")
    middle = sorted(abs(value) for value in sample)[len(sample) // 2] if sample else 0
    seen = _unit_of(middle)
    agreed = (seen or "s") if promised == "auto" else cast("Unit", promised or "ms")
    if sample and seen != agreed:
        _refuse_unit(sample, seen, agreed)
    return TimeRule(agreed, f"epoch {agreed}")


def _refuse_unit(sample: Sequence[int], seen: Unit | None, agreed: Unit) -> None:
    value = str(sample[0])
    if seen is None:
        message = f"Times such as {value} are no instants of a market."
        raise FileUnreadable("out_of_range", message, _HINT, column="timestamp", value=value, row=1)
    message = f"Times such as {value} are {_WORD[seen]}, where {_WORD[agreed]} are agreed."
    raise FileUnreadable(
        UNIT_CHECK[seen],
        message,
        f"If they are {_WORD[seen]} since 1970, read the file with --unit {seen}.",
        column="timestamp",
        value=value,
    )


def rule_for_texts(sample: Sequence[str], promised: str | None, option: Unit | None) -> TimeRule:
    """Decide how texts (trimmed, none empty) are read as times.

    Raises
    ------
    FileUnreadable
        Most of them are neither whole numbers nor a form that means one instant only.
    """
    forms: dict[str, int] = {}
    for text in sample:
        form = _format_of(text)
        if form is not None:
            forms[form] = forms.get(form, 0) + 1
    half = len(sample) / 2
    dated = sum(forms.values())
    whole = [text for text in sample if _INTEGER.fullmatch(text)]
    # 20180206 is a date; it is a number only to somebody who says so.
    if dated > half and option is None and promised is None:
        ordered = sorted(forms, key=lambda form: -forms[form])
        offset = any(form.endswith("z") for form in ordered) or any(
            form.endswith(("Z", "UTC", "GMT")) for form in ordered
        )
        return TimeRule(None, "text with offset" if offset else "text, UTC assumed", ordered)
    if len(whole) >= half:
        numbers = [int(text.partition(".")[0]) for text in whole]
        return rule_for_epochs(numbers, promised, option)
    if dated > half:
        return TimeRule(None, "text, UTC assumed", sorted(forms, key=lambda form: -forms[form]))
    odd = next(text for text in sample if _format_of(text) is None)
    if _SCIENTIFIC.fullmatch(odd):
        message = f"Times such as {odd[:40]!r} are in scientific notation, which may lack digits."
        hint = "Write them as whole numbers."
        raise FileUnreadable("non_numeric", message, hint, column="timestamp", value=odd[:80])
    message = f"Times such as {odd[:40]!r} are not read: they may mean several instants, or none."
    raise FileUnreadable("non_numeric", message, _HINT, column="timestamp", value=odd[:80])


def _format_of(text: str) -> str | None:
    """Return the one format that a text can have, or None."""
    if match := _DATE.fullmatch(text):
        mark, gap, seconds, fraction, zone = match.groups()
        form = f"%Y{mark}%m{mark}%d"
        if gap is None:
            return form if zone is None else None
        form += f"{gap}%H:%M" + (":%S" if seconds else "") + ("%.f" if fraction else "")
        return form + _zone(zone)
    if match := _DAY_FIRST.fullmatch(text):
        gap, seconds, fraction = match.groups()
        form = "%d.%m.%Y"
        if gap is not None:
            form += f"{gap}%H:%M" + (":%S" if seconds else "") + ("%.f" if fraction else "")
        return form
    if match := _COMPACT.fullmatch(text):
        gap, colon, seconds, zone = match.groups()
        if gap is None:
            return "%Y%m%d"
        return f"%Y%m%d{gap}%H{colon}%M" + (f"{colon}%S" if seconds else "") + zone
    return None


def _zone(zone: str | None) -> str:
    if zone is None:
        return ""
    blank = " " if zone.startswith(" ") else ""
    zone = zone.strip()
    if zone in ("Z", "UTC", "GMT"):
        return blank + zone
    if ":" in zone:
        return blank + "%:z"
    return blank + ("%z" if len(zone) == 5 else "%#z")  # noqa: PLR2004


def _parse(texts: pl.Series, form: str) -> pl.Series:
    """Parse by one format; what does not fit becomes null. Microseconds since the epoch."""
    # The parser takes 60 seconds for the next minute, whose candle stands in another row.
    if "%S" in form and (leaping := texts.str.contains(":60", literal=True)).any():
        texts = pl.select(pl.when(~leaping).then(texts)).to_series()
    if "%H" not in form:
        days = texts.str.to_date(form, strict=False)
        return days.cast(pl.Datetime("us")).to_physical()
    return texts.str.to_datetime(form, strict=False, time_unit="us").to_physical()
