"""Luck or skill: one decision from all tests, with a stated rate of being fooled (ADR 0018)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from backtest.evidence.bootstrap import LEAST
from backtest.evidence.checks import (
    HOPED_SHARPE,
    Check,
    Findings,
    ask_alone,
    ask_halves,
    ask_luck,
    ask_record,
    ask_redrawn,
)
from backtest.evidence.samples import Progress, TooFewReturns
from backtest.evidence.trialset import TrialSet

__all__ = ["Check", "Outcome", "Verdict", "judge"]


class Outcome(StrEnum):
    """What the evidence allows to say."""

    SKILL = "skill"
    LUCK = "luck"
    TOO_SHORT = "too short to tell"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, every check it rests on, and the figures behind them.

    Attributes
    ----------
    outcome
        Skill if every check passed; too short to tell where the record excludes no good edge
        either; else luck.
    words
        The decision in a sentence.
    checks
        In the order in which they read best; all of them decide.
    figures
        By name; Sharpe ratios per year, lengths in years, NaN where undefined.
    """

    outcome: Outcome
    words: str
    checks: tuple[Check, ...]
    figures: dict[str, float]

    @property
    def passed(self) -> bool:
        """Skill."""
        return self.outcome is Outcome.SKILL

    def as_dict(self) -> dict[str, object]:
        """Return the verdict as JSON takes it: NaN and infinity become None."""
        return {
            "passed": self.passed,
            "outcome": self.outcome.value,
            "words": self.words,
            "checks": [
                {
                    "name": check.name,
                    "value": _finite(check.value),
                    "threshold": _finite(check.threshold),
                    "passed": check.passed,
                    "sentence": check.sentence,
                }
                for check in self.checks
            ],
            "figures": {name: _finite(value) for name, value in self.figures.items()},
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def judge(
    trials: TrialSet, *, draws: int = 1000, seed: int = 0, progress: Progress | None = None
) -> Verdict:
    """Return whether the chosen trial's result is luck or skill.

    Parameters
    ----------
    trials
        The chosen run and the family it was chosen from.
    draws
        Of each bootstrap.
    seed
        Equal seeds give equal verdicts.
    progress
        Called after each of the five questions.

    Raises
    ------
    TooFewReturns
        Fewer than eight bars: nothing can be estimated at all.
    """
    bars = trials.chosen_returns.size
    if bars < LEAST:
        raise TooFewReturns(
            f"The run has {bars} bars, and at least {LEAST} are needed.",
            "Test a longer span, or a finer timeframe.",
        )
    found = Findings()
    questions = (
        lambda: ask_record(found, trials),
        lambda: ask_alone(found, trials),
        lambda: ask_luck(found, trials, draws, seed),
        lambda: ask_halves(found, trials),
        lambda: ask_redrawn(found, trials, draws, seed),
    )
    for done, question in enumerate(questions, 1):
        question()
        if progress:
            progress(done, len(questions))
    outcome = _outcome(found)
    return Verdict(outcome, _words(outcome, found), tuple(found.checks), found.figures)


def _outcome(found: Findings) -> Outcome:
    missed = found.missed()
    if not missed:
        return Outcome.SKILL
    figures = found.figures
    blind = figures["years"] < figures["tellable_after_years"]
    hopeful = figures["edge_sharpe_high"] >= HOPED_SHARPE
    few = not {"bars", "trades"}.isdisjoint(missed)
    return Outcome.TOO_SHORT if few or (blind and hopeful) else Outcome.LUCK


def _words(outcome: Outcome, found: Findings) -> str:
    figures = found.figures
    missed = found.missed()
    record = f"{figures['years']:.1f} years and {figures['trials_ever']:,.0f} trials"
    match outcome:
        case Outcome.SKILL:
            return f"Skill: in {record}, luck alone does as well in {figures['superiority']:.1%}."
        case Outcome.LUCK:
            return f"Luck explains it: in {record}, it misses {', '.join(missed)}."
        case Outcome.TOO_SHORT if not {"bars", "trades"}.isdisjoint(missed):
            few = " and ".join(name for name in missed if name in {"bars", "trades"})
            return f"Too short to tell: there are too few {few}."
        case Outcome.TOO_SHORT:
            return (
                f"Too short to tell: neither luck nor a Sharpe ratio of {HOPED_SHARPE:g} is "
                f"excluded; after {figures['trials_ever']:,.0f} trials that one shows in "
                f"{figures['tellable_after_years']:.1f} years, and there are "
                f"{figures['years']:.1f}."
            )
