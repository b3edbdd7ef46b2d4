"""Reasons: every gate that they name is asked somewhere, and every word of a failure is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backtest.parity.reasons import GATES, HALT_WORDS, LATE_WORDS

ROOT = Path(__file__).parents[3]
PLACES = ("candela/risk", "live/bots", "live/executor", "live/store")
SOURCES = "\n".join(
    path.read_text("utf-8") for place in PLACES for path in (ROOT / place).rglob("*.py")
) + (ROOT / "candela/plans.py").read_text("utf-8")
ASKED = set(re.findall(r'"([a-z_]+)"', SOURCES))


@pytest.mark.parametrize("gate", sorted(GATES))
def test_gate_when_a_reason_names_it_is_asked_somewhere(gate: str) -> None:
    assert gate in ASKED


@pytest.mark.parametrize("word", [*LATE_WORDS, *HALT_WORDS])
def test_word_when_a_reason_looks_for_it_is_said_by_the_desk(word: str) -> None:
    desk = "\n".join(path.read_text("utf-8") for path in (ROOT / "live/desk").glob("*.py"))
    assert word in desk
