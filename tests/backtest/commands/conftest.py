"""A database with two years of hours in it, and files of strategies that go wrong."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from candela.candles.importing import import_file
from candela.clock import SystemClock
from candela.db.connect import Database, Role
from candela.files.options import ReadOptions
from tests.fixtures.candles import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.command_line import Ran

HEAD = '''"""A strategy of a test."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.conditions import crossed_above, crossed_below
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals


class Own(Parameters):
    window: int = parameter(20, "Window.", ge=2, le=500)


@strategy(name="own", parameters=Own, warm_up=lambda p: p.window + 1)
def own(bars: Bars, parameters: Own) -> Signals:
    """Buy above the mean."""
    mean = sma(bars.close, parameters.window)
'''


@pytest.fixture
def hours(database: Database) -> Database:
    """The sample's hours of BTC/EUR in the database."""
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        import_file(connection, SAMPLE / "BTC-EUR_1h.parquet", ReadOptions(), clock=SystemClock())
    return database


@pytest.fixture
def candela(hours: Database, command_line: Callable[..., Ran]) -> Callable[..., Ran]:
    """The command line on that database."""
    return command_line


@pytest.fixture
def strategy_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a strategy whose function ends with these lines."""

    def write(*lines: str) -> Path:
        path = tmp_path / "own.py"
        path.write_text(HEAD + "".join(f"    {line}\n" for line in lines), "utf-8")
        return path

    return write
