"""The decision of a bot on a closed bar: section 1 of docs/concepts/fills.md, on spot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from live.bots.conditions import Conditions, SignalBar

__all__ = ["NOTHING", "Wanted", "decide", "decide_bar"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bot wants done now.

    Parameters
    ----------
    fraction
        Share of what is held that an exit sells, above 0 to 1.
    reason
        Of an exit: ``signal``, ``data`` and so on.
    """

    action: Literal["nothing", "enter", "add", "exit"]
    fraction: float = 1.0
    reason: str = ""


NOTHING = Wanted("nothing")
_EVERYTHING = Wanted("exit", 1.0, "signal")
_ENTER = Wanted("enter")
_ADD = Wanted("add")


def decide(is_held: bool, legs: int, said: Conditions) -> Wanted:  # noqa: FBT001 - one question
    """Return what the conditions of a bar ask for, given the position held when it ended.

    A spot account cannot be short: an entry of the other side, which would reverse a long, closes
    all of it, and opens nothing.

    Parameters
    ----------
    legs
        Entries that the position has.
    """
    long_entry, long_exit = said.long_entry, said.long_exit
    short_entry = said.short_entry
    if long_entry and long_exit:
        long_entry = long_exit = False
    if short_entry and said.short_exit:
        short_entry = False
    if long_entry and short_entry:
        long_entry = short_entry = False
    if not is_held:
        return _ENTER if long_entry else NOTHING
    if short_entry:
        return _EVERYTHING
    if long_exit:
        fraction = said.exit_fraction
        if math.isnan(fraction) or fraction >= 1.0:
            return _EVERYTHING
        return Wanted("exit", fraction, "signal") if fraction > 0.0 else NOTHING
    return _ADD if long_entry and legs < said.legs else NOTHING


def decide_bar(
    is_held: bool,  # noqa: FBT001 - one question
    legs: int,
    bar: SignalBar,
    policy: Literal["skip", "hold", "flatten"],
) -> Wanted:
    """Return what a bar asks for, a bad one by the bot's policy.

    On a bar that is missing, quarantined, stale or not evaluated nothing is decided; with
    ``flatten`` what is held is sold.
    """
    if bar.status == "ok":
        return decide(is_held, legs, bar.conditions)
    if policy == "flatten" and is_held and bar.status in _BAD:
        return Wanted("exit", 1.0, "data")
    return NOTHING


_BAD = frozenset({"missing_bar", "quarantined_bar", "stale_bar", "failed"})
