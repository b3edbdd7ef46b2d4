"""Compiled loops: kept by the content of their sources, through one door, without scipy."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from candela.compiled import SOURCES, cache_folder
from strategies.registry import SHIPPED
from tests.architecture.tree import ROOT, module_files

BUDGET_CODE = """
import sys
import backtest.run, backtest.workbench
from bench.backtests import first_call
first_call()
print([name for name in ("vectorbt", "pandas", "scipy", "matplotlib", "optuna", "dagster")
       if name in sys.modules])
"""


def test_loops_when_written_then_their_file_counts_for_the_cache() -> None:
    outside = [
        path.relative_to(ROOT).as_posix()
        for path in module_files("candela", "strategies", "backtest", "pipelines")
        if re.search(r"^@compiled|= compiled", path.read_text("utf-8"), re.MULTILINE)
        and path.parent.relative_to(ROOT).as_posix() not in SOURCES
    ]
    assert outside == []


def test_numba_when_imported_then_through_its_door() -> None:
    others = [
        path.relative_to(ROOT).as_posix()
        for path in module_files("candela", "strategies", "backtest", "pipelines")
        if re.search(
            r"^\s*(from|import) numba|module\(.numba", path.read_text("utf-8"), re.MULTILINE
        )
    ]
    assert others == ["candela/compiled.py"]


def test_cache_when_a_loop_changes_then_it_is_another_folder(tmp_path: Path) -> None:
    code = "import candela.compiled as c; print(c.cache_folder())"
    copy = tmp_path / "candela"
    copy.mkdir()
    for name in ("__init__.py", "compiled.py"):
        (copy / name).write_bytes((ROOT / "candela" / name).read_bytes())
    (copy / "fills").mkdir()
    loop = copy / "fills" / "one.py"

    def folder() -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    loop.write_text("from candela.compiled import compiled\n")
    first = folder()
    (copy / "fills" / "plain.py").write_text("nothing = 1\n")
    assert folder() == first
    loop.write_text("from candela.compiled import compiled\n# another\n")
    assert folder() != first
    assert Path(cache_folder()).name != Path(first.strip()).name


def test_backtest_when_run_then_no_heavy_library_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUDGET_CODE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_strategies_when_only_described_then_numba_is_not_loaded() -> None:
    code = """
import sys
from strategies.registry import shipped
told = [(one.schema, one.warm_up(one.with_values()), one.source_digest) for one in shipped()]
print(len(told), [name for name in ("numba", "llvmlite") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"{len(SHIPPED)} []", done.stderr


def test_loops_when_first_called_by_many_threads_then_each_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loops_inner.py").write_text(
        "from candela.compiled import compiled\n\n\n"
        "@compiled\ndef twice(value):\n    return value + value\n"
    )
    (tmp_path / "loops_outer.py").write_text(
        "from candela.compiled import compiled\nfrom loops_inner import twice\n\n\n"
        "@compiled\ndef total(values):\n    found = 0.0\n    for value in values:\n"
        "        found += twice(value)\n    return found\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    outer, inner = import_module("loops_outer"), import_module("loops_inner")
    waiting: Any = outer.total
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(waiting, [np.arange(5.0)] * 16))
    assert found == [20.0] * 16
    # What looks them up now finds what numba made, and one of each.
    assert outer.total is waiting.made()
    assert outer.twice is inner.twice
    assert len(outer.total.signatures) == len(inner.twice.signatures) == 1
    assert waiting.__name__ == "total"
