"""The process that runs strategies is bounded, holds no secret and loads no research library."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import numpy as np
import pytest

from live.signals.evaluator import Evaluator, Job
from live.signals.frames import SeriesRows
from tests.live.signals.bench_of_signals import definition_of, own_definition

ROWS = 400


def series() -> SeriesRows:
    random = np.random.default_rng(1)
    close = 100 + random.normal(0, 1, ROWS).cumsum()
    values = np.stack([close, close + 1, close - 1, close, np.ones(ROWS)])
    hours = np.arange(ROWS, dtype=np.int64) * 3_600_000_000 + 1_700_000_000_000_000
    return SeriesRows("bitvavo:BTC/EUR", 3_600, hours, values)


def job(body: str | None, name: str = "mine") -> Job:
    made = definition_of("ma_cross") if body is None else own_definition(body, name=name)
    told = {
        "definition_id": made.definition_id,
        "strategy": made.strategy,
        "source": made.source,
        "source_digest": made.source_digest,
        "parameters": dict(made.parameters),
    }
    return Job(made.definition_id, 256, (), told)


def test_evaluator_when_one_hangs_then_the_others_of_its_batch_are_decided() -> None:
    jobs = [job(None), job("while True: pass", "hangs"), job("return Signals()", "quiet")]

    async def run() -> tuple[dict[str, str], int]:
        evaluator = Evaluator(cpu_s=0.5)
        try:
            found = await evaluator.evaluate([series()], jobs)
            return {one.definition_id: one.error for one in found}, evaluator.restarts
        finally:
            await evaluator.close()

    errors, restarts = asyncio.run(run())
    assert errors[jobs[0].definition_id] == errors[jobs[2].definition_id] == ""
    assert "processor time" in errors[jobs[1].definition_id]
    assert restarts >= 2


def test_evaluator_when_its_process_is_killed_then_nothing_is_blamed() -> None:
    async def run() -> list[bool]:
        evaluator = Evaluator()
        try:
            await evaluator.start()
            child = evaluator._child
            assert child is not None
            child.process.kill()
            found = await evaluator.evaluate([series()], [job(None), job("return Signals()")])
            return [one.decision is not None for one in found]
        finally:
            await evaluator.close()

    assert asyncio.run(run()) == [True, True]


def test_strategy_when_it_looks_at_the_environment_then_no_setting_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANDELA_DATABASE_URL", "postgresql://somebody:pass-of-a-test@nowhere/none")

    async def run() -> str:
        evaluator = Evaluator()
        try:
            await evaluator.start()
            child = evaluator._child
            assert child is not None
            with open(f"/proc/{child.process.pid}/environ", encoding="utf-8") as file:  # noqa: ASYNC230, PTH123
                return file.read()
        finally:
            await evaluator.close()

    seen = asyncio.run(run())
    assert "CANDELA" not in seen
    assert "PATH=" in seen


@pytest.mark.parametrize(
    "modules", ["live.signals.child", "live.signals.worker, live.signals.stored, live.feed.feed"]
)
def test_modules_when_imported_then_no_research_library_is_loaded(modules: str) -> None:
    code = (
        f"import sys, {modules};"
        "print(sorted({'pandas', 'vectorbt', 'dagster', 'great_expectations', 'ccxt'}"
        " & sys.modules.keys()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert said.stdout.strip() == "[]"
