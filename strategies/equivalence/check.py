"""Proves on real bars that a strategy decides bar by bar what it decides on all bars at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, Strategy
from strategies.equivalence.beginning import explain_calendar, explain_start, stretch_difference
from strategies.equivalence.choice import choose_prefixes, choose_windows, telling_rows
from strategies.equivalence.columns import Difference, Table
from strategies.equivalence.futures import FUTURES, other_future
from strategies.equivalence.hindsight import explain_future, explain_prefixes
from strategies.equivalence.report import EquivalenceReport, Finding, TooFewBars
from strategies.equivalence.sameness import check_remembered, check_same_again, check_state
from strategies.equivalence.state import kept_state
from strategies.equivalence.trial import Found, Trial

__all__ = ["Progress", "check_equivalence"]

Progress = Callable[[float, int], None]

_FEWEST: Final = 16
_FUTURES: Final = 40
_LATER: Final = 40
_ENOUGH: Final = 32  # disagreeing beginnings tell the kind


def check_equivalence(
    strategy: Strategy[Any],
    parameters: Parameters,
    bars: Bars,
    *,
    prefixes: int | None = None,
    windows: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EquivalenceReport:
    """Compare what the strategy computes on all bars with what it computes on fewer and on others.

    On beginnings of the bars (each ends with the newest bar of a moment), on stretches that have
    just the declared warm-up before them, on other continuations, on other dates, and again and
    again on the same. Decisions must be equal, panes to 1e-9.

    Parameters
    ----------
    prefixes, windows
        How many beginnings and stretches are compared; as many as cost a few seconds where not
        given, the same ones on any machine.
    seed
        Of the choice and of the continuations.
    progress
        Called with the share done and the number of comparisons.

    Raises
    ------
    TooFewBars
        Fewer than 16 bars.
    """
    if len(bars) < _FEWEST:
        message = f"{len(bars)} bars are too few to compare anything."
        raise TooFewBars(message, f"Give {_FEWEST} bars or more, better some thousands.")
    started = time.perf_counter()
    check = _Check(strategy, parameters, bars, seed, progress)
    try:
        check.run(prefixes, windows)
    except Found as found:
        # State, chance and failures make every other comparison say something untrue.
        check.findings = [found.finding]
    return EquivalenceReport(
        ok=not check.findings,
        findings=tuple(check.findings),
        prefixes=check.prefixes,
        windows=check.windows,
        futures=check.futures,
        decisions=check.decisions,
        notes=tuple(check.notes),
        seconds=time.perf_counter() - started,
    )


class _Check:
    """One run of the check: what was found, and how much was compared."""

    def __init__(
        self,
        strategy: Strategy[Any],
        parameters: Parameters,
        bars: Bars,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self.before = kept_state(strategy)
        self.trial = Trial(strategy, parameters, bars)
        self.random = np.random.default_rng(seed)
        self.progress = progress
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.prefixes = self.windows = self.futures = self.decisions = 0

    def run(self, prefixes: int | None, windows: int | None) -> None:
        trial = self.trial
        whole = check_same_again(trial, self.before)
        check_remembered(trial)
        self.decisions = int(whole.decisions.size)
        if not self.decisions:
            self.notes.append("Nothing is decided on these bars, so no decision was compared.")
        self._compare_prefixes(whole, prefixes)
        if not self.findings:
            self._compare_futures(whole)
        if not self.findings:
            self._compare_windows(whole, windows)
        if not self.findings:
            dated = explain_calendar(trial, whole)
            self.findings += [] if dated is None else [dated]
        check_state(trial, self.before)
        self._tell(1.0)

    def _compare_prefixes(self, whole: Table, wanted: int | None) -> None:
        lengths = choose_prefixes(whole, self.trial.warm_up, self.random, wanted)
        # In no order, so that the first to disagree come from everywhere.
        self.random.shuffle(lengths)
        failed: dict[int, Finding] = {}
        disagreeing: list[Table] = []
        for place, length in enumerate(lengths):
            self._tell(0.4 * place / len(lengths))
            try:
                table = self.trial.beginning(int(length))
            except Found as found:
                failed[int(length)] = found.finding
                continue
            self.prefixes += 1
            if whole.first_difference(table) is not None:
                disagreeing.append(table)
                if len(disagreeing) == _ENOUGH:
                    break
        if disagreeing:
            self.findings.append(explain_prefixes(self.trial, whole, disagreeing, self.random))
        if failed:
            self.findings.append(failed[max(failed)])

    def _compare_futures(self, whole: Table) -> None:
        rows = telling_rows(whole, self.random, _FUTURES // 2)
        spread = self.random.integers(1, whole.length, size=_FUTURES // 2)
        known = np.unique(np.concatenate([rows + 1, spread]))
        known = known[known < whole.length]
        known = np.sort(self.random.choice(known, min(_FUTURES, known.size), replace=False))
        for place, length in enumerate(known):
            kind = FUTURES[place % len(FUTURES)]
            other = self.trial.on(other_future(self.trial.bars, int(length), kind, self.random))
            self.futures += 1
            difference = whole.first_difference(other.cut(int(length)))
            if difference is not None:
                self.findings.append(explain_future(self.trial, int(length), kind, difference))
                return

    def _compare_windows(self, whole: Table, wanted: int | None) -> None:
        trial = self.trial
        if trial.warm_up + 1 >= whole.length:
            self.notes.append(
                f"The warm-up of {trial.warm_up:,} bars is as long as the data: whether decisions"
                " depend on where the bars begin was not compared."
            )
            return
        ends = choose_windows(whole, trial.warm_up, self.random, wanted)
        for place, stop in enumerate(ends):
            self._tell(0.4 + 0.6 * place / len(ends))
            difference = stretch_difference(trial, whole, int(stop))
            self.windows += 1
            if difference is not None:
                self.findings.append(self._explain_window(whole, difference, int(stop)))
                return

    def _explain_window(self, whole: Table, difference: Difference, stop: int) -> Finding:
        """Tell whether a stretch differs by where it begins, or by where it ends."""
        nearby = range(max(stop - 64, 1), min(stop + 64, whole.length))
        tables = [self.trial.beginning(length) for length in nearby]
        disagreeing = [table for table in tables if whole.first_difference(table) is not None]
        if disagreeing:
            return explain_prefixes(self.trial, whole, disagreeing, self.random)
        ends = range(whole.length, stop, -max((whole.length - stop) // _LATER, 1))
        return explain_start(self.trial, whole, difference, ends)

    def _tell(self, share: float) -> None:
        if self.progress is not None:
            self.progress(share, self.prefixes + self.windows + self.futures)
