"""A process of a sweep: takes points over a pipe, runs them on shared bars, gives back sums."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import mmap
import pickle
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, cast

from backtest.spec import Protection
from backtest.sweep.evaluate import Evaluated, evaluate
from backtest.sweep.windows import Window
from candela.errors import StrategyError
from candela.fills.full import FinerBars, Funding
from candela.fills.model import FillModel
from candela.market.timeframe import Timeframe
from strategies.bars import COLUMNS, Bars
from strategies.definition import Strategy

__all__ = [
    "Failed",
    "Finished",
    "Job",
    "Market",
    "StrategyNotInFile",
    "main",
    "read_market",
    "write_market",
]

Point = Mapping[str, Any]

_ALIGNED: Final = 64
_PLAIN: Final = ("model", "cash", "protection", "funding", "finer", "lead", "is_window")


class StrategyNotInFile(StrategyError):
    """A strategy that was written in a notebook cannot be handed to another process."""

    code = "strategy_not_in_file"


@dataclass(frozen=True, slots=True)
class Market:
    """What every point of a sweep has in common.

    Attributes
    ----------
    lead
        Bars at the beginning that indicators warm up on and nobody trades.
    is_window
        Whether nothing stays open at the end (see `backtest.sweep.windows`).
    """

    strategy: Strategy[Any]
    bars: Bars
    model: FillModel
    cash: float
    protection: Protection
    funding: Funding | None = None
    finer: FinerBars | None = None
    lead: int = 0
    is_window: bool = False

    def evaluator(self) -> Callable[..., Evaluated]:
        """Return ``evaluate`` for this market: it takes points, ``progress``, ``should_stop``."""
        strategy, bars = self.strategy, self.bars
        if self.is_window:
            window = Window(bars, self.lead, self.model.execution.fill)
            strategy, bars = window.strategy(strategy), window.inside

        def run(points: Sequence[Point], **options: Any) -> Evaluated:
            return evaluate(
                strategy,
                bars,
                points,
                model=self.model,
                cash=self.cash,
                protection=self.protection,
                funding=self.funding,
                finer=self.finer,
                **options,
            )

        return run


@dataclass(frozen=True, slots=True)
class Job:
    """Points to run, on the market of that file."""

    number: int
    market: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a job."""

    number: int
    evaluated: Evaluated


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a job came to nothing."""

    number: int
    error: Exception


def write_market(market: Market, path: Path) -> None:
    """Write a market so that processes read its arrays where they lie, without a copy each.

    Raises
    ------
    StrategyNotInFile
        The strategy has no file that another process could read.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(
        {
            "strategy": _whereabouts(market.strategy),
            "bars": _columns(market.bars),
            **{name: getattr(market, name) for name in _PLAIN},
        },
        protocol=5,
        buffer_callback=buffers.append,
    )
    raws = [buffer.raw() for buffer in buffers]
    index = pickle.dumps((head, [raw.nbytes for raw in raws]))
    with path.open("wb") as file:
        file.write(len(index).to_bytes(8, "little"))
        file.write(index)
        for raw in raws:
            file.write(bytes(-file.tell() % _ALIGNED))
            file.write(raw)


def read_market(path: Path) -> Market:
    """Return the market of a file, its arrays read-only views of it."""
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    place = 8 + int.from_bytes(view[:8], "little")
    head, sizes = pickle.loads(view[8:place])  # noqa: S301 - written by the process that started us
    buffers: list[memoryview] = []
    for size in sizes:
        place += -place % _ALIGNED
        buffers.append(view[place : place + size])
        place += size
    parts = pickle.loads(head, buffers=buffers)  # noqa: S301 - as above
    strategy, bars = parts.pop("strategy"), parts.pop("bars")
    return Market(strategy=_found(**strategy), bars=_bars(bars), **parts)


def _columns(bars: Bars) -> dict[str, Any]:
    return {
        **{name: getattr(bars, name) for name in ("time", *COLUMNS)},
        "timeframe": bars.timeframe.seconds,
        "instrument": bars.instrument,
        "others": {name: _columns(other) for name, other in bars.others.items()},
    }


def _bars(columns: dict[str, Any]) -> Bars:
    others = {name: _bars(other) for name, other in columns["others"].items()}
    arrays: dict[str, Any] = {name: columns[name] for name in ("time", *COLUMNS)}
    return Bars(
        **arrays,
        timeframe=Timeframe(columns["timeframe"]),
        instrument=columns["instrument"],
        others=others,
    )


def _whereabouts(strategy: Strategy[Any]) -> dict[str, str]:
    file = strategy.file
    if file is None or not file.is_file():
        message = f"{strategy.name} is written in no file that another process could read."
        raise StrategyNotInFile(message, "Save it to a file, or sweep with one worker.")
    return {
        "name": strategy.name,
        "module": strategy.function.__module__,
        "file": str(file.resolve()),
        "digest": strategy.source_digest,
    }


def _found(name: str, module: str, file: str, digest: str) -> Strategy[Any]:
    for value in _defined(module, file):
        if isinstance(value, Strategy) and value.name == name:
            found = cast("Strategy[Any]", value)
            if found.source_digest != digest:
                message = f"{file} was changed while the sweep began."
                raise StrategyNotInFile(message, "Sweep again: it takes the file as it is now.")
            return found
    message = f"{file} defines no strategy {name}."
    raise StrategyNotInFile(message, "Put it at the top level of its file.")


def _defined(module: str, file: str) -> Iterable[object]:
    with contextlib.suppress(ImportError, ValueError):
        known = importlib.util.find_spec(module)
        if known is not None and known.origin == file:
            return vars(importlib.import_module(module)).values()
    from strategies.registry import in_file

    return in_file(Path(file))


def main(descriptor: int) -> None:
    """Work until the pipe is closed; Ctrl-C is the business of the process that started this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe: Connection[Any, Any] = Connection(descriptor)
    at_hand = ""
    run: Callable[..., Evaluated] | None = None
    # What is sent lies in the pipe until it is taken: beside the next job, not before it.
    sender = ThreadPoolExecutor(1)
    with sender, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job: Job = pipe.recv()
            try:
                if run is None or job.market != at_hand:
                    run, at_hand = read_market(Path(job.market)).evaluator(), job.market
                answer: Finished | Failed = Finished(job.number, run(job.points))
            except Exception as error:  # noqa: BLE001 - handed to the process that asked
                answer = Failed(job.number, error)
            sender.submit(pipe.send, answer)
