"""The replay: real candles as if they closed now, at any speed, without a venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from candela.orders.words import Quote
from candela.venues.answers import PAGE_SCHEMA
from live.feed.writer import Page

if TYPE_CHECKING:
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from live.feed.quotes import QuoteHub
    from live.feed.writer import BarWriter
    from live.streams.events import StreamEvent
    from live.streams.publisher import Publisher

__all__ = ["ReplayClock", "ReplayFeed", "ReplaySeries"]

_HALF: Final = Decimal(2)


class ReplayClock:
    """The clock of a replay: it stands at the close of the bar that was played last."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the replay's present."""
        return self.at


@dataclass(frozen=True, slots=True)
class ReplaySeries:
    """Candles to play.

    Parameters
    ----------
    frame
        Columns time, open, high, low, close and volume, oldest first.
    """

    instrument: Instrument
    timeframe: Timeframe
    frame: pl.DataFrame


class ReplayFeed:
    """Store and tell bars of several series in the order of their closes.

    What a venue's feed does with the bars of a venue is done with these: judged, stored as live
    batches, told through the outbox.

    Parameters
    ----------
    clock
        Moved to each close; whoever shares it lives in the replay's time.
    speed
        How much faster than they were; None: as fast as can be.
    hub
        Gets a quote around each close.
    spread
        Between bid and ask of these quotes, as a ratio.
    settled
        Waited for after each close, before the clock moves on: bars that are played faster than
        they are decided on are stale, as they would be live.
    """

    def __init__(
        self,
        series: Sequence[ReplaySeries],
        writer: BarWriter,
        publisher: Publisher,
        clock: ReplayClock,
        *,
        speed: float | None = None,
        hub: QuoteHub | None = None,
        spread: Decimal = Decimal("0.0002"),
        settled: Callable[[datetime], Awaitable[None]] | None = None,
    ) -> None:
        self._series = tuple(series)
        self._writer = writer
        self._publisher = publisher
        self._clock = clock
        self._speed = speed
        self._hub = hub
        self._spread = spread
        self._settled = settled

    def prepare(self, until: datetime) -> None:
        """Store all bars that close up to an instant without telling: the warm-up."""
        self._clock.at = until
        for one in self._series:
            frame = one.frame.filter(pl.col("time") <= until - one.timeframe.delta)
            if frame.height:
                self._write(one, frame, [])

    async def run(self, since: datetime, until: datetime | None = None) -> int:
        """Play the bars that close after `since`, up to `until`; return how many."""
        played = 0
        loop = asyncio.get_running_loop()
        started, first = loop.time(), since
        for close_at, bars in self._closes(since, until):
            if self._speed is not None:
                due = started + (close_at - first).total_seconds() / self._speed
                await asyncio.sleep(max(0.0, due - loop.time()))
            await self.step(close_at, bars)
            played += len(bars)
            if self._settled is not None:
                await self._settled(close_at)
        return played

    async def step(self, close_at: datetime, bars: Mapping[int, pl.DataFrame]) -> None:
        """Play the bars that close at one instant, by the number of their series."""
        self._clock.at = close_at
        for number, frame in bars.items():
            one = self._series[number]
            told = await asyncio.to_thread(
                self._write, one, frame, [close_at - one.timeframe.delta]
            )
            if self._hub is not None:
                self._hub.put(
                    one.instrument.venue, {one.instrument.symbol: self._quote(one, frame)}
                )
            await self._publisher.publish(told)

    def _closes(
        self, since: datetime, until: datetime | None
    ) -> list[tuple[datetime, dict[int, pl.DataFrame]]]:
        found: dict[datetime, dict[int, pl.DataFrame]] = {}
        for number, one in enumerate(self._series):
            for row, start in enumerate(one.frame["time"].to_list()):
                close_at = start.astimezone(UTC) + one.timeframe.delta
                if since < close_at and (until is None or close_at <= until):
                    found.setdefault(close_at, {})[number] = one.frame[row : row + 1]
        return sorted(found.items())

    def _write(
        self, one: ReplaySeries, frame: pl.DataFrame, expected: Sequence[datetime]
    ) -> tuple[StreamEvent, ...]:
        page = Page(
            frame=frame.select(
                pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row"),
                pl.lit(None, pl.Int64).alias("line"),
                pl.col("time").cast(pl.Datetime("us", "UTC")),
                *(pl.col(name).cast(pl.Float64()) for name in list(PAGE_SCHEMA)[3:]),
            ),
            covered_from=frame["time"][0],
            covered_to=frame["time"][-1] + one.timeframe.delta,
            closed_until=self._clock.at,
            digest="sha256:replay",
        )
        return self._writer.write(one.instrument, one.timeframe, page, expected).events

    def _quote(self, one: ReplaySeries, frame: pl.DataFrame) -> Quote:
        close = Decimal(repr(frame["close"][-1]))
        half = close * self._spread / _HALF
        return Quote(one.instrument.symbol, close - half, close + half, self._clock.at)
