"""A strategy file that does more than compute is refused, with the line and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

import strategies
from strategies.purity import ImpureStrategy, find_impurities, require_pure, written_by
from strategies.registry import SHIPPED
from strategies.template import template

HEAD = "import numpy as np\nseen = []\nlimits = {'a': 1}\n\n\ndef rule(bars, parameters):\n    "

# what is written in line 7, what is said of it
IMPURE = {
    "open('notes.csv')": "open",
    "eval('1')": "eval",
    "exec('x = 1')": "exec",
    "print(bars)": "print",
    "seen.append(1)": "seen",
    "seen[:] = []": "seen",
    "limits['a'] = 2": "limits",
    "del limits['a']": "limits",
    "rule.calls = 1": "rule",
    "global seen": "seen",
    "np.random.random(5)": "np.random.random",
    "np.random.seed(1)": "np.random.seed",
    "np.random.default_rng()": "without a seed",
    "np.load('weights.npy')": "np.load",
    "np.savetxt('notes.csv', bars.close)": "np.savetxt",
    "import requests": "requests",
    "import os": "os",
    "import time": "time",
    "from pathlib import Path": "pathlib",
    "from candela.settings import load_settings": "candela.settings",
    "from candela import db": "candela.db",
    "from . import notes": "beside",
    "from datetime import datetime; datetime.now()": "present",
    "import datetime; datetime.date.today()": "present",
    "import random; random.random()": "random.random",
}
PURE = [
    "np.random.default_rng(parameters.seed).random(5)",
    "seen = []; seen.append(1)",
    "limits = dict(limits); limits['a'] = 2",
    "out = np.zeros(3); out[0] = 1.0",
    "from candela.market.timeframe import Timeframe",
    "from strategies.indicators import sma",
    "from datetime import datetime; datetime(2024, 1, 1)",
    "import polars as pl; pl.Series(bars.close).rolling_mean(3)",
    "import math; math.sqrt(2.0)",
]


@pytest.mark.parametrize("line", IMPURE)
def test_impurity_when_written_then_named_with_line_and_remedy(line: str) -> None:
    found = find_impurities(HEAD + line)
    assert [one.line for one in found] == [7], found
    assert IMPURE[line] in found[0].what
    assert found[0].remedy


@pytest.mark.parametrize("line", PURE)
def test_pure_code_when_read_then_nothing_is_found(line: str) -> None:
    assert find_impurities(HEAD + line) == ()


def test_default_that_is_kept_when_written_then_found() -> None:
    found = find_impurities("def rule(bars, parameters, seen=[]):\n    return seen")
    assert [(one.line, "kept" in one.what) for one in found] == [(1, True)]


def test_import_at_the_top_when_foreign_then_found_where_it_is() -> None:
    found = find_impurities("import numpy\n\nimport httpx\n")
    assert [(one.line, one.what) for one in found] == [(3, "imports httpx")]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_strategy_when_read_then_pure(name: str) -> None:
    path = Path(strategies.__path__[0]) / f"{name}.py"
    assert find_impurities(path.read_text(encoding="utf-8")) == ()


def test_template_when_read_then_pure() -> None:
    assert find_impurities(template("my_rule")) == ()


def test_impure_file_when_required_pure_then_error_names_every_line() -> None:
    with pytest.raises(ImpureStrategy, match=r"rule\.py .* line 1 imports os; line 2 imports re"):
        require_pure("import os\nimport re\n", "rule.py")


def test_variable_of_the_call_when_changed_by_an_inner_function_then_pure() -> None:
    text = "def rule():\n  n = 0\n  def step():\n    nonlocal n\n    n += 1\n  step()\n"
    assert find_impurities(text) == ()


kept: list[int] = []


def test_function_when_it_writes_into_a_global_then_named_with_its_line() -> None:
    def rule() -> None:
        kept.append(1)

    def local() -> None:
        own: list[int] = []
        own.append(1)

    found = written_by(rule)
    assert [one.line for one in found] == [rule.__code__.co_firstlineno + 1]
    assert "changes kept" in found[0].what
    assert written_by(local) == written_by(len) == ()
