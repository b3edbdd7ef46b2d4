"""What a check of prefix equivalence found, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from candela.errors import StrategyError

__all__ = ["EquivalenceReport", "Finding", "Kind", "NotEquivalent", "TooFewBars"]

Kind = Literal[
    "raises",
    "mutation",
    "hidden_state",
    "non_determinism",
    "look_ahead",
    "repainting",
    "warm_up_too_short",
    "calendar",
]


class NotEquivalent(StrategyError):
    """A strategy decides otherwise bar by bar than on all bars at once."""

    code = "not_equivalent"


class TooFewBars(StrategyError):
    """There are not enough bars to compare anything."""

    code = "too_few_bars"


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a strategy does not do live what it does in a backtest.

    Attributes
    ----------
    kind
        ``raises``: fails on some of the bars. ``mutation``: writes into its inputs.
        ``hidden_state``: keeps something from call to call. ``non_determinism``: equal inputs,
        different decisions. ``look_ahead``: a decision uses later bars. ``repainting``: a decision
        is made at the newest bar and changed once there are newer ones, whatever these are.
        ``warm_up_too_short``: a decision depends on where the bars begin. ``calendar``: decisions
        hang on dates.
    bar
        Row of the first bar at which it shows.
    at
        Start of that bar, UTC.
    column
        The column of `Signals`, or ``pane <name>``.
    whole
        Its value computed on all bars.
    prefix
        Its value computed on fewer, or on others.
    words
        What happened and the likely cause, in a sentence or two.
    remedy
        What to change.
    """

    kind: Kind
    bar: int
    at: str
    column: str
    whole: str
    prefix: str
    words: str
    remedy: str


@dataclass(frozen=True, slots=True)
class EquivalenceReport:
    """The result of a check.

    Attributes
    ----------
    ok
        Whether nothing was found.
    findings
        The gravest first; state and chance hide the others, so they are told alone.
    prefixes, windows, futures
        How many beginnings, stretches and made-up continuations of the bars were compared.
    decisions
        Bars at which the strategy decides something.
    notes
        What could not be tested.
    seconds
        How long it took.
    """

    ok: bool
    findings: tuple[Finding, ...]
    prefixes: int
    windows: int
    futures: int
    decisions: int
    notes: tuple[str, ...]
    seconds: float

    def require_ok(self, name: str) -> None:
        """Refuse a strategy with findings.

        Raises
        ------
        NotEquivalent
            In the words of the gravest finding.
        """
        if not self.ok:
            first = self.findings[0]
            raise NotEquivalent(f"{name}: {first.kind}. {first.words}", first.remedy)
