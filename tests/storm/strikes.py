"""The harms of a storm: what is done to a process, and how it begins again."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psutil
import redis

from candela.embedded.folder import StateFolder
from candela.embedded.postgres import main_pid

if TYPE_CHECKING:
    from tests.storm.world import World

__all__ = ["WEIGHTS", "Strikes"]

WEIGHTS: Final = {"KILL": 68, "STOP": 8, "TERM": 8, "venue": 7, "redis": 4, "database": 5}
"""How often each harm is done, of 100."""
_DRAIN_S: Final = 90
# Longer than a lease lives: it wakes up as an owner that no longer is one.
_STOPS_S: Final = (1.0, 17.0)


@dataclass
class Strikes:
    """Do harm to one process after the other, drawn by seed."""

    world: World
    names: list[str]
    chance: random.Random
    kinds: tuple[str, ...] = tuple(WEIGHTS)
    restarts: list[float] = field(default_factory=list[float])

    def strike(self, kind: str | None = None) -> str:
        """Do one harm, and let what was killed begin again; return which it was."""
        kind = kind or self.chance.choices(self.kinds, [WEIGHTS[one] for one in self.kinds])[0]
        name = self.chance.choice(self.names)
        if kind in {"KILL", "STOP", "TERM"}:
            self._executor(kind, name)
        elif kind == "venue":
            self.world.kill_sandbox()
            time.sleep(self.chance.uniform(0.0, 2.0))
            self.world.start_sandbox()
        elif kind == "database":
            self._database()
        else:
            with redis.Redis.from_url(self.world.places.redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
                client.execute_command("FLUSHALL")  # pyright: ignore[reportUnknownMemberType]
        self.world.revive()
        return kind

    def _executor(self, kind: str, name: str) -> None:
        process = self.world.executors[name]
        if kind == "KILL":
            process.kill()
            process.wait()
            began = time.monotonic()
            self.world.start_executor(name)
            if len(self.names) == 1:
                self.restarts.append(self.world.held(began))
        elif kind == "STOP":
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.chance.choice(_STOPS_S))
            process.send_signal(signal.SIGCONT)
        else:
            process.terminate()
            process.wait(_DRAIN_S)
            self.world.start_executor(name)

    def _database(self) -> None:
        """Kill the server at once, or let it stop without a word; then start it again."""
        pid = main_pid(StateFolder(self.world.folder))
        assert pid is not None
        # SIGQUIT is what `pg_ctl stop -m immediate` sends.
        server = psutil.Process(pid)
        server.send_signal(self.chance.choice([signal.SIGKILL, signal.SIGQUIT]))
        psutil.wait_procs([server], timeout=30)
        time.sleep(self.chance.uniform(0.0, 2.0))
        self.world.reopen()
