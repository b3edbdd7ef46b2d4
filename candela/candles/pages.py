"""Pages: what one answer of a venue says about a span, holes and all, always moving forward."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from candela.market.timeframe import Timeframe
from candela.quality.neighbours import CONTEXT
from candela.venues.errors import TimeframeNotOffered

if TYPE_CHECKING:
    from datetime import datetime

    from candela.venues.answers import CandlePage
    from candela.venues.client import VenueClient

__all__ = ["PageReader", "Piece"]

_HOUR: Final = Timeframe.parse("1h")
_DAY: Final = Timeframe.parse("1d")
_LONG: Final = timedelta(days=2)
# A page must be this much longer than what is held back, or little would be won by a request.
_LEAST_GAIN: Final = 4
_MORE: Final = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """What is known of a span after one answer.

    Parameters
    ----------
    frame
        (n,) rows for the data contract to judge, oldest first.
    after
        (n,) rows that follow: context for judging, stored with the next piece.
    covered_from, covered_to
        The span that the venue answered for, candles or none; empty where it says nothing.
    next_at
        Where to ask next; always later than where this piece was asked for.
    withheld
        A span in which the venue traded, by its hours or days, but for which it gave no candles of
        this length: older than it keeps them, or a wrong answer. Nothing is known of it.
    digest
        sha256 of the answer, ``sha256:<hex>``.
    """

    frame: pl.DataFrame
    after: pl.DataFrame
    covered_from: datetime
    covered_to: datetime
    next_at: datetime
    withheld: tuple[datetime, datetime] | None
    server_at: datetime
    digest: str
    rows_read: int


class PageReader:
    """Read one series of a venue page by page."""

    def __init__(self, client: VenueClient, symbol: str, timeframe: Timeframe) -> None:
        self._client = client
        self._symbol = symbol
        self._timeframe = timeframe
        self._size = client.page_size(symbol)
        # Longer timeframes that the venue was found not to have.
        self._missing: set[Timeframe] = set()

    def read(self, at: datetime, until: datetime) -> Piece:
        """Ask for the page that begins at an instant; both are on the grid.

        Raises
        ------
        VenueUnavailable, VenueAnswerInvalid, VenueThrottled, VenueRefused, BudgetExhausted
            See `VenueSession.call`.
        """
        # More than is left: a candle after the span proves that the span is whole, and some
        # venues begin a little before the instant asked for.
        limit = min(self._size, round((until - at) / self._timeframe.delta) + _MORE)
        page = self._client.candles(self._symbol, self._timeframe, at, until, limit)
        placed = page.frame.filter(pl.col("time").is_not_null())
        if placed.height == 0 and page.follower_at is None:
            return self._empty(page, at, min(until, at + self._timeframe.delta * limit), until)
        if placed.height == 0:
            first = covered_to = min(until, cast("datetime", page.follower_at))
        else:
            first = cast("datetime", placed["time"][0])
            last = cast("datetime", placed["time"][-1]) + self._timeframe.delta
            covered_to = last if page.follower_at is None else min(until, page.follower_at)
        covered_from, withheld = at, None
        if self._traded_in(at, first):
            covered_from, withheld = first, (at, first)
        frame, after = page.frame, placed.clear()
        if page.follower_at is None and placed.height >= _LEAST_GAIN * CONTEXT:
            # Spikes are told from the candles on both sides: the last rows wait for theirs.
            after = placed.tail(CONTEXT)
            covered_to = cast("datetime", after["time"][0])
            is_earlier = pl.col("time").is_null() | (pl.col("time") < covered_to)
            frame = frame.filter(is_earlier)
        return self._piece(page, frame, after, (covered_from, covered_to), covered_to, withheld)

    def _empty(
        self, page: CandlePage, at: datetime, window_end: datetime, until: datetime
    ) -> Piece:
        """Judge an answer without candles: jump over what the venue's days show to be empty."""
        end = window_end
        withheld = None
        day = at
        if _DAY.seconds > self._timeframe.seconds and _DAY not in self._missing:
            day = self._first_traded(_DAY, _DAY.floor(at), until)
        if day is None and _DAY not in self._missing:
            end = until
        elif day is not None and day > at:
            end = min(until, max(day, at + self._timeframe.delta))
        elif self._traded_in(at, window_end):
            withheld = (at, window_end)
        start = end if withheld else at
        return self._piece(page, page.frame, page.frame.clear(), (start, end), end, withheld)

    def _piece(
        self,
        page: CandlePage,
        frame: pl.DataFrame,
        after: pl.DataFrame,
        covered: tuple[datetime, datetime],
        next_at: datetime,
        withheld: tuple[datetime, datetime] | None,
    ) -> Piece:
        return Piece(
            frame=frame,
            after=after,
            covered_from=covered[0],
            covered_to=covered[1],
            next_at=next_at,
            withheld=withheld,
            server_at=page.server_at,
            digest=page.digest,
            rows_read=frame.height,
        )

    def _traded_in(self, since: datetime, until: datetime) -> bool:
        """Whether longer candles of the venue show trading wholly within the span.

        Hours tell it for a short span, days for a long one; a span that holds no whole hour is
        taken for what it seems to be.
        """
        unit = _HOUR if until - since < _LONG else _DAY
        if unit.seconds <= self._timeframe.seconds or unit in self._missing:
            return False
        first = unit.floor(since)
        if first < since:
            first += unit.delta
        last = unit.floor(until)
        if first >= last:
            return False
        found = self._first_traded(unit, first, last)
        return found is not None and found < last

    def _first_traded(self, unit: Timeframe, since: datetime, until: datetime) -> datetime | None:
        """Return the first longer candle with trading, from `since` on; None if there is none."""
        at = since
        while at < until:
            count = max(2, round((until - at) / unit.delta) + 1)
            try:
                page = self._client.candles(self._symbol, unit, at, until, min(self._size, count))
            except TimeframeNotOffered:
                self._missing.add(unit)
                return None
            traded = page.frame.filter(
                pl.col("time").is_not_null() & (pl.col("volume").is_null() | (pl.col("volume") > 0))
            )
            if traded.height:
                return cast("datetime", traded["time"][0])
            if page.follower_at is not None:
                # One that is still going on, or the first after the span.
                return page.follower_at if page.follower_at < until else None
            at += unit.delta * (page.frame.height or self._size)
        return None
