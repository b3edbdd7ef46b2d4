"""The process that runs strategies: no settings, no secrets, bounded memory."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candela.errors import CandelaError
from candela.market.timeframe import Timeframe
from live.signals.decision import decide_last
from live.signals.frames import read_frame
from strategies import registry
from strategies.alignment import beside
from strategies.bars import Bars
from strategies.definition import StrategyFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from live.signals.frames import SeriesRows
    from strategies.definition import Parameters, Strategy

__all__ = ["Evaluations", "main"]


class Evaluations:
    """Definitions that were told, and their decisions on bars that come.

    Parameters
    ----------
    folder
        Private folder for the texts of strategies that do not ship.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[tuple[str, str], Strategy[Any]] = {}
        self._known: dict[str, tuple[Strategy[Any], Parameters]] = {}

    def define(self, told: dict[str, Any]) -> None:
        """Load a strategy and check the parameters.

        Raises
        ------
        StrategyFailed
            The text is not the one that was meant.
        CandelaError
            It cannot be loaded, is not pure, or the parameters are refused.
        """
        key = (told["strategy"], told["source_digest"])
        # One text stands behind many definitions, which differ in their parameters.
        found = self._loaded.get(key)
        if found is None:
            found = self._loaded[key] = self._load(told)
        self._known[told["definition_id"]] = (found, found.with_values(told["parameters"]))

    def _load(self, told: dict[str, Any]) -> Strategy[Any]:
        if told["source"] is None:
            found = registry.find(told["strategy"])
        else:
            path = self._folder / f"{told['source_digest'].rpartition(':')[2][:16]}.py"
            path.write_text(told["source"], encoding="utf-8")
            found = registry.find(f"{path}:{told['strategy']}")
        if found.source_digest != told["source_digest"]:
            message = f"The text of {told['strategy']} is not the one that was registered."
            raise StrategyFailed(message, "It changed with an update: start its bots again.")
        return found

    def bars_of(self, series: Sequence[SeriesRows], rows: int, others: Sequence[str]) -> Bars:
        """Return the last rows of the first series with others on their times."""
        own = _bars(series[0].last(rows))
        if not others:
            return own
        further = {one.instrument: one for one in series[1:]}
        return beside(own, {name: _bars(further[name]) for name in others})

    def evaluate(self, definition_id: str, bars: Bars) -> dict[str, Any]:
        """Return the decision of the last bar.

        Raises
        ------
        CandelaError
            The strategy failed, or decided what nobody can carry out.
        """
        found, parameters = self._known[definition_id]
        return decide_last(found.signals(bars, parameters), bars)


def main() -> None:
    """Answer frames on the standard input with lines of JSON, until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="candela-strategies-") as folder:
        evaluations = Evaluations(Path(folder))
        for name in registry.SHIPPED:
            registry.find(name)
        before = _size()
        limit = before + int(sys.argv[1]) * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        print(json.dumps({"ready": True}), file=answers)
        while (frame := read_frame(sys.stdin.buffer.read)) is not None:
            with redirect_stdout(sys.stderr):
                _answer(evaluations, *frame, answers)
            print(json.dumps({"done": True, "grown": _size() - before}), file=answers)


def _answer(
    evaluations: Evaluations, message: dict[str, Any], series: list[SeriesRows], answers: Any
) -> None:
    told = {one["definition_id"]: one for one in message["define"]}
    shared: dict[tuple[int, tuple[str, ...]], Bars] = {}
    for job in message["jobs"]:
        definition_id = job["definition_id"]
        line: dict[str, Any] = {"definition_id": definition_id}
        try:
            if definition_id in told:
                evaluations.define(told[definition_id])
            key = (job["rows"], tuple(job["others"]))
            if key not in shared:
                shared[key] = evaluations.bars_of(series, *key)
            line["decision"] = evaluations.evaluate(definition_id, shared[key])
            text = json.dumps(line, allow_nan=False)
        except MemoryError:
            shared.clear()
            text = json.dumps({**line, "memory": True})
        except CandelaError as error:
            is_memory = isinstance(error.__cause__, MemoryError)
            text = json.dumps(
                {**line, "memory": True} if is_memory else {**line, "error": str(error)}
            )
        except Exception as error:  # noqa: BLE001 - a user's text may do anything; it is told
            text = json.dumps({**line, "error": f"{type(error).__name__}: {error}"})
        print(text, file=answers)


def _bars(rows: SeriesRows) -> Bars:
    opened, high, low, close, volume = rows.values
    return Bars(
        time=rows.time,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        timeframe=Timeframe(rows.timeframe_s),
        instrument=rows.instrument,
    )


def _size() -> int:
    """Return the bytes of address space in use."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    # Its executor was killed: nobody is left to be told anything.
    with suppress(BrokenPipeError):
        main()
