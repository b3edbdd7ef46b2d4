"""The signals worker: for each bar that is told, decides all its definitions once and tells it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import psycopg

from candela.db.connect import Role
from candela.market.digest import digest_of_candles
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from live.signals.age import oldest_age
from live.signals.definitions import registered, shard_of_definition, wanted_definitions
from live.signals.evaluator import Evaluator, Job
from live.signals.history import History
from live.signals.storing import SignalRow, decided, store_signals
from live.streams.consumer import Consumer
from live.streams.link import DatabaseLink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from candela.clock import Clock
    from candela.db.connect import Database
    from live.signals.definitions import Registered, SeriesKey
    from live.signals.frames import SeriesRows
    from live.signals.port import SignalStatus
    from live.store.port import Lease
    from live.streams.publisher import Publisher

__all__ = ["Bar", "SignalsWorker", "window_of"]

_LOG: Final = logging.getLogger(__name__)
_REFRESH_S: Final = 5.0
_SMALLEST: Final = 256
# How long a definition waits for the bars of the other instruments that it reads.
_OTHERS_S: Final = 5.0
_REMEMBERED: Final = 4_096
_TAKEOVER_S: Final = 0.5
_OF_BAR: Final[dict[str, SignalStatus]] = {
    "missing": "missing_bar",
    "quarantined": "quarantined_bar",
    "stale": "stale_bar",
}


def window_of(warm_up: int) -> int:
    """Return how many of the newest bars a definition is given.

    At least its warm-up and the bar that it decides on; rounded up to a power of two, so that
    definitions of one series share bars, and with them the indicators that they have in common. By
    the declared warm-up the decision is that of all bars.
    """
    return max(_SMALLEST, 1 << warm_up.bit_length())


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar as the feed tells of it."""

    instrument: Instrument
    timeframe: Timeframe
    bar_at: datetime
    status: Literal["ok", "missing", "quarantined", "stale"]

    @classmethod
    def told(cls, payload: Mapping[str, Any]) -> Bar:
        """Read the payload of an event of stream bars."""
        return cls(
            Instrument.parse(payload["instrument"]),
            Timeframe.parse(payload["timeframe"]),
            datetime.fromisoformat(payload["bar_at"]),
            payload["status"],
        )

    @property
    def series(self) -> SeriesKey:
        """Instrument and timeframe."""
        return self.instrument, self.timeframe

    def is_old(self, now: datetime) -> bool:
        """Whether nothing may be decided on it any more."""
        length = self.timeframe.delta
        return now - (self.bar_at + length) > oldest_age(length)


