"""Equal inputs must give equal decisions: finds chance, kept state and wrong keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from strategies.definition import BadParameters, Parameters, Strategy
from strategies.equivalence.columns import Difference, Table, compute, shown
from strategies.equivalence.report import Finding, Kind
from strategies.equivalence.state import kept_state
from strategies.equivalence.trial import Found, Trial
from strategies.purity import written_by

__all__ = ["check_remembered", "check_same_again", "check_state"]

_REMEDY: Final = (
    "Compute everything from the bars and parameters of the call; what is dear is remembered by"
    " strategies.memory.remember, under a key that names every parameter."
)
_SEED: Final = (
    "Leave out chance and clocks; where chance is wanted, seed it from the parameters and draw for"
    " each bar by its time."
)


def check_same_again(trial: Trial, before: dict[str, str]) -> Table:
    """Compute the whole and a beginning several times in turn; return the whole.

    Raises
    ------
    Found
        Equal inputs gave different decisions, or something was kept.
    """
    _check_text(trial)
    half = max(trial.length // 2, 1)
    first_half = trial.beginning(half)
    given = trial.bars[:]
    whole = trial.on(given)
    trial.check_untouched(given)
    for _ in range(2):
        difference = whole.first_difference(trial.beginning(trial.length))
        if difference is None:
            difference = first_half.first_difference(trial.beginning(half))
        if difference is not None:
            raise Found(_unequal(trial, difference, _changed(trial, before)))
    _check_shared(trial, whole)
    check_state(trial, before)
    return whole


def _check_shared(trial: Trial, whole: Table) -> None:
    """Refuse what is remembered for one instrument and recalled for another of the same times."""
    difference = whole.first_difference(trial.as_given()) if trial.bars.others else None
    if difference is not None:
        words = (
            f"{difference.column} at {trial.at(difference.row)} is {shown(difference.other)} where"
            f" instruments share an array, such as their times, and {shown(difference.whole)} where"
            " each has its own: what is remembered for one is taken for another's."
        )
        remedy = "Remember what is made of several columns of bars under bars.kept, not one column."
        raise Found(_finding(trial, "hidden_state", difference, words, remedy))


def _check_text(trial: Trial) -> None:
    """Refuse by its text what was computed before the check began and is kept ever since."""
    for one in written_by(trial.strategy.function):
        words = f"{trial.strategy.name} {one.what}, in line {one.line}."
        difference = Difference(0, "", "computed anew", "kept")
        raise Found(_finding(trial, "hidden_state", difference, words, one.remedy))


def check_state(trial: Trial, before: dict[str, str]) -> None:
    """Refuse a strategy whose variables differ from what they were before the calls.

    Raises
    ------
    Found
        Naming the variable.
    """
    changed = _changed(trial, before)
    if changed:
        raise Found(
            _finding(
                trial,
                "hidden_state",
                Difference(0, changed[0], "as before the call", "changed by it"),
                f"{trial.strategy.name} keeps something between calls: {changed[0]} is changed by"
                " a call, so a decision can depend on what was computed before.",
                _REMEDY,
            )
        )


def check_remembered(trial: Trial) -> None:
    """Refuse a strategy that remembers one parameter's numbers under another's key.

    Raises
    ------
    Found
        Naming the parameter.
    """
    shared = trial.bars[:]
    compute(trial.strategy, trial.parameters, shared)
    for name, other in _neighbours(trial.strategy, trial.parameters):
        alone = Trial(trial.strategy, other, trial.bars).beginning(trial.length)
        difference = alone.first_difference(Trial(trial.strategy, other, shared).on(shared))
        if difference is not None:
            words = (
                f"With {name}={getattr(other, name)!r} after another value on the same bars,"
                f" {difference.column} is {shown(difference.other)} instead of"
                f" {shown(difference.whole)}: a remembered indicator has no {name} in its key."
            )
            raise Found(_finding(trial, "hidden_state", difference, words, _REMEDY))


def _neighbours(
    strategy: Strategy[Any], parameters: Parameters
) -> Iterator[tuple[str, Parameters]]:
    """Yield parameters that differ in one value each, where there is a valid one."""
    values = parameters.model_dump()
    for name, schema in strategy.schema.get("properties", {}).items():
        value = values[name]
        candidates: list[Any] = []
        if isinstance(value, bool):
            candidates = [not value]
        elif isinstance(value, int):
            candidates = [value + 1, value - 1]
        elif isinstance(value, float):
            candidates = [value + 1, value - 1, value * 1.5 + 0.01, value / 2]
        elif "enum" in schema:
            candidates = [one for one in schema["enum"] if one != value]
        for candidate in candidates:
            try:
                other = strategy.with_values({**values, name: candidate})
            except BadParameters:
                continue
            yield name, other
            break


def _changed(trial: Trial, before: dict[str, str]) -> list[str]:
    now = kept_state(trial.strategy)
    return sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))


def _unequal(trial: Trial, difference: Difference, changed: list[str]) -> Finding:
    kind: Kind = "hidden_state" if changed else "non_determinism"
    because = (
        f"{changed[0]} is changed by each call"
        if changed
        else "chance without a seed, or the time of the call, has a say"
    )
    words = (
        f"Two calls with equal bars and parameters disagree on {difference.column} at"
        f" {trial.at(difference.row)}: {shown(difference.whole)}, then"
        f" {shown(difference.other)}; {because}."
    )
    return _finding(trial, kind, difference, words, _REMEDY if changed else _SEED)


def _finding(trial: Trial, kind: Kind, difference: Difference, words: str, remedy: str) -> Finding:
    plain = isinstance(difference.whole, str)
    return Finding(
        kind=kind,
        bar=difference.row,
        at=trial.at(difference.row),
        column=difference.column,
        whole=str(difference.whole) if plain else shown(difference.whole),
        prefix=str(difference.other) if plain else shown(difference.other),
        words=words,
        remedy=remedy,
    )
