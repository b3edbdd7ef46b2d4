"""An executor in a history: it can be killed or stopped wherever it waits."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from live.desk.desk import AccountDesk
from live.store.memory import MemoryStore
from live.store.port import Lease
from tests.simulation.broker import SimulatedBroker
from tests.simulation.loop import VirtualClock

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["TERM_S", "Process"]

TERM_S = 14.0


class Process:
    """One executor: it can be killed or stopped at each of its pauses."""

    def __init__(self, world: World, epoch: int) -> None:
        self.world = world
        self.epoch = epoch
        self.is_dead = False
        self._stopped_until_s = 0.0
        self._is_over = False
        clock = VirtualClock(world.loop)
        self.store = MemoryStore(world.books, self.pause)
        self.broker = SimulatedBroker(world.network, clock, self.pause)
        self.desk = AccountDesk(
            world.key,
            self.store,
            self.broker,
            self.lease,
            clock,
            random=Random(world.random.random()).random,
        )
        self.desk.on_alarm(world.alarm)

    def lease(self) -> Lease | None:
        """Return the lease, None once its local term is over; a process that runs renews it."""
        if self._is_over:
            return None
        return Lease(self.world.shard, self.epoch, f"process-{self.epoch}")

    def is_entitled(self) -> bool:
        """Return whether something may be sent now."""
        return self.epoch == self.world.books.epochs[self.world.shard]

    async def pause(self) -> None:
        """Be killed or stopped here, perhaps."""
        world = self.world
        if self.is_dead:
            raise asyncio.CancelledError
        faults, random = world.venue.faults, world.random
        chance = random.random()
        if chance < faults.kill and world.current is self:
            world.kill(self)
            raise asyncio.CancelledError
        is_stopped = self._stopped_until_s > world.loop.time()
        if chance > 1 - faults.stall and world.current is self and not is_stopped:
            for_s = random.uniform(1, 60)
            self._stopped_until_s = world.loop.time() + for_s
            self._is_over = self._is_over or for_s >= TERM_S
            world.stalled(self, self._stopped_until_s)
        while self._stopped_until_s > world.loop.time():
            await asyncio.sleep(self._stopped_until_s - world.loop.time())
            if self.is_dead:
                raise asyncio.CancelledError

    def kill(self) -> None:
        """End as kill -9 ends: nothing is tidied up."""
        self.is_dead = True
        self.store.kill()
        self.broker.kill()
