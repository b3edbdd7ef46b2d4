"""What a bot evaluates, made of a strategy, checked parameters, an instrument and a timeframe."""

from __future__ import annotations

import ast
from typing import Any

from candela.bots.definition import Definition
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from strategies.definition import Parameters, Strategy

__all__ = ["define", "timeframes_of"]

_SHIPPED = "strategies."


def define(
    strategy: Strategy[Any], parameters: Parameters, instrument: Instrument, timeframe: Timeframe
) -> Definition:
    """Return the definition; the text of a strategy that does not ship is kept with it."""
    is_shipped = strategy.function.__module__.startswith(_SHIPPED)
    return Definition(
        strategy=strategy.name,
        source_digest=strategy.source_digest,
        parameters=parameters.model_dump(mode="json"),
        instrument=instrument,
        timeframe=timeframe,
        kind=strategy.kind,
        warm_up=strategy.warm_up(parameters),
        reads=strategy.reads(parameters),
        timeframes=timeframes_of(strategy),
        source=None if is_shipped else strategy.source_text,
    )


def timeframes_of(strategy: Strategy[Any]) -> int:
    """Return how many bar lengths a strategy reads: 2 where it asks for longer ones, else 1."""
    return 2 if _reads_longer_bars(strategy.source_text) else 1


def _reads_longer_bars(text: str) -> bool:
    """Whether a strategy asks its bars for those of a longer timeframe."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "higher"
        for node in ast.walk(ast.parse(text))
    )
