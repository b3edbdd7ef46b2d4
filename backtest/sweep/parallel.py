"""Spreads chunks of points over processes that share the bars through the page cache."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from backtest.sweep.evaluate import Evaluated
from backtest.sweep.worker import Failed, Finished, Job, Market, write_market
from candela.errors import CandelaError

__all__ = ["Crew", "WorkerLost"]

Point = Mapping[str, Any]
Progress = Callable[[int], None]

# One job at hand and some to go on with, so that nobody waits while results are being kept.
_AHEAD: Final = 3
# Of a chunk for each process; in pieces of so many points at least, which cost more than handing
# them over.
_PIECES: Final = 1
_SMALLEST: Final = 16
_LEAVE_S: Final = 10.0
_START: Final = (
    "import sys; sys.path[:] = {path!r}; from backtest.sweep.worker import main; main({pipe})"
)


class WorkerLost(CandelaError):
    """A process of a sweep ended before its work was done."""

    code = "worker_lost"
    retryable = True


class _Hand:
    """Another process and the jobs it has."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        with theirs:
            words = _START.format(path=sys.path, pipe=theirs.fileno())
            self.process = subprocess.Popen(
                [sys.executable, "-c", words],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.jobs: set[int] = set()

    def give(self, job: Job) -> None:
        try:
            self.pipe.send(job)
        except (BrokenPipeError, ConnectionResetError):
            raise self.lost() from None
        self.jobs.add(job.number)

    def answers(self) -> Iterator[Finished | Failed]:
        """Take every answer that is there; there is one at least."""
        while True:
            try:
                answer: Finished | Failed = self.pipe.recv()
                self.jobs.discard(answer.number)
                yield answer
                if not self.pipe.poll():
                    return
            except (EOFError, ConnectionResetError):
                raise self.lost() from None

    def lost(self) -> WorkerLost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_LEAVE_S)
        message = f"Process {self.process.pid} of the sweep ended with {self.process.returncode}."
        return WorkerLost(
            message, "What is kept stays; run the sweep again, with fewer workers if memory is low."
        )

    def leave(self) -> None:
        self.pipe.close()
        # It may be in the middle of points that nobody waits for any more.
        self.process.terminate()
        try:
            self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Crew:
    """Workers: the process at hand and others beside it, which run points at the same time.

    Others are started at once, so that they are ready when the first sweep begins; one crew does
    for many sweeps.

    Parameters
    ----------
    workers
        Processes in all.
    """

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            message = f"A sweep cannot run on {workers} workers."
            raise WorkerCount(message, "Give 1 or more, at most one for each core.")
        self.workers = workers
        self._folder = tempfile.TemporaryDirectory(prefix="candela-sweep-") if workers > 1 else None
        self._hands = [_Hand() for _ in range(workers - 1)]
        self._files = 0
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the other processes."""
        for hand in self._hands:
            hand.leave()
        self._hands = []
        if self._folder is not None:
            self._folder.cleanup()

    def run(
        self,
        market: Market,
        chunks: Iterable[Sequence[Point]],
        *,
        progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[int, Evaluated]]:
        """Yield the place of each chunk and what came of it, in the order in which they end.

        Chunks that were not done when ``should_stop`` said so are not yielded.

        Parameters
        ----------
        progress
            Told of points done since the last call.

        Raises
        ------
        StrategyNotInFile
            There are several workers, and no file from which they could read the strategy.
        WorkerLost
            A process ended by itself.
        """
        if not self._hands:
            return self._alone(market, chunks, progress, should_stop)
        return self._together(market, chunks, progress, should_stop)

    def _alone(
        self,
        market: Market,
        chunks: Iterable[Sequence[Point]],
        progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Iterator[tuple[int, Evaluated]]:
        run = market.evaluator()
        for place, points in enumerate(chunks):
            evaluated = run(points, progress=_steps(progress), should_stop=should_stop)
            if not evaluated.done.all():
                return
            yield place, evaluated

    def _together(
        self,
        market: Market,
        chunks: Iterable[Sequence[Point]],
        progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Iterator[tuple[int, Evaluated]]:
        path = self._shared(market)
        first = self._number
        cut = _Cut(chunks, self.workers)
        left = iter(cut)
        run = market.evaluator()
        ready: deque[tuple[int, Evaluated]] = deque()
        is_more = True
        while True:
            # One each first, then one for this process: three chunks are not two for another.
            is_more = is_more and self._top_up(1, path, left, first)
            own = next(left, None) if is_more else None
            is_more = own is not None and self._top_up(_AHEAD, path, left, first)
            if own is not None:
                place, points = own
                self._number = max(self._number, first + place + 1)
                evaluated = run(points, progress=_steps(progress), should_stop=should_stop)
                if evaluated.done.all():
                    ready.extend(cut.put(place, evaluated))
            is_stopped = should_stop is not None and should_stop()
            is_idle = own is None and not ready
            for finished in self._finished(first, wait_s=0.1 if is_idle else 0.0):
                ready.extend(cut.put(finished.number - first, finished.evaluated))
                if progress is not None:
                    progress(len(finished.evaluated.done))
            while ready:
                yield ready.popleft()
            if is_stopped or (not is_more and not any(hand.jobs for hand in self._hands)):
                return

    def _shared(self, market: Market) -> Path:
        if self._folder is None:
            message = "The crew has gone home."
            raise WorkerCount(message, "Open another one.")
        path = Path(self._folder.name) / f"{self._files}.market"
        write_market(market, path)
        if self._files:
            # Those who still read the one before have it open.
            path.with_name(f"{self._files - 1}.market").unlink(missing_ok=True)
        self._files += 1
        return path

    def _top_up(
        self, jobs: int, path: Path, left: Iterator[tuple[int, Sequence[Point]]], first: int
    ) -> bool:
        """Give every process so many jobs; return whether there may be more."""
        for hand in self._hands:
            while len(hand.jobs) < jobs:
                following = next(left, None)
                if following is None:
                    return False
                place, points = following
                self._number = max(self._number, first + place + 1)
                hand.give(Job(first + place, str(path), points))
        return True

    def _finished(self, first: int, wait_s: float) -> Iterator[Finished]:
        busy = [hand for hand in self._hands if hand.jobs]
        if not busy:
            return
        ready = wait([hand.pipe for hand in busy], wait_s)
        for hand in busy:
            if hand.pipe not in ready:
                continue
            for answer in hand.answers():
                # What an earlier sweep left behind when it was stopped is nobody's any more.
                if answer.number < first:
                    continue
                if isinstance(answer, Failed):
                    raise answer.error
                yield answer


class _Cut:
    """Chunks in pieces: the last ones are so small that nobody waits long for another."""

    def __init__(self, chunks: Iterable[Sequence[Point]], workers: int) -> None:
        self._chunks = chunks
        self._parts = _PIECES * workers
        self._places: list[tuple[int, int]] = []
        self._done: dict[int, list[Evaluated | None]] = {}

    def __iter__(self) -> Iterator[tuple[int, Sequence[Point]]]:
        for place, points in enumerate(self._chunks):
            share = max(_SMALLEST, -(-len(points) // self._parts))
            firsts = range(0, len(points), share)
            self._done[place] = [None] * len(firsts)
            for part, first in enumerate(firsts):
                self._places.append((place, part))
                yield len(self._places) - 1, points[first : first + share]

    def put(self, piece: int, evaluated: Evaluated) -> Iterator[tuple[int, Evaluated]]:
        """Take what came of a piece; yield the chunk that it makes whole, if it does."""
        place, part = self._places[piece]
        parts = self._done[place]
        parts[part] = evaluated
        whole = [one for one in parts if one is not None]
        if len(whole) == len(parts):
            del self._done[place]
            yield place, joined(whole)


def joined(parts: Sequence[Evaluated]) -> Evaluated:
    """Return the parts as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Evaluated(
        np.concatenate([one.sums for one in parts]),
        np.concatenate([one.trade_sums for one in parts]),
        np.concatenate([one.done for one in parts]),
    )


class WorkerCount(CandelaError):
    """A sweep needs at least one process."""

    status = 422
    code = "worker_count"


def _steps(progress: Progress | None) -> Progress | None:
    """Return a function that is told how many are done and tells how many more that is."""
    if progress is None:
        return None
    before = 0

    def update(done: int) -> None:
        nonlocal before
        progress(done - before)
        before = done

    return update
