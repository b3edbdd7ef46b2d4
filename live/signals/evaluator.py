"""The evaluator: runs definitions in processes of their own and kills what does not come back."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import psutil

from candela.errors import StrategyError
from live.signals.frames import SeriesRows, encode

if TYPE_CHECKING:
    from asyncio.subprocess import Process

__all__ = ["Evaluated", "Evaluator", "EvaluatorBroken", "Job"]

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 0.25
_START_S: Final = 60.0
_TRIES: Final = 3
_MEBIBYTE: Final = 2**20


class EvaluatorBroken(StrategyError):
    """The process that runs strategies does not start."""

    code = "evaluator_broken"


@dataclass(frozen=True, slots=True)
class Job:
    """One definition to evaluate on the last bar of the series at hand.

    Parameters
    ----------
    rows
        How many of the last rows it sees.
    others
        Further instruments that it reads.
    told
        What makes the strategy: strategy, source, source_digest, parameters, definition_id.
    """

    definition_id: str
    rows: int
    others: tuple[str, ...]
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a definition decided; None where it failed, with the reason."""

    definition_id: str
    decision: Mapping[str, Any] | None
    error: str = ""


class _Silent(Exception):
    """The child does not answer, or is gone; caught where its work is given to the next."""


@dataclass(slots=True)
class _Child:
    process: Process
    known: set[str]

    async def send(self, frame: bytes) -> None:
        pipe = self.process.stdin
        assert pipe is not None  # noqa: S101 - it was asked for
        pipe.write(frame)

    async def line(self, cpu_s: float, wall_s: float, about: str | None = None) -> dict[str, Any]:
        """Return the next line, which must be about that definition.

        Raises
        ------
        _Silent
            It used so much processor, or so much time passed, or is gone, or says something else.
        """
        pipe = self.process.stdout
        assert pipe is not None  # noqa: S101 - it was asked for
        loop = asyncio.get_running_loop()
        reading = asyncio.ensure_future(pipe.readline())
        started, before = loop.time(), self._cpu_s()
        try:
            while not (await asyncio.wait({reading}, timeout=_LOOK_S))[0]:
                # A child that was not given a processor is not slow: others use it.
                used = self._cpu_s() - before
                if used > cpu_s:
                    raise _Silent(f"did not come back after {used:.1f} s of processor time")
                if loop.time() - started > wall_s:
                    raise _Silent(f"did not come back in {wall_s:.0f} s")
            line = reading.result()
        finally:
            reading.cancel()
        if not line:
            raise _Silent("ended its process, most likely for want of memory")
        try:
            said = cast("dict[str, Any]", json.loads(line))
        except ValueError:
            said = {"definition_id": "none"}
        if said.get("definition_id") != about:
            raise _Silent("answered something else")
        return said

    def _cpu_s(self) -> float:
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return times.user + times.system

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Evaluator:
    """Evaluate batches of definitions, one batch at a time, with a second process in reserve.

    A definition whose process hangs, dies or runs out of memory is tried once more, alone in a new
    process and after all others; the second time it has failed. One that raises has failed at once.

    Parameters
    ----------
    cpu_s, wall_s
        Seconds of processor and of time that one definition may take on one bar.
    memory_mib
        What a process may take beyond what it has at its start.
    """

    def __init__(self, *, cpu_s: float = 5.0, wall_s: float = 60.0, memory_mib: int = 512) -> None:
        self._cpu_s = cpu_s
        self._wall_s = wall_s
        self._memory_mib = memory_mib
        self._child: _Child | None = None
        self._reserve: asyncio.Task[_Child] | None = None
        self._turn = asyncio.Lock()
        self.evaluations = 0
        self.restarts = 0

    async def evaluate(self, series: Sequence[SeriesRows], jobs: Sequence[Job]) -> list[Evaluated]:
        """Evaluate jobs on the last bar of the first series; in any order.

        Raises
        ------
        EvaluatorBroken
            No process can be started.
        """
        async with self._turn:
            found: list[Evaluated] = []
            suspects = await self._round(series, list(jobs), found)
            for job, _ in suspects:
                await self._replace()
                for again, reason in await self._round(series, [job], found):
                    found.append(Evaluated(again.definition_id, None, reason))
            if suspects:
                await self._replace()
            return found

    async def start(self) -> None:
        """Start the processes ahead of the first bar."""
        async with self._turn:
            await self._ready()

    async def close(self) -> None:
        """End the processes."""
        if self._reserve is not None:
            reserve, self._reserve = self._reserve, None
            reserve.cancel()
            for child in await asyncio.gather(reserve, return_exceptions=True):
                if isinstance(child, _Child):
                    await child.kill()
        if self._child is not None:
            await self._child.kill()
            self._child = None

    async def _round(
        self, series: Sequence[SeriesRows], jobs: list[Job], found: list[Evaluated]
    ) -> list[tuple[Job, str]]:
        """Evaluate jobs, and return those that took their process with them."""
        suspects: list[tuple[Job, str]] = []
        while jobs:
            child = await self._ready()
            new = [job.told for job in jobs if job.definition_id not in child.known]
            message = {
                "define": [dict(one) for one in new],
                "jobs": [
                    {"definition_id": one.definition_id, "rows": one.rows, "others": one.others}
                    for one in jobs
                ],
            }
            try:
                await child.send(encode(message, series))
                while jobs:
                    line = await child.line(self._cpu_s, self._wall_s, jobs[0].definition_id)
                    job = jobs.pop(0)
                    self.evaluations += 1
                    if line.get("memory"):
                        suspects.append((job, f"wants more than {self._memory_mib} MiB of memory"))
                        continue
                    child.known.add(job.definition_id)
                    if "error" in line:
                        child.known.discard(job.definition_id)
                    found.append(
                        Evaluated(job.definition_id, line.get("decision"), line.get("error", ""))
                    )
                done = await child.line(self._cpu_s, self._wall_s)
                if done["grown"] > self._memory_mib * _MEBIBYTE / 2:
                    await self._replace()
            except (_Silent, ConnectionError) as error:
                if jobs:
                    suspects.append((jobs.pop(0), str(error) or type(error).__name__))
                await self._replace()
        return suspects

    async def _ready(self) -> _Child:
        if self._child is None:
            for attempt in range(_TRIES):
                reserve, self._reserve = self._reserve or self._begin(), None
                try:
                    self._child = await reserve
                    break
                except _Silent as error:
                    if attempt == _TRIES - 1:
                        message = f"The process that runs strategies does not start: {error}."
                        raise EvaluatorBroken(message, "See the log for what it said.") from None
        if self._reserve is None:
            self._reserve = self._begin()
        assert self._child is not None  # noqa: S101 - the loop above gives one or raises
        return self._child

    async def _replace(self) -> None:
        if self._child is not None:
            self.restarts += 1
            child, self._child = self._child, None
            await child.kill()

    def _begin(self) -> asyncio.Task[_Child]:
        return asyncio.create_task(self._start())

    async def _start(self) -> _Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "live.signals.child",
            str(self._memory_mib),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # What runs there is a user's: it sees no setting and no secret of this process.
            env={"HOME": str(Path.home()), "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
            limit=16 * _MEBIBYTE,
        )
        child = _Child(process, set())
        try:
            await child.line(_START_S, _START_S)
        except BaseException:
            await child.kill()
            raise
        return child
