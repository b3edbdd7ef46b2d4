"""What a strategy said on one closed bar, read once for all bots that listen to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from candela.risk.facts import BarSeen, BarStatus

__all__ = ["Conditions", "SignalBar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The columns of a signal at one bar; NaN means not given.

    Parameters
    ----------
    size
        In place of the value of the sizing.
    stop_loss, take_profit, trailing_stop
        Ratios of the price of the fill.
    limit_price
        Quote per base of a limit entry.
    exit_fraction
        Share of the units that an exit closes.
    legs
        Entries that a position may have.
    close, volume
        Of the bar.
    call, put
        Bets on a fixed payout.
    expiry_bars
        How long a bet lasts; 0: not given.
    """

    long_entry: bool = False
    long_exit: bool = False
    short_entry: bool = False
    short_exit: bool = False
    size: float = math.nan
    stop_loss: float = math.nan
    take_profit: float = math.nan
    trailing_stop: float = math.nan
    limit_price: float = math.nan
    exit_fraction: float = math.nan
    legs: int = 1
    close: float = math.nan
    volume: float = math.nan
    call: bool = False
    put: bool = False
    expiry_bars: int = 0

    @classmethod
    def read(cls, decision: Mapping[str, Any]) -> Conditions:
        """Take them from a stored signal, in which null means not given."""
        return cls(
            long_entry=bool(decision.get("long_entry")),
            long_exit=bool(decision.get("long_exit")),
            short_entry=bool(decision.get("short_entry")),
            short_exit=bool(decision.get("short_exit")),
            size=_number(decision, "size"),
            stop_loss=_number(decision, "stop_loss"),
            take_profit=_number(decision, "take_profit"),
            trailing_stop=_number(decision, "trailing_stop"),
            limit_price=_number(decision, "limit_price"),
            exit_fraction=_number(decision, "exit_fraction"),
            legs=int(decision.get("legs") or 1),
            close=_number(decision, "close"),
            volume=_number(decision, "volume"),
            call=bool(decision.get("call")),
            put=bool(decision.get("put")),
            expiry_bars=int(decision.get("expiry_bars") or 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalBar:
    """One signal as the bots of its definition see it.

    Parameters
    ----------
    bar_at
        Start of the bar.
    interval
        Its length.
    bars_since_bad
        Good bars since the last bad one, this one included; None: no bad one is remembered.
    lookback
        Bars that the strategy looks back.
    closes
        Of the last bars up to this one, oldest first, as far as they are remembered.
    """

    definition_id: str
    bar_at: datetime
    interval: timedelta
    status: BarStatus
    conditions: Conditions
    bars_since_bad: int | None = None
    lookback: int = 0
    closes: tuple[float, ...] = ()

    @property
    def closed_at(self) -> datetime:
        """End of the bar."""
        return self.bar_at + self.interval

    @property
    def valid_until(self) -> datetime:
        """End of the next bar: nothing decided here outlives it."""
        return self.closed_at + self.interval

    def seen(self) -> BarSeen:
        """Return the bar as the gates ask about it."""
        return BarSeen(
            closed_at=self.closed_at,
            interval=self.interval,
            status=self.status,
            bars_since_bad=self.bars_since_bad,
            lookback=self.lookback,
        )


def _number(decision: Mapping[str, Any], name: str) -> float:
    value = decision.get(name)
    return math.nan if value is None else float(value)
