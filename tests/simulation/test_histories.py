"""Whole histories: no order lost, none doubled, whatever fails; the same seed is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.bugs import MUTANTS, Mutant
from tests.simulation.mutants import ROOT, apply, catch
from tests.simulation.world import run_history

KEPT = [
    line.split()
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
QUICK = {"no_fence", "same_id_again", "send_first", "empty_balance_is_flat"}


def share(text: str) -> float | None:
    return None if text == "-" else float(text)


@pytest.mark.parametrize("seed", range(1_000, 1_024))
def test_books_after_a_history_with_faults_equal_the_venues_ledger(seed: int) -> None:
    result = run_history(seed, orders=100, rate=0.1)
    assert result.breaches == []
    assert result.orders >= 100


@pytest.mark.parametrize("seed", range(2_000, 2_006))
def test_books_after_a_bad_day_equal_the_venues_ledger(seed: int) -> None:
    assert run_history(seed, orders=60, rate=0.3).breaches == []


@pytest.mark.parametrize("seed", range(3_000, 3_006))
def test_books_after_many_take_overs_equal_the_venues_ledger(seed: int) -> None:
    result = run_history(seed, orders=60, rate=0.1, stalls=0.01)
    assert result.breaches == []
    assert result.stalls > 0


@pytest.mark.parametrize(("seed", "faults", "stalls", "kills"), KEPT)
def test_history_that_once_failed_holds(seed: str, faults: str, stalls: str, kills: str) -> None:
    result = run_history(
        int(seed), orders=100, rate=float(faults), stalls=share(stalls), kills=share(kills)
    )
    assert result.breaches == []


def test_history_without_faults_fills_every_order_that_was_not_canceled() -> None:
    result = run_history(5, orders=60, rate=0.0)
    assert result.breaches == []
    assert result.counts.unknown == 0
    assert result.alarms == {}


def test_history_of_one_seed_in_another_process_is_the_same() -> None:
    here = run_history(11, orders=40, rate=0.2)
    assert here.digest == run_history(11, orders=40, rate=0.2).digest
    assert here.digest != run_history(12, orders=40, rate=0.2).digest
    program = (
        "from tests.simulation.world import run_history;"
        "print(run_history(11, orders=40, rate=0.2).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == here.digest


def test_mutants_are_many_and_their_texts_stand_where_they_say(tmp_path: Path) -> None:
    assert len(MUTANTS) >= 15
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        for edit in mutant.edits:
            assert (ROOT / edit.file).read_text().count(edit.text) == 1, mutant.name
    apply(MUTANTS[0], tmp_path)
    assert (tmp_path / MUTANTS[0].edits[0].file).read_text().count(MUTANTS[0].edits[0].instead)


def test_page_of_deliberate_bugs_always_names_every_mutant() -> None:
    page = (ROOT / "docs" / "reference" / "deliberate-bugs.md").read_text()
    assert [mutant.name for mutant in MUTANTS if f"`{mutant.name}`" not in page] == []


@pytest.mark.parametrize(
    "mutant", [one for one in MUTANTS if one.name in QUICK], ids=lambda one: one.name
)
def test_mutant_is_caught_quickly(mutant: Mutant) -> None:
    assert catch(mutant) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant", [one for one in MUTANTS if one.name not in QUICK], ids=lambda one: one.name
)
def test_mutant_is_caught(mutant: Mutant) -> None:
    assert catch(mutant) is not None
