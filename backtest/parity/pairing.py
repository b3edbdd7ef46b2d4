"""Pairing: which leg of one trip answers which leg of another, to the last unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Final

from backtest.parity.words import Leg

__all__ = ["Pair", "by_bar", "pair_exits"]

_NOTHING: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Pair:
    """A quantity that one side sold here, and the other side there.

    Parameters
    ----------
    mine
        None: it was never sold.
    """

    quantity: Fraction
    mine: Leg | None
    other: Leg

    @property
    def is_same_bar(self) -> bool:
        """Whether both sides decided it on the same bar."""
        return self.mine is not None and _place(self.mine) == _place(self.other)


def by_bar(legs: Iterable[Leg]) -> list[Leg]:
    """Return legs with those of one bar as one, at their mean prices, in order of time."""
    found: dict[tuple[datetime, bool], list[Leg]] = {}
    for leg in legs:
        found.setdefault(_place(leg), []).append(leg)
    return [_together(found[place]) for place in sorted(found, key=lambda one: (one[1], one[0]))]


def pair_exits(mine: Sequence[Leg], others: Sequence[Leg], quantity: Fraction) -> list[Pair]:
    """Pair what was sold, first by bar, then the rest in order of time.

    Parameters
    ----------
    mine, others
        Exits, one a bar; others' are scaled so that they sum to the quantity.
    quantity
        Base; what `mine` sold less than this was never sold.
    """
    sold = sum((leg.quantity for leg in others), _NOTHING)
    left_mine = [leg.quantity for leg in mine]
    left_others = [leg.quantity * quantity / sold for leg in others]
    places = {_place(leg): number for number, leg in enumerate(mine)}
    pairs: list[Pair] = []

    def take(amount: Fraction, first: int, second: int) -> None:
        if amount > 0:
            pairs.append(Pair(amount, mine[first], others[second]))
            left_mine[first] -= amount
            left_others[second] -= amount

    for second, leg in enumerate(others):
        first = places.get(_place(leg))
        if first is not None:
            take(min(left_mine[first], left_others[second]), first, second)
    for second in range(len(others)):
        for first in range(len(mine)):
            take(min(left_mine[first], left_others[second]), first, second)
    pairs += [
        Pair(rest, None, leg) for leg, rest in zip(others, left_others, strict=True) if rest > 0
    ]
    return pairs


def _place(leg: Leg) -> tuple[datetime, bool]:
    # A mark is the end of time, also where something was sold on the last bar.
    return leg.decided_bar, leg.is_mark


def _together(legs: Sequence[Leg]) -> Leg:
    if len(legs) == 1:
        return legs[0]
    quantity = sum((leg.quantity for leg in legs), _NOTHING)
    reference = None
    if all(leg.reference is not None for leg in legs):
        reference = _mean([(leg.quantity, leg.reference or _NOTHING) for leg in legs])
    return replace(
        legs[-1],
        quantity=quantity,
        price=_mean([(leg.quantity, leg.price) for leg in legs]),
        reference=reference,
        fee=sum((leg.fee for leg in legs), _NOTHING),
    )


def _mean(values: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    weights = sum((weight for weight, _ in values), _NOTHING)
    return sum((weight * value for weight, value in values), _NOTHING) / weights
