"""Wishes, positions and sizes of the plain simulation, straight from docs/concepts/fills.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from candela.fills.model import Sizing


@dataclass
class Wish:
    """What a decision asked for."""

    what: str  # enter, reverse or exit
    side: int
    limit: float | None
    size: float
    stop: float | None
    target: float | None
    trailing: float | None
    fraction: float
    volatility: float | None
    kelly: float


@dataclass
class Position:
    """A trade that is open."""

    side: int
    opened: int
    mean: float
    best: float
    stop: float | None
    target: float | None
    trailing: float | None
    units: float = 0.0
    legs: int = 0
    entered: list[tuple[float, float]] = field(default_factory=list)
    left: list[tuple[float, float]] = field(default_factory=list)
    fees: float = 0.0
    funding: float = 0.0
    flow: float = 0.0


def given(value: float) -> float | None:
    return None if math.isnan(value) else value


def snap(value: float, step: float) -> float:
    if step == 0:
        return value
    near = round(Fraction(value) / Fraction(repr(step))) * Fraction(repr(step))
    within = abs(Fraction(value) - near) <= Fraction(repr(step)) / 10**9
    return float(near) if within else value


def grid(value: float, step: float, *, up: bool) -> float:
    if step == 0 or snap(value, step) != value:
        return snap(value, step)
    exact = Fraction(value) / Fraction(repr(step))
    near = round(exact)
    if abs(exact - near) <= Fraction(1, 10**9):
        return value
    return float((math.ceil(exact) if up else math.floor(exact)) * Fraction(repr(step)))


def wanted_units(
    sizing: Sizing, wish: Wish, ladder: int, equity: float, price: float, rate: float
) -> float:
    value = sizing.value if math.isnan(wish.size) else wish.size
    for_all = equity / (price * (1 + rate))
    most = sizing.cap * for_all
    if sizing.kind == "martingale":
        return value * sizing.factor**ladder / price
    if sizing.kind == "risk":
        near = [one for one in (wish.stop, wish.trailing) if one is not None]
        return min(value * equity / (price * min(near)), most)
    if sizing.kind == "kelly":
        return min(max(value * wish.kelly, 0.0) * for_all, most)
    if sizing.kind == "volatility_target" and wish.volatility is not None:
        return most if wish.volatility == 0 else min(value / wish.volatility * for_all, most)
    return {"fraction": value * for_all, "fixed_units": value, "fixed_value": value / price}.get(
        sizing.kind, 0.0
    )


def volatility_of(closes: Sequence[float], window: int, bars_per_year: float) -> float | None:
    if len(closes) <= window:
        return None
    returns = [later / earlier - 1 for earlier, later in pairwise(closes[-window - 1 :])]
    mean = sum(returns) / window
    variance = sum((one - mean) ** 2 for one in returns) / (window - 1)
    return math.sqrt(variance * bars_per_year)


def kelly_of(returns: Sequence[float], window: int, cap: float) -> float:
    last = returns[-window:]
    if len(last) < window:
        return cap
    won = [one for one in last if one > 0]
    lost = [-one for one in last if one <= 0]
    share = len(won) / window
    if sum(lost) == 0:
        return share
    if not won:
        return 0.0
    odds = (sum(won) / len(won)) / (sum(lost) / len(lost))
    return share - (1 - share) / odds
