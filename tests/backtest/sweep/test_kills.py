"""A sweep killed at any moment: nothing computed twice that was kept, nothing counted twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from backtest.ledger import Ledger
from backtest.sweep.run import run_sweep
from candela.clock import SystemClock
from strategies.ma_cross import ma_cross
from tests.architecture.tree import ROOT
from tests.backtest.sweep.making import walk
from tests.backtest.sweep.sweep_worker import BARS, killed_spec

if TYPE_CHECKING:
    from candela.db.connect import Database


def start(database: Database, method: str, workers: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.backtest.sweep.sweep_worker", method, str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(database.admin_url.get_secret_value() + "\n")
    process.stdin.close()
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    return process


def wait_for_chunks(ledger: Ledger, more_than: int, deadline_s: float = 60.0) -> None:
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        kept = ledger.sweeps()
        if kept and kept[0].done > more_than:
            return
        time.sleep(0.002)
    pytest.fail(f"no chunk beyond {more_than} points was kept")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "workers", "kills"), [("grid", 1, 4), ("grid", 2, 2), ("optuna", 1, 2)]
)
def test_sweep_killed_again_and_again_then_goes_on_without_computing_or_counting_twice(
    database: Database, method: str, workers: int, kills: int
) -> None:
    ledger = Ledger(database, SystemClock())
    chance = random.Random(7)
    kept_before = 0
    for kill in range(kills):
        process = start(database, method, workers)
        beside = psutil.Process(process.pid).children(recursive=True)
        # Each process keeps a chunk or more, then dies at a moment of its own.
        wait_for_chunks(ledger, kept_before)
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.wait(10)
        _, left = psutil.wait_procs(beside, timeout=20)
        assert left == [], "a worker outlived the process that started it"
        (sweep,) = ledger.sweeps()
        frame = ledger.sweep_figures(sweep.sweep_id)
        assert frame.height == sweep.done, f"kill {kill}: half a chunk"
        assert frame["point"].n_unique() == frame.height
        assert ledger.trial_count(sweep.family) == sweep.done, f"kill {kill}: trials"
        kept_before = sweep.done
        if sweep.is_done:
            break
    before = ledger.sweeps()[0].done
    whole = run_sweep(ma_cross, walk(BARS), killed_spec(method))
    last = start(database, method, workers)
    assert last.wait(120) == 0
    (sweep,) = ledger.sweeps()
    assert sweep.is_done
    assert sweep.done == whole.total >= before
    assert ledger.sweep_figures(sweep.sweep_id).equals(whole.frame)
    assert ledger.trial_count(sweep.family) == whole.total