class SignalsWorker:
    """Evaluate the definitions of the parts that this executor holds.

    Parameters
    ----------
    name
        The executor's, unique; names the group that it reads bars as.
    leases
        Returns the leases of kind signals that are held now, by part.
    """

    def __init__(
        self,
        database: Database,
        redis_url: str | None,
        *,
        name: str,
        publisher: Publisher,
        clock: Clock,
        leases: Callable[[], Mapping[int, Lease]],
        evaluator: Evaluator | None = None,
    ) -> None:
        self._bars = Consumer(database, redis_url, ["bars"], f"{name}.signals")
        self._link = DatabaseLink(database, Role.EXECUTOR, "signals")
        # Which bots run is known of all tenants at once to this role alone.
        self._overview = DatabaseLink(database, Role.PIPELINES, "signals overview")
        self._publisher = publisher
        self._clock = clock
        self._leases = leases
        self.evaluator = evaluator or Evaluator()
        self._definitions: dict[str, Registered] = {}
        self._histories: dict[SeriesKey, History] = {}
        self._told: OrderedDict[tuple[Instrument, Timeframe, datetime], Bar] = OrderedDict()
        self._waiting: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._refresh_at = 0.0
        self._served: set[tuple[int, int]] = set()

    @property
    def definitions(self) -> Mapping[str, Registered]:
        """What is evaluated, by id."""
        return self._definitions

    async def run(self) -> None:
        """Work until cancelled.

        Raises
        ------
        EvaluatorBroken
            No strategy can be run on this machine.
        """
        await self.evaluator.start()
        await self._refresh()
        taking_over = asyncio.create_task(self._take_over())
        try:
            async for events in self._bars.batches():
                await self._refresh()
                bars = [Bar.told(one.payload) for one in events]
                await self.handle(sorted(bars, key=lambda one: one.bar_at))
                for task in [one for one in self._waiting if one.done()]:
                    self._waiting.discard(task)
                    task.result()
                if taking_over.done():
                    taking_over.result()
        finally:
            taking_over.cancel()
            await asyncio.gather(taking_over, return_exceptions=True)

    async def close(self, *, leave: bool = False) -> None:
        """End tasks, processes and connections; `leave` where this executor will not be back."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self.evaluator.close()
        await self._bars.close(leave=leave)
        await self._link.close()
        await self._overview.close()

    async def refresh(self) -> None:
        """Read anew which definitions are wanted, as each five seconds anyway."""
        async with self._overview.use() as connection:
            wanted = await wanted_definitions(connection)
        async with self._link.use() as connection:
            self._definitions = await registered(connection, wanted)
        needs: dict[SeriesKey, int] = {}
        for one in self._definitions.values():
            for series in one.needs:
                needs[series] = max(needs.get(series, 0), window_of(one.warm_up))
        for series in self._histories.keys() - needs.keys():
            del self._histories[series]
        for series, capacity in needs.items():
            if series not in self._histories or self._histories[series].capacity < capacity:
                self._histories[series] = History(series, capacity)

    async def handle(self, bars: Sequence[Bar]) -> None:
        """Decide on bars; those whose definitions read others wait for these, for some seconds."""
        for bar in bars:
            self._told[(*bar.series, bar.bar_at)] = bar
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        await self._decide_all(bars, None)

    async def take_over(self) -> None:
        """Decide on the bars that came while nobody held the parts that came to this executor."""
        held = {(shard, lease.epoch) for shard, lease in self._leases().items()}
        new = {shard for shard, _ in held - self._served}
        now = self._clock.now()
        if new:
            bars = [one for one in self._told.values() if not one.is_old(now)]
            await self._decide_all(sorted(bars, key=lambda one: one.bar_at), new)
        self._served = held

    async def _take_over(self) -> None:
        while True:
            try:
                await self.take_over()
            except psycopg.OperationalError as error:
                _LOG.warning("What others left cannot be decided now: %s", error)
            await asyncio.sleep(_TAKEOVER_S)

    async def _decide_all(self, bars: Sequence[Bar], only: set[int] | None) -> None:
        for bar in bars:
            held = self._leases().keys() & only if only is not None else self._leases().keys()
            own = [
                one
                for one in self._definitions.values()
                if one.series == bar.series and shard_of_definition(one.definition_id) in held
            ]
            alone = [one for one in own if not one.reads]
            if alone:
                await self._decide(bar, alone)
            if len(alone) < len(own):
                both = [one for one in own if one.reads]
                self._waiting.add(asyncio.create_task(self._decide_with_others(bar, both)))

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._refresh_at:
            return
        try:
            await self.refresh()
        except psycopg.OperationalError as error:
            _LOG.warning("Definitions cannot be read now: %s", error)
        self._refresh_at = loop.time() + _REFRESH_S

    async def _decide_with_others(self, bar: Bar, definitions: Sequence[Registered]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _OTHERS_S
        left = list(definitions)
        while left:
            is_late = loop.time() >= deadline
            ready = [one for one in left if is_late or self._are_told(one, bar.bar_at)]
            if ready:
                left = [one for one in left if one not in ready]
                await self._decide(bar, ready)
            if left:
                await asyncio.sleep(0.05)

    def _are_told(self, definition: Registered, bar_at: datetime) -> bool:
        return all((*series, bar_at) in self._told for series in definition.needs)

    def _are_stored(self, definition: Registered, bar_at: datetime) -> bool:
        # Told of before this executor listened, they are all the same there.
        return all(self._history(series).has(bar_at) for series in definition.needs)

    async def _decide(self, bar: Bar, definitions: Sequence[Registered]) -> None:
        async with self._turn:
            async with self._link.use() as connection:
                ids = [one.definition_id for one in definitions]
                done = await decided(connection, ids, bar.bar_at)
                left = [one for one in definitions if one.definition_id not in done]
                for series in {each for one in left for each in one.needs}:
                    await self._history(series).refresh(connection)
            if not left:
                return
            status = self._status(bar)
            if status == "ok":
                rows = await self._evaluate(bar, left)
            else:
                rows = [SignalRow(one.definition_id, status, {}) for one in left]
            now = self._clock.now()
            known = [self._history(each).known_at for one in left for each in one.needs]
            async with self._link.use() as connection:
                events = await store_signals(
                    connection,
                    rows,
                    self._leases(),
                    series=(str(bar.instrument), str(bar.timeframe)),
                    bar_at=bar.bar_at,
                    known_at=max((one for one in known if one is not None), default=now),
                    now=now,
                )
        for one in rows:
            if one.status == "failed":
                _LOG.warning("Definition %s is broken: %s", one.definition_id, one.error)
                self._definitions.pop(one.definition_id, None)
        await self._publisher.publish(events)

    def _status(self, bar: Bar) -> SignalStatus:
        """Return what may be decided: on closed bars only, and on none that is old."""
        if bar.status != "ok":
            return _OF_BAR[bar.status]
        if not self._history(bar.series).has(bar.bar_at):
            return "missing_bar"
        return "stale_bar" if bar.is_old(self._clock.now()) else "ok"

    async def _evaluate(self, bar: Bar, definitions: Sequence[Registered]) -> list[SignalRow]:
        rows: list[SignalRow] = []
        jobs: dict[str, Job] = {}
        own = self._history(bar.series).until(bar.bar_at)
        for one in definitions:
            if not self._are_told(one, bar.bar_at) and not self._are_stored(one, bar.bar_at):
                rows.append(SignalRow(one.definition_id, "missing_bar", {}))
            elif len(own.time) <= one.warm_up:
                rows.append(SignalRow(one.definition_id, "too_few_bars", {}, bars=len(own.time)))
            else:
                jobs[one.definition_id] = _job(one)
        if not jobs:
            return rows
        names = {name for job in jobs.values() for name in job.others}
        others = [
            self._history((Instrument.parse(name), bar.timeframe)).until(bar.bar_at)
            for name in sorted(names)
        ]
        largest = max(job.rows for job in jobs.values())
        sent = [own.last(largest), *(one.last(largest) for one in others)]
        for found in await self.evaluator.evaluate(sent, list(jobs.values())):
            seen = own.last(jobs[found.definition_id].rows)
            rows.append(
                SignalRow(
                    found.definition_id,
                    "failed" if found.decision is None else "ok",
                    found.decision or {},
                    _digest(seen),
                    datetime.fromtimestamp(int(seen.time[0]) / 1_000_000, bar.bar_at.tzinfo),
                    len(seen.time),
                    found.error,
                )
            )
        return rows

    def _history(self, series: SeriesKey) -> History:
        if series not in self._histories:
            self._histories[series] = History(series, _SMALLEST)
        return self._histories[series]


def _job(one: Registered) -> Job:
    told: dict[str, object] = {
        "definition_id": one.definition_id,
        "strategy": one.strategy,
        "source": one.source,
        "source_digest": one.source_digest,
        "parameters": dict(one.parameters),
    }
    return Job(one.definition_id, window_of(one.warm_up), one.reads, told)


def _digest(rows: SeriesRows) -> str:
    return digest_of_candles(rows.time, cast("Any", rows.values))
