"""Sweeps in the ledger: chunk by chunk, whole or not at all, the same sweep once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from backtest.canonical import BadFigures
from backtest.ledger import Ledger
from backtest.ledger.refusals import NoSuchSweep, SweepDiffers
from candela.clock import SystemClock
from tests.backtest.ledger.made import FAMILY, made, point
from tests.fixtures.state import wait_for

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from candela.db.connect import Database

SWEEP = "5a" * 32
SPEC = {"fast": [1, 40], "data": "sha256:dd"}
CHUNK = 10


def figures(first: int, count: int = CHUNK) -> pl.DataFrame:
    numbers = range(first, first + count)
    return pl.DataFrame({"fast": list(numbers), "sharpe": [0.01 * one for one in numbers]})


def record(ledger: Ledger, chunk: int, sweep: str = SWEEP) -> bool:
    first = chunk * CHUNK
    trials = [point(number) for number in range(first, first + CHUNK)]
    return ledger.record_chunk(sweep, chunk, first, figures(first), trials)


def open_it(ledger: Ledger, total: int = 4 * CHUNK, sweep: str = SWEEP, **changes: Any) -> None:
    ledger.open_sweep(sweep, SPEC | changes, total, FAMILY, surface="cli")


def test_sweep_when_it_goes_on_then_only_what_is_missing_is_left(ledger: Ledger) -> None:
    open_it(ledger)
    assert record(ledger, 0)
    assert record(ledger, 2)
    open_it(ledger)
    assert ledger.done_chunks(SWEEP) == {0, 2}
    assert not record(ledger, 2)
    sweep = ledger.sweep(SWEEP[:6])
    assert (sweep.done, sweep.total, sweep.is_done, sweep.spec) == (20, 40, False, SPEC)
    for chunk in (1, 3):
        record(ledger, chunk)
    assert ledger.sweep(SWEEP).is_done
    assert ledger.sweep_figures(SWEEP).equals(figures(0, 40))
    assert ledger.trial_count(FAMILY) == 40


def test_sweep_when_two_share_points_then_these_count_once(ledger: Ledger) -> None:
    for sweep, chunks in ((SWEEP, (0, 1)), ("6b" * 32, (1, 2))):
        open_it(ledger, 20, sweep, name=sweep)
        for chunk in chunks:
            assert record(ledger, chunk, sweep)
    assert ledger.trial_count(FAMILY) == 30
    assert [one.is_done for one in ledger.sweeps(strategy="ma_cross")] == [True, True]
    assert ledger.sweeps(strategy="other") == []


def test_chunk_when_points_come_twice_in_it_then_one_trial_each(ledger: Ledger) -> None:
    open_it(ledger, 4)
    trials = [point(1), point(2), point(1), point(2)]
    ledger.record_chunk(SWEEP, 0, 0, figures(1, 4), trials)
    assert (ledger.trial_count(FAMILY), ledger.sweep(SWEEP).done) == (2, 4)


def test_sweep_when_opened_otherwise_then_refused(ledger: Ledger) -> None:
    open_it(ledger)
    with pytest.raises(SweepDiffers, match="40 points"):
        open_it(ledger, 41)
    record(ledger, 0)
    with pytest.raises(SweepDiffers, match="10 points from 0 on, not 5 from 0 on"):
        ledger.record_chunk(SWEEP, 0, 0, figures(0, 5), [point(one) for one in range(5)])


def test_chunk_when_it_cannot_be_then_refused_and_nothing_stored(ledger: Ledger) -> None:
    with pytest.raises(NoSuchSweep, match="Open it"):
        record(ledger, 0)
    open_it(ledger)
    with pytest.raises(BadFigures, match="3 rows of figures, 2 trials"):
        ledger.record_chunk(SWEEP, 0, 0, figures(0, 3), [point(1), point(2)])
    with pytest.raises(NoSuchSweep):
        ledger.sweep("0000")
    assert (ledger.trial_count(FAMILY), ledger.sweep_figures(SWEEP).height) == (0, 0)


def test_chunks_when_two_processes_record_them_at_once_then_each_once(ledger: Ledger) -> None:
    open_it(ledger, 8 * CHUNK)
    start = threading.Barrier(3)
    new: list[bool] = []

    def work(chunks: range) -> None:
        start.wait()
        new.extend([record(ledger, chunk) for chunk in chunks])

    threads = [
        threading.Thread(target=work, args=(one,)) for one in (range(8), range(7, -1, -1), range(8))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(new), len(new)) == (8, 24)
    assert (ledger.sweep(SWEEP).is_done, ledger.trial_count(FAMILY)) == (True, 80)


def work_on(database: Database, begun: Event) -> None:
    """Record the chunks that are missing, in a process of its own."""
    ledger = Ledger(database, SystemClock())
    for chunk in range(40):
        if chunk not in ledger.done_chunks(SWEEP):
            record(ledger, chunk)
        begun.set()


def test_sweep_when_killed_again_and_again_then_whole_chunks_only_and_nothing_twice(
    ledger: Ledger, database: Database
) -> None:
    open_it(ledger, 40 * CHUNK)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.backtest.ledger.test_sweeps"])
    for _ in range(3):
        begun = context.Event()
        process = context.Process(target=work_on, args=(database, begun), daemon=True)
        wanted = min(len(ledger.done_chunks(SWEEP)) + 3, 40)
        process.start()
        assert begun.wait(60)
        wait_for(lambda least=wanted: len(ledger.done_chunks(SWEEP)) >= least)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        done = ledger.done_chunks(SWEEP)
        assert ledger.trial_count(FAMILY) == CHUNK * len(done)
        assert ledger.sweep_figures(SWEEP).height == CHUNK * len(done)
    for chunk in set(range(40)) - ledger.done_chunks(SWEEP):
        assert record(ledger, chunk)
    assert (ledger.sweep(SWEEP).is_done, ledger.trial_count(FAMILY)) == (True, 400)
    assert ledger.sweep_figures(SWEEP).equals(figures(0, 400))
    assert ledger.record_run(made(), surface="notebook")
    assert ledger.trial_count(FAMILY) == 400, "fast=20 was a point of the sweep"
