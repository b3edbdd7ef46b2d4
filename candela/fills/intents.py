"""Intents: the decisions of a strategy over bars, checked before anything is simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError

__all__ = ["BadIntents", "Intents"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
AnyScalar = TypeVar("AnyScalar", bound=np.generic)

_CONDITIONS: Final = ("long_entry", "long_exit", "short_entry", "short_exit")
_NEVER: Final = np.zeros(1, np.bool_)
_NEVER.flags.writeable = False
_ABSENT: Final = np.full(1, np.nan)
_ABSENT.flags.writeable = False
# Name, whether 0 is allowed, the largest value.
_NUMBERS: Final = (
    ("size", True, np.inf),
    ("stop_loss", False, np.inf),
    ("take_profit", False, np.inf),
    ("trailing_stop", False, np.inf),
    ("limit_price", False, np.inf),
    ("exit_fraction", False, 1.0),
)


class BadIntents(StrategyError):
    """What a strategy gave cannot be simulated."""

    code = "bad_intents"


@dataclass(frozen=True, slots=True)
class Intents:
    """What is wanted at the close of each bar.

    Parameters
    ----------
    long_entry, long_exit, short_entry, short_exit
        ``(n,)`` conditions; None: never.
    size
        In place of the model's ``Sizing.value`` for an entry; in these all, one number stands for
        every bar, NaN for not given.
    stop_loss, take_profit, trailing_stop
        Ratios of the fill price, above 0, read at the decision of the position's first entry.
    limit_price
        Quote; makes entries of that bar limit orders.
    exit_fraction
        Share of the units held that an exit closes, above 0 to 1.
    legs
        Entries that a position may have.
    """

    long_entry: Bools | None = None
    long_exit: Bools | None = None
    short_entry: Bools | None = None
    short_exit: Bools | None = None
    size: Floats | float | None = None
    stop_loss: Floats | float | None = None
    take_profit: Floats | float | None = None
    trailing_stop: Floats | float | None = None
    limit_price: Floats | float | None = None
    exit_fraction: Floats | float | None = None
    legs: int = 1

    def conditions(self, bars: int) -> tuple[Bools, Bools, Bools, Bools]:
        """Return the four conditions as arrays of one bar each, or of one False for never.

        Raises
        ------
        BadIntents
            A condition has another length, or is not boolean.
        """
        long_entry, long_exit, short_entry, short_exit = (
            _condition(name, getattr(self, name), bars) for name in _CONDITIONS
        )
        return long_entry, long_exit, short_entry, short_exit

    def numbers(self, bars: int) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """Return size, stop, target, trailing, limit and exit share, of ``bars`` or one value each.

        Raises
        ------
        BadIntents
            An array has another length, a value is negative, infinite or out of range (the message
            names the bar), or there are fewer than one leg.
        """
        if self.legs < 1:
            message = f"A position of {self.legs} legs cannot be entered."
            raise BadIntents(message, "Give at least 1.")
        size, stop, target, trailing, limit, fraction = (
            _number(name, getattr(self, name), bars, allows_zero=allows_zero, most=most)
            for name, allows_zero, most in _NUMBERS
        )
        return size, stop, target, trailing, limit, fraction


def _condition(name: str, values: Bools | None, bars: int) -> Bools:
    if values is None:
        return _NEVER
    array = np.asarray(values)
    if array.dtype != np.bool_:
        message = f"{name} holds {array.dtype}, not conditions."
        raise BadIntents(message, "Give True or False for each bar, such as fast > slow.")
    _check_shape(name, array.shape, bars)
    return _frozen(array)


def _number(
    name: str, values: Floats | float | None, bars: int, *, allows_zero: bool, most: float
) -> Floats:
    if values is None:
        return _ABSENT
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        message = f"{name} does not hold numbers."
        raise BadIntents(message, "Give one number, or one for each bar.") from None
    if array.ndim == 0:
        array = array.reshape(1)
    else:
        _check_shape(name, array.shape, bars)
    with np.errstate(invalid="ignore"):
        bad = (array < 0) | np.isinf(array) | (array > most)
        if not allows_zero:
            bad |= array == 0
    if bad.any():
        bar = int(bad.argmax())
        place = f"at bar {bar}" if np.ndim(values) else "for all bars"
        wanted = "0 or more" if allows_zero else "above 0"
        limit = f" and at most {most:g}" if most < np.inf else ""
        message = f"{name} is {array[bar]} {place}."
        raise BadIntents(message, f"It is {wanted}{limit}; NaN means not given.")
    return _frozen(array)


def _check_shape(name: str, shape: tuple[int, ...], bars: int) -> None:
    if shape != (bars,):
        message = f"{name} has the shape {shape} for {bars} bars."
        raise BadIntents(message, f"Give an array of the shape ({bars},).")


def _frozen(array: npt.NDArray[AnyScalar]) -> npt.NDArray[AnyScalar]:
    # One kind of array (read-only, contiguous), so that compiled code is compiled once.
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
