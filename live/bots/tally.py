"""What a bot's closed trades add up to: the day, the row of losses, the peak."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.risk.history import Settled, outcome_of_pnl
from candela.risk.hours import trading_day

__all__ = ["ClosedTrade", "Tally"]

_KEPT: Final = 512
"""Trades that Kelly sizing and ladders can look back at."""


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A trade that is over, as far as limits look at it.

    Parameters
    ----------
    entry_value
        Quote that its entries cost.
    """

    trade_id: UUID
    closed_at: datetime
    pnl: Decimal
    entry_value: Decimal


class Tally:
    """Counters of one bot.

    A tally that was kept trade by trade and one that is made anew from the stored trades are the
    same, so that a crash resets no breaker.

    Parameters
    ----------
    capital
        Quote that the bot began with.
    zone
        Whose calendar days are counted.
    since
        Breakers forget what closed before: when a person last started the bot.
    """

    __slots__ = (
        "_day",
        "_equity",
        "_realised",
        "_seen",
        "_since",
        "_trades",
        "_zone",
        "last_loss_at",
        "peak",
        "settled",
        "streak",
    )

    def __init__(self, capital: Decimal, zone: str, since: datetime | None = None) -> None:
        self._zone = zone
        self._since = since
        self._day: date | None = None
        self._realised = ZERO
        self._trades = 0
        self._equity = capital
        self._seen: set[UUID] | None = None
        self.peak = capital
        self.streak = 0
        self.last_loss_at: datetime | None = None
        self.settled: deque[tuple[Settled, float]] | None = None

    @classmethod
    def rebuilt(
        cls,
        capital: Decimal,
        zone: str,
        since: datetime | None,
        trades: Iterable[ClosedTrade],
        entries: Iterable[datetime],
        carried: tuple[Decimal, Decimal | None] | None = None,
    ) -> Tally:
        """Return the tally of stored trades, oldest first, and of the instants of entries.

        Parameters
        ----------
        carried
            Of trades before these: what they gained together, and the highest sum on the way since
            the breakers were reset.
        """
        tally = cls(capital, zone, since)
        if carried is not None:
            gained, peak = carried
            tally._equity = EXACT.add(capital, gained)
            tally.peak = tally._equity
            if peak is not None:
                tally.peak = max(capital if since is None else tally._equity, capital + peak)
        for trade in trades:
            tally.closed(trade)
        for at in entries:
            tally.entered(at)
        return tally

    @property
    def equity(self) -> Decimal:
        """Capital and what closed trades gained."""
        return self._equity

    def closed(self, trade: ClosedTrade) -> None:
        """Count a trade that is over; told again, it counts once."""
        if self._seen is None:
            self._seen, self.settled = set(), deque(maxlen=_KEPT)
        if self.settled is None or trade.trade_id in self._seen:
            return
        if len(self._seen) >= 2 * _KEPT:
            self._seen = {UUID(kept.trade_id) for kept, _ in self.settled}
        self._seen.add(trade.trade_id)
        self._equity = EXACT.add(self._equity, trade.pnl)
        self._turn(trade.closed_at)
        if trading_day(trade.closed_at, self._zone) == self._day:
            self._realised = EXACT.add(self._realised, trade.pnl)
        outcome = outcome_of_pnl(trade.pnl)
        self.settled.append(
            (
                Settled(str(trade.trade_id), trade.closed_at, outcome, trade.pnl),
                float(trade.pnl / trade.entry_value) if trade.entry_value > 0 else 0.0,
            )
        )
        if outcome == "loss":
            self.last_loss_at = trade.closed_at
        if self._since is not None and trade.closed_at < self._since:
            self.peak = self._equity
            return
        self.peak = max(self.peak, self._equity)
        if outcome == "win":
            self.streak = 0
        elif outcome == "loss":
            self.streak += 1

    def entered(self, at: datetime) -> None:
        """Count an entry that was committed; legs are none."""
        self._turn(at)
        if trading_day(at, self._zone) == self._day:
            self._trades += 1

    def trades_on(self, now: datetime) -> int:
        """Return the entries of the calendar day."""
        self._turn(now)
        return self._trades

    def realised_on(self, now: datetime) -> Decimal:
        """Return what trades closed on the calendar day have gained."""
        self._turn(now)
        return self._realised

    def history(self) -> tuple[Settled, ...]:
        """Return the last trades that are over."""
        return tuple(trade for trade, _ in self.settled or ())

    def returns(self) -> tuple[float, ...]:
        """Return gain over cost of the last trades, in the order of their ends."""
        return tuple(ratio for _, ratio in self.settled or ())

    def _turn(self, at: datetime) -> None:
        day = trading_day(at, self._zone)
        if self._day is None or day > self._day:
            self._day, self._realised, self._trades = day, ZERO, 0
