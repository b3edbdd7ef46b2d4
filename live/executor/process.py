"""The executor process: what its leases say it does; it recovers in one way, and drains in one."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from candela.errors import CandelaError
from candela.market.instrument import Instrument
from candela.venues.door import load_library
from live.bots.runner import BotRunner
from live.bots.sizing import warm_up
from live.executor.accounts import TenantWork
from live.executor.crew import Crew
from live.executor.fanout import FanOut
from live.executor.looking import Looking
from live.executor.rounds import Rounds
from live.executor.venues import Venues
from live.feed.quotes import QuoteHub
from live.journal.journal import Journal
from live.leases.keeper import LeaseKeeper
from live.leases.table import Kind
from live.metrics.endpoint import Endpoint
from live.signals.port import SignalFeed
from live.store.port import Lease
from live.streams.consumer import Consumer

__all__ = ["Executor", "Parts"]

_LOG: Final = logging.getLogger(__name__)
_ROUND_S: Final = 1.0
_LOOK_S: Final = 2.0
_BEST_EVERY: Final = 10
_DRAIN_S: Final = 60.0
# What is left to close must not keep a process that was asked to end.
_LET_GO_S: Final = 15.0
_CLOSE_S: Final = 5.0
_CANCEL_S: Final = 1.0
_CANCELS: Final = 8
_HAND_OVER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What an executor is made of.

    Parameters
    ----------
    working
        By name, what works by itself until it is cancelled: feed, evaluation, outbox.
    closing
        Awaited at the very end, in order.
    """

    crew: Crew
    fanout: FanOut
    rounds: Rounds
    looking: Looking
    keeper: LeaseKeeper
    journal: Journal
    endpoint: Endpoint
    venues: Venues
    signals: SignalFeed
    quotes: QuoteHub
    wanted: Consumer
    working: Mapping[str, Callable[[], Coroutine[Any, Any, Any]]]
    closing: Sequence[Callable[[], Awaitable[None]]]


