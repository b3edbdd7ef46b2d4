"""How the strategies of these tests are made: a function with what it should be found to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from strategies.alignment import beside
from strategies.bars import Bars
from strategies.definition import Parameters, Strategy, parameter, strategy
from strategies.equivalence.report import Kind
from strategies.sample import sample_bars
from strategies.signals import Signals

__all__ = ["ETH", "Case", "Plain", "bars_of_a_season", "case"]

ETH: Final = "bitvavo:ETH/EUR"


class Plain(Parameters):
    """One window, whatever for."""

    window: int = parameter(20, "Bars.", ge=2, le=200, unit="bars")


@dataclass(frozen=True, slots=True)
class Case:
    """A strategy, and the kind of finding it must bring: none for a clean one."""

    strategy: Strategy[Any]
    parameters: Parameters
    kind: Kind | None = None
    words: str = ""

    @property
    def name(self) -> str:
        """How the case is called: the strategy with what is not at its default."""
        defaults = self.strategy.with_values().model_dump()
        values = self.parameters.model_dump()
        said = [f"{name}={value}" for name, value in values.items() if value != defaults[name]]
        return " ".join([self.strategy.name, *said])


def case(
    cases: list[Case], kind: Kind | None = None, warm_up: int = 200
) -> Callable[[Callable[[Bars, Plain], Signals]], Callable[[Bars, Plain], Signals]]:
    """Add a function to the cases; the first line of its docstring says what it does."""

    def add(function: Callable[[Bars, Plain], Signals]) -> Callable[[Bars, Plain], Signals]:
        made = strategy(
            name=function.__name__, parameters=Plain, warm_up=lambda _parameters: warm_up
        )(function)
        cases.append(Case(made, made.with_values(), kind, made.summary))
        return function

    return add


@cache
def bars_of_a_season() -> Bars:
    """Return 1,600 real hours of BTC with ETH beside; they hold a hole, crashes, quiet weeks."""
    return beside(sample_bars()[10_400:12_000], {ETH: sample_bars(ETH)})
