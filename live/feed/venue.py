"""The bars of one venue: each series asked for at its close, by REST, and told of once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from candela.candles.fetching import fetch_candles
from candela.errors import CandelaError
from candela.venues.retry import RetryPolicy
from live.feed.progress import SeriesProgress
from live.feed.writer import BarWriter, Page

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.venues.answers import CandlePage
    from candela.venues.client import VenueClient
    from live.signals.definitions import SeriesKey
    from live.streams.publisher import Publisher

__all__ = ["VenueFeed"]

_LOG: Final = logging.getLogger(__name__)
_TICK_S: Final = 0.2
_AGAIN_S: Final = 1.0
# For a bar that was given up: a symbol without trades gets its next candle some time later.
_LATER_S: Final = 10.0
_PATIENCE: Final = RetryPolicy(base_s=_AGAIN_S, cap_s=60.0)
_REFUSED_S: Final = 60.0
_CLOCK_S: Final = 30.0
_MORE: Final = 4
_AT_ONCE: Final = 8


class VenueFeed:
    """Read the series of a venue that somebody wants, however many do.

    A websocket would tell of a bar at its close and no earlier than REST may be believed, two
    seconds later by the venue's clock: so there is none, and nothing to lose over it.

    Parameters
    ----------
    client
        Of the venue; its calls wait, and are made in threads.
    """

    def __init__(
        self, client: VenueClient, database: Database, publisher: Publisher, clock: Clock
    ) -> None:
        self.venue = client.venue
        self._client = client
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._wanted: dict[SeriesKey, int] = {}
        self._series: dict[SeriesKey, SeriesProgress] = {}
        self._filled: dict[SeriesKey, int] = {}
        self._backlog: dict[SeriesKey, datetime] = {}
        self._retry_at: dict[SeriesKey, float] = {}
        self._failures = 0
        self._tasks: dict[SeriesKey, asyncio.Task[None]] = {}
        self._filling: asyncio.Task[None] | None = None
        self._offset = timedelta(0)
        self._clock_at = 0.0
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._writing = asyncio.Lock()
        self._is_ending = False
        self.answered_at: datetime | None = None
        """When the venue last gave a usable answer."""

    def want(self, series: Mapping[SeriesKey, int]) -> None:
        """Say what is wanted from now on: series, each with the bars of its warm-up."""
        self._wanted = dict(series)
        for gone in self._series.keys() - series.keys():
            del self._series[gone]
        self._filled = {one: rows for one, rows in self._filled.items() if one in series}

    @property
    def series(self) -> Mapping[SeriesKey, SeriesProgress]:
        """What is read now, and how far."""
        return self._series

    @property
    def is_down(self) -> bool:
        """Whether the venue's last answer was none; candles then come from the database alone."""
        return self._failures > 0

    async def run(self) -> None:
        """Read until cancelled."""
        writer = await asyncio.to_thread(BarWriter, self._database, self._clock)
        filler = await asyncio.to_thread(BarWriter, self._database, self._clock)
        try:
            while True:
                await self._tick(writer, filler)
                await asyncio.sleep(_TICK_S)
        finally:
            self._is_ending = True
            tasks = [*self._tasks.values()]
            tasks += [self._filling] if self._filling is not None else []
            # Their threads cannot be cancelled: a bar on its way is stored before we go.
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()
            filler.close()

    async def _tick(self, writer: BarWriter, filler: BarWriter) -> None:
        loop = asyncio.get_running_loop()
        for done in [one for one, task in self._tasks.items() if task.done()]:
            self._tasks.pop(done).result()
        if self._filling is not None and self._filling.done():
            self._filling.result()
            self._filling = None
        missing = [one for one, rows in self._wanted.items() if self._filled.get(one, 0) < rows]
        due = [one for one in missing if self._retry_at.get(one, 0.0) <= loop.time()]
        if due and self._filling is None:
            self._filling = asyncio.create_task(self._fill(due[0], filler))
        now = self._now()
        for series, progress in list(self._series.items()):
            overdue = progress.overdue(now)
            if overdue is not None:
                async with self._writing:
                    told = await asyncio.to_thread(writer.tell, *series, dict([overdue]))
                await self._publisher.publish(told.events)
            is_due = now >= progress.due_at() or progress.unread_from < progress.next_at
            is_free = series not in self._tasks and self._retry_at.get(series, 0.0) <= loop.time()
            if is_due and is_free:
                self._tasks[series] = asyncio.create_task(self._read(progress, writer))

    def _now(self) -> datetime:
        """Return the venue's time, as far as it is known."""
        return self._clock.now() + self._offset

    async def _set_clock(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._clock_at:
            server = await asyncio.to_thread(self._client.server_now)
            self._offset = server - self._clock.now()
            self._clock_at = loop.time() + _CLOCK_S

    async def _fill(self, series: SeriesKey, filler: BarWriter) -> None:
        """Fetch the bars before the first live one that are not stored yet."""
        rows = self._wanted[series]
        instrument, timeframe = series

        def fetch() -> None:
            usual = self._now() - timeframe.delta * (rows + 1)
            since = min(usual, self._backlog.get(series, usual))
            fetch_candles(
                filler.store,
                self._client,
                instrument,
                timeframe,
                since,
                connection=filler.connection,
                clock=self._clock,
                should_stop=lambda: self._is_ending,
            )

        is_refused = False
        try:
            await self._set_clock()
            await asyncio.to_thread(fetch)
        except CandelaError as error:
            is_refused = self._failed(series, error)
            # Its live bars are wanted all the same: stored ones may do for a warm-up.
        else:
            self._answered()
            self._filled[series] = rows
            self._backlog.pop(series, None)
        if series in self._wanted and series not in self._series:
            self._series[series] = SeriesProgress.begin(series, self._now())
            self._series[series].is_refused = is_refused

    async def _read(self, progress: SeriesProgress, writer: BarWriter) -> None:
        series = progress.series
        instrument, timeframe = series
        loop = asyncio.get_running_loop()
        try:
            await self._set_clock()
            asked_at = self._now()
            since, until = progress.span(asked_at)
            if since >= until:
                self._retry_at[series] = loop.time() + _TICK_S
                return
            size = await asyncio.to_thread(self._client.page_size, instrument.symbol)
            count = round((until - since) / timeframe.delta) + _MORE
            if count > size:
                # Away for long: what is not told any more is fetched like any history.
                self._filled.pop(series, None)
                self._backlog[series] = since
                progress.unread_from = progress.next_at
                return
            async with self._at_once:
                page = await asyncio.to_thread(
                    self._client.candles, instrument.symbol, timeframe, since, until, count
                )
        except CandelaError as error:
            progress.is_refused = self._failed(series, error)
            return
        self._answered()
        progress.asked(asked_at)
        covered_to = _covered_to(page, timeframe.delta, until)
        if covered_to is None or covered_to <= progress.unread_from:
            is_given_up = progress.unread_from < progress.next_at
            self._retry_at[series] = loop.time() + (_LATER_S if is_given_up else _AGAIN_S)
            return
        told = Page(page.frame, since, covered_to, page.server_at, page.digest)
        async with self._writing:
            # Another bar may have been given up meanwhile: what is told is decided here.
            expected = progress.expected(covered_to)
            progress.answered(covered_to)
            stored = await asyncio.to_thread(writer.write, *series, told, expected)
        await self._publisher.publish(stored.events)

    def _answered(self) -> None:
        if self._failures:
            _LOG.info("%s answers again.", self.venue)
        self._failures = 0
        self.answered_at = self._clock.now()

    def _failed(self, series: SeriesKey, error: CandelaError) -> bool:
        """Put the next try off; whether the venue said that it has nothing of the series."""
        loop = asyncio.get_running_loop()
        if not error.retryable:
            # Delisted, say: this series gets no bars, and the venue is none the worse for it.
            self._retry_at[series] = loop.time() + _REFUSED_S
            _LOG.warning("%s %s gets no bars: %s", *series, error)
            return True
        self._failures += 1
        wait_s = _PATIENCE.wait_s(self._failures)
        self._retry_at[series] = loop.time() + wait_s
        if self._failures == 1:
            _LOG.warning("%s gives no bars for now: %s", self.venue, error)
        return False


def _covered_to(page: CandlePage, length: timedelta, until: datetime) -> datetime | None:
    """Return up to where the answer tells all; None where it tells nothing."""
    if page.follower_at is not None:
        return min(until, page.follower_at)
    placed = page.frame.filter(pl.col("time").is_not_null())
    return cast("datetime", placed["time"][-1]) + length if placed.height else None