class Executor:
    """Runs until it is asked to stop or cannot go on.

    Make it, give what it does at news to the parts, then `run` it.
    """

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._is_hurried = False
        self._failure: BaseException | None = None
        self._gained: list[int] = []
        self._news = asyncio.Event()
        self._heard = asyncio.Event()
        self._watched: frozenset[Instrument] = frozenset()
        self._parts: Parts | None = None
        self._jobs: set[asyncio.Task[Any]] = set()
        self.listening = asyncio.Event()
        self.address = ""
        self.is_ready = False

    # --- what the parts say -----------------------------------------------------------------------

    def gained(self, kind: Kind, lease: Lease) -> None:
        """Take over a part."""
        if kind == "trade":
            self._gained.append(lease.shard)
            self._news.set()

    def lost(self, kind: Kind, lease: Lease) -> None:
        """Let go of a part at once: its desks find no lease to send under from here on."""
        if kind == "trade" and self._parts is not None:
            self._parts.crew.lose(lease.shard)
            self._spawn(self._parts.crew.close_shard(lease.shard), "close part")

    async def drain(self, kind: Kind, lease: Lease) -> None:
        """Let a part come to rest before another executor has it."""
        if kind == "trade" and self._parts is not None:
            await self._drained(lease.shard, _HAND_OVER_S)
            await self._parts.crew.close_shard(lease.shard)

    def fail(self, failure: BaseException) -> None:
        """End the process: what is true is read at the next start."""
        if self._failure is None:
            self._failure = failure
        self._stopping.set()

    def let_go(self, shard: int) -> None:
        """Let go of a part whose lease turned out to be over."""
        if self._parts is not None:
            self._parts.crew.lose(shard)

    def broken(self, bots: list[tuple[TenantWork, BotRunner]], reason: str) -> None:
        """Stop the bots of a strategy that cannot be run."""
        if self._parts is not None:
            self._parts.crew.break_off(bots, reason)

    def begun(self, runners: list[BotRunner]) -> None:
        """Let bots that begin hear the signals that the others have heard."""
        if self._parts is not None:
            self._spawn(self._catch_up(self._parts, runners), "catch up")

    def stop(self) -> None:
        """Drain and end; a second time: end now."""
        self._is_hurried = self._stopping.is_set()
        self._stopping.set()

    # --- life -------------------------------------------------------------------------------------

    async def run(self, parts: Parts) -> int:
        """Run until stopped; return the exit code of the process."""
        self._parts = parts
        # Before any lease: what is loaded or compiled for seconds would hold up
        # renewals, and answers that came in time would seem late.
        await asyncio.to_thread(load_library, has_streams=True)
        await asyncio.to_thread(warm_up)
        self.address = await parts.endpoint.start()
        self.listening.set()
        self._spawn(self._lead(parts), "parts")
        self._spawn(parts.keeper.run(), "leases")
        self._spawn(self._hear_signals(parts), "signals")
        self._spawn(self._hear_wanted(parts), "wanted")
        self._spawn(self._look(parts), "looking")
        self._spawn(self._round(parts), "rounds")
        self._spawn(self._watch(parts), "quotes")
        self._spawn(parts.journal.run(), "journal")
        for name, work in parts.working.items():
            self._spawn(work(), name)
        await self._stopping.wait()
        if self._failure is None:
            await self._come_to_rest(parts)
        await self._end(parts)
        if self._failure is None:
            return 0
        words = self._failure
        _LOG.error("the executor cannot go on: %s", words, exc_info=_unexpected(words))
        return 1

    async def _come_to_rest(self, parts: Parts) -> None:
        """Take nothing new, wait for what is under way, give the leases back."""
        _LOG.info("draining")
        parts.keeper.retire()
        shards = tuple(parts.crew.known)
        for task in [one for one in self._jobs if one.get_name() in _HEARING]:
            task.cancel()
        waiting = asyncio.gather(*(self._drained(shard, _DRAIN_S) for shard in shards))
        while not waiting.done() and not self._is_hurried:
            await asyncio.wait([waiting], timeout=0.1)
        waiting.cancel()

    async def _end(self, parts: Parts) -> None:
        try:
            async with asyncio.timeout(_LET_GO_S):
                for shard in tuple(parts.crew.known):
                    await parts.crew.close_shard(shard)
        except TimeoutError:
            # Desks that are left find no lease to send under once those are given back.
            _LOG.warning("some accounts did not close within %.0f s", _LET_GO_S)
        await self._give_back(parts)
        await self._cancel_jobs()
        closing = [
            parts.wanted.close,
            parts.endpoint.close,
            parts.quotes.close,
            parts.journal.close,
            *parts.closing,
        ]
        for close in closing:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await close()
            except (CandelaError, OSError) as error:
                # At the end of a process that failed, nothing answers any more.
                _LOG.warning("at the end: %s", error)

    async def _cancel_jobs(self) -> None:
        """End the jobs; redis-py may swallow a cancellation, so it is asked for again."""
        left: set[asyncio.Task[None]] = set(self._jobs)
        for _ in range(_CANCELS):
            for task in left:
                task.cancel()
            if left:
                _, left = await asyncio.wait(left, timeout=_CANCEL_S)
        if left:
            _LOG.error("left behind: %s", ", ".join(sorted(task.get_name() for task in left)))

    async def _give_back(self, parts: Parts) -> None:
        """Let others have the leases at once, also after a failure: the desks are closed."""
        parts.keeper.stop()
        leaving = [one for one in self._jobs if one.get_name() == "leases"]
        if leaving:
            await asyncio.wait(leaving, timeout=_HAND_OVER_S)

    async def _drained(self, shard: int, within_s: float) -> None:
        if self._parts is None:
            return
        works = [
            work
            for tenant in self._parts.crew.tenants.values()
            if tenant.shard == shard
            for work in tenant.accounts.values()
        ]
        betting = self._parts.fanout.betting
        bets = [] if betting is None else [betting.drain(shard, within_s)]
        await asyncio.gather(*(work.desk.drain(within_s) for work in works), *bets)

    # --- what goes on -----------------------------------------------------------------------------

    async def _lead(self, parts: Parts) -> None:
        """Open parts as they are gained."""
        while True:
            await self._news.wait()
            self._news.clear()
            shards, self._gained = self._gained, []
            if not shards:
                continue
            begun = await parts.crew.open_shards(shards)
            self.is_ready = True
            _LOG.info("%d parts taken over with %d bots", len(shards), len(begun))
            self._follow(parts)
            await self._catch_up(parts, begun)
            _settle_memory()

    async def _catch_up(self, parts: Parts, runners: list[BotRunner]) -> None:
        """Tell bots that begin what is still worth something of what was said before."""
        if not runners:
            return
        now = parts.crew.tools.clock.now()
        after = {one.definition_id: now - 2.5 * one.config.interval.delta for one in runners}
        missed = await parts.signals.missed(after)
        await parts.fanout.signals(missed, {one.bot_id for one in runners})

    async def _hear_signals(self, parts: Parts) -> None:
        async for signals in parts.signals.batches():
            await parts.fanout.signals(signals)

    async def _hear_wanted(self, parts: Parts) -> None:
        async for events in parts.wanted.batches():
            if parts.looking.hear(events):
                self._heard.set()

    async def _look(self, parts: Parts) -> None:
        while True:
            is_heard = True
            try:
                await asyncio.wait_for(self._heard.wait(), _LOOK_S)
            except TimeoutError:
                is_heard = False
            self._heard.clear()
            await parts.looking.look(thoroughly=not is_heard)
            self._follow(parts)

    async def _round(self, parts: Parts) -> None:
        number = 0
        while True:
            await asyncio.sleep(_ROUND_S)
            await parts.rounds.go()
            number += 1
            if number % _BEST_EVERY == 0:
                await parts.rounds.keep_best()

    async def _watch(self, parts: Parts) -> None:
        while True:
            for name, quote in (await parts.quotes.changes()).items():
                parts.venues.on_quote(name.partition(":")[0], quote)
                await parts.fanout.quote(name, quote)

    def _follow(self, parts: Parts) -> None:
        """Watch the quotes of what bots trade, each instrument once."""
        names = parts.crew.instruments() | parts.fanout.betted()
        wanted = frozenset(Instrument.parse(one) for one in names)
        for one in wanted - self._watched:
            parts.quotes.watch(one)
        for one in self._watched - wanted:
            parts.quotes.unwatch(one)
        self._watched = wanted

    def _spawn(self, job: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.get_running_loop().create_task(job, name=name)
        self._jobs.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.fail(failure)


_HEARING: Final = frozenset({"signals", "wanted", "looking", "rounds", "quotes", "parts"})


def _settle_memory() -> None:
    """Let the collector look no more at what stays: a pass over many bots stops all for a second.

    What was let go of since the last time is found first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _unexpected(failure: BaseException) -> BaseException | None:
    """Return a failure whose trace is worth keeping: one that is no error of ours."""
    return None if isinstance(failure, CandelaError) else failure
