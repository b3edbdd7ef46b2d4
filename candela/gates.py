"""Gates: one question that a decision had to pass, with the numbers that answer it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from candela.money import plain

__all__ = ["Comparison", "Fact", "Gate", "Rule", "ask", "first_refusal", "holds"]

Fact: TypeAlias = Decimal | int | str | datetime | tuple[str, ...] | None
Comparison: TypeAlias = Literal["at_most", "below", "at_least", "above", "equal", "one_of"]
Rule: TypeAlias = Comparison | Literal["within"]
"""How value and limit are compared; ``within``: the value lies in the spans that the limit says."""

_ORDERS = {"at_most": (-1, 0), "below": (-1,), "at_least": (0, 1), "above": (1,)}


@dataclass(frozen=True, slots=True)
class Gate:
    """A question, its answer, and why; `ask` makes one.

    ``passed`` follows from value, rule and limit alone, so that whoever reads a stored gate can
    compute it again. A limit of None is no limit. A value of None is not known, and passes no
    limit.

    Parameters
    ----------
    name
        Stable: stored with decisions, counted in metrics, translated by surfaces.
    phrase
        The sentence for a person, with places ``{value}`` and ``{limit}``.
    """

    name: str
    passed: bool
    value: Fact
    rule: Rule
    limit: Fact
    phrase: str

    @property
    def words(self) -> str:
        """One sentence for a person, with the numbers."""
        # The value last, and no str.format: a reason that somebody wrote may hold braces.
        text = self.phrase.replace("{limit}", _shown(self.limit, "none"))
        return text.replace("{value}", _shown(self.value, "unknown"))

    def as_dict(self) -> dict[str, str | bool | int | list[str] | None]:
        """Return the gate as JSON can hold it: amounts and instants as text."""
        return {
            "gate": self.name,
            "passed": self.passed,
            "value": _stored(self.value),
            "rule": self.rule,
            "limit": _stored(self.limit),
            "words": self.words,
        }


def ask(name: str, value: Fact, rule: Comparison, limit: Fact, phrase: str) -> Gate:
    """Return the gate that compares a value with its limit."""
    return Gate(name, holds(value, rule, limit), value, rule, limit, phrase)


def holds(value: Fact, rule: Comparison, limit: Fact) -> bool:
    """Return whether a value passes a limit.

    Raises
    ------
    TypeError
        The two cannot be compared: a mistake of the caller, not of a person.
    """
    if limit is None or value is None:
        return limit is None
    if rule == "equal":
        return value == limit
    if rule == "one_of":
        return value in _several(limit)
    return _order(value, limit) in _ORDERS[rule]


def first_refusal(gates: Iterable[Gate]) -> Gate | None:
    """Return the gate that decides against: the first, in order, that was not passed."""
    return next((gate for gate in gates if not gate.passed), None)


def _order(value: Fact, limit: Fact) -> int:
    if isinstance(value, datetime) and isinstance(limit, datetime):
        return (value > limit) - (value < limit)
    if isinstance(value, Decimal | int) and isinstance(limit, Decimal | int):
        return (value > limit) - (value < limit)
    message = f"{value!r} and {limit!r} have no order"
    raise TypeError(message)


def _several(limit: Fact) -> tuple[str, ...]:
    if isinstance(limit, tuple):
        return limit
    message = f"{limit!r} is no choice of texts"
    raise TypeError(message)


def _shown(fact: Fact, missing: str) -> str:
    if fact is None:
        return missing
    if isinstance(fact, tuple):
        return ", ".join(fact)
    return str(_stored(fact))


def _stored(fact: Fact) -> str | bool | int | list[str] | None:
    if isinstance(fact, Decimal):
        return plain(fact)
    if isinstance(fact, datetime):
        return fact.isoformat()
    return list(fact) if isinstance(fact, tuple) else fact
