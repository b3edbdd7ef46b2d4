"""The keeper of an executor's leases: renews in time, takes its share, lets go before the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from live.leases.table import PARTS, Executor, Kind, LeaseTable, Place, share_of
from live.store.pool import DatabaseLost
from live.store.port import Lease, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from live.store.pool import ConnectionPool

__all__ = ["MARGIN_S", "TERM_S", "LeaseKeeper", "Listener"]

TERM_S: Final = 15.0
MARGIN_S: Final = 1.0
_ROUNDS_A_TERM: Final = 3
_SOON_S: Final = 0.05
Listener: TypeAlias = Callable[[Kind, Lease], None]
Drain: TypeAlias = Callable[[Kind, Lease], Awaitable[None]]


def _nobody(kind: Kind, lease: Lease) -> None:
    """Listen to nothing."""


async def _at_once(kind: Kind, lease: Lease) -> None:
    """Have nothing to end."""


@dataclass(slots=True)
class _Held:
    lease: Lease
    until: float
    is_draining: bool = False


class LeaseKeeper:
    """Hold a fair share of the parts, each only as long as it is surely ours.

    The database counts the term by its clock from when it hears of us, we count it by our
    monotonic clock from before we spoke, and stop a margin earlier. So where the process stalls or
    the link is cut, it stops by itself before anybody else can have taken the part over, and what
    it still tries to write is refused by the epoch.

    Parameters
    ----------
    pool
        One connection for the keeper alone, so that no work delays a renewal.
    on_gained, on_lost
        Called at once, in the loop, for each lease; a lost one must not be used any more, whatever
        is under way.
    drain
        Awaited before a lease is given up to an executor that has too few; renewed meanwhile.
    figures
        What the heartbeat tells of this process.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        executor: Executor,
        *,
        kinds: Iterable[Kind] = tuple(PARTS),
        term_s: float = TERM_S,
        margin_s: float = MARGIN_S,
        on_gained: Listener = _nobody,
        on_lost: Listener = _nobody,
        drain: Drain = _at_once,
        figures: Callable[[], Mapping[str, Any]] = dict[str, Any],
    ) -> None:
        self._kinds = tuple(kinds)
        self._table = LeaseTable(pool, executor, self._kinds, term_s)
        self._term_s, self._margin_s = term_s, margin_s
        self._on_gained, self._on_lost, self._drain = on_gained, on_lost, drain
        self._figures = figures
        self._held: dict[Place, _Held] = {}
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._is_leaving = False
        self._drains: set[asyncio.Task[None]] = set()

    def lease(self, kind: Kind, shard: int) -> Lease:
        """Return the lease of a part, to write under.

        Raises
        ------
        LeaseLost
            It is not held, or its time is over though nobody has said so yet.
        """
        held = self._held.get((kind, shard))
        if held is None or asyncio.get_running_loop().time() >= held.until:
            raise LeaseLost(
                f"this executor does not hold part {shard} of {kind}",
                "Let go of it; whoever holds it goes on.",
            )
        return held.lease

    def held(self, kind: Kind) -> tuple[int, ...]:
        """Return the parts of a kind that are held now."""
        now = asyncio.get_running_loop().time()
        return tuple(
            sorted(
                place[1]
                for place, held in self._held.items()
                if place[0] == kind and now < held.until
            )
        )

    async def run(self) -> None:
        """Keep leases until `stop`; then give all of them back.

        Raises
        ------
        DatabaseLost
            The database is gone; everything that was held is let go of.
        """
        watching = asyncio.create_task(self._watch())
        try:
            while not self._stopping.is_set():
                pause_s = await self._round()
                await _waited(self._stopping, pause_s)
            await self._leave()
        finally:
            for task in (watching, *self._drains):
                task.cancel()
            for place in tuple(self._held):
                self._lose(place)

    def retire(self) -> None:
        """Take no more parts, and let others count without this executor."""
        self._is_leaving = True

    def stop(self) -> None:
        """End `run`: all leases are given back; what works under them should have ended before."""
        self.retire()
        self._stopping.set()

    async def _round(self) -> float:
        """Do what is due and return after how many seconds it is due again."""
        for task in [task for task in self._drains if task.done()]:
            self._drains.remove(task)
            task.result()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._term_s - self._margin_s
        asked = {place: held.lease for place, held in self._held.items()}
        try:
            async with asyncio.timeout_at(until):
                seen = await self._table.round(
                    asked, dict(self._figures()), is_leaving=self._is_leaving
                )
        except TimeoutError:
            raise DatabaseLost(
                f"the database has not answered for {self._term_s - self._margin_s} s.",
                "Start again once it answers.",
            ) from None
        for place in asked:
            if place not in seen.renewed:
                self._lose(place)
            elif place in self._held:
                self._held[place].until = until
        for (kind, shard), lease in seen.taken.items():
            self._held[kind, shard] = _Held(lease, until)
            self._on_gained(kind, lease)
        self._changed.set()
        has_all = all(self._give_up_surplus(kind, seen.others) for kind in self._kinds)
        pause_s = self._term_s / _ROUNDS_A_TERM
        if has_all or seen.next_free_s is None:
            return pause_s
        return min(pause_s, max(seen.next_free_s, 0.0) + _SOON_S)

    def _give_up_surplus(self, kind: Kind, others: int) -> bool:
        """Begin to give up what is above the share; return whether the share is there."""
        mine = sorted(
            place for place, held in self._held.items() if place[0] == kind and not held.is_draining
        )
        share = share_of(kind, others)
        for place in mine[share:]:
            held = self._held[place]
            held.is_draining = True
            self._drains.add(asyncio.create_task(self._give_up(place, held.lease)))
        return len(mine) >= share

    async def _give_up(self, place: Place, lease: Lease) -> None:
        await self._drain(place[0], lease)
        held = self._held.get(place)
        if held is not None and held.lease == lease:
            self._lose(place)
            await self._table.give_back({place: lease})

    async def _leave(self) -> None:
        """Let go of everything, then tell the others."""
        leases = {place: held.lease for place, held in self._held.items()}
        for place in leases:
            self._lose(place)
        await self._table.give_back(leases)
        await self._table.round({}, dict(self._figures()), is_leaving=True)

    async def _watch(self) -> None:
        """Let go of what was not renewed in time, though the database may be silent."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            now = loop.time()
            for place, held in tuple(self._held.items()):
                if now >= held.until:
                    self._lose(place)
            ends = [held.until for held in self._held.values()]
            await _waited(self._changed, min(ends) - now if ends else None)

    def _lose(self, place: Place) -> None:
        held = self._held.pop(place, None)
        if held is not None:
            self._on_lost(place[0], held.lease)


async def _waited(event: asyncio.Event, pause_s: float | None) -> None:
    """Return when the event is set, or after a while."""
    try:
        async with asyncio.timeout(pause_s):
            await event.wait()
    except TimeoutError:
        return
