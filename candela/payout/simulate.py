"""Call and put decisions played over bars, with exact money: contracts, equity and its sums.

Decided at the close of bar i. It begins at the open of row i + 1 (``next_open``) or at the close of
row i (``close``), and expires after k lengths of a bar, at the close of the last row that ends
then or before: of row i + k where no bar is missing. Where bars are missing at the expiry the last
close known counts, as it does for a market without trades.

Within one bar: contracts of the decision before begin at the open; contracts whose last row it is
are settled at its close, in order of entry; then, with ``close``, its own decision begins. So the
ladder's step is always a function of the contracts settled so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError
from candela.metrics.curves import sums_of
from candela.payout.contract_kernels import COUNTS, play
from candela.payout.contracts import CONTRACT
from candela.payout.ladder import PAYOUT_SCALE, steps_per_unit

if TYPE_CHECKING:
    from candela.payout.rules import PayoutRules

__all__ = ["BadDecisions", "Played", "simulate_payout"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_HIGHEST_PAYOUT: Final = 1_000
_MOST_UNITS: Final = 10**15
_LARGEST_STAKE: Final = 10**13
"""In money steps: a share of the cash that compounded without bound would overflow."""


class BadDecisions(StrategyError):
    """Calls, puts, expiries or payouts do not fit the bars."""

    code = "bad_payout_decisions"


@dataclass(frozen=True, slots=True)
class Played:
    """What a simulation of calls and puts gives."""

    contracts: npt.NDArray[np.void]
    """CONTRACT records, in order of entry."""
    equity: Floats
    """(n,) money at each close; an open contract counts as its stake."""
    cash: Floats
    """(n,) money at each close that no contract holds."""
    sums: npt.NDArray[np.void]
    """(1,) EQUITY_SUMS."""
    skipped: int
    """Decisions while as many contracts as allowed were open."""
    rejected: int
    """Decisions whose stake cash could not pay, or that was below the smallest."""
    ruin_bar: int
    """Row of the first rejection with no contract open, from where on all are; -1: none."""
    late: int
    """Contracts settled at a close before their expiry, for want of bars."""


def simulate_payout(
    time: Ints,
    open: Floats,  # noqa: A002 - the word of the trade
    close: Floats,
    calls: Bools,
    puts: Bools,
    expiry: Ints,
    *,
    length_us: int,
    rules: PayoutRules,
    cash: Decimal,
    payout: Floats | None = None,
) -> Played:
    """Play decisions under the rules.

    Parameters
    ----------
    time
        (n,) microseconds, the start of each bar, rising.
    open, close
        (n,) prices.
    calls, puts
        (n,) decisions at each close; both on one bar: both are ignored.
    expiry
        (n,) bars until expiry, 1 or above where a decision is.
    length_us
        Length of a bar in microseconds.
    cash
        Money at the start, a whole number of money steps.
    payout
        (n,) payouts at each entry row where they vary (that of the rules else); 0 or NaN: the
        venue offers none, and the decision is skipped.

    Raises
    ------
    BadDecisions
        Lengths differ, an expiry is below 1, a payout is negative, or a price is not above 0.
    BadLadder
        A stake is no whole number of money steps.
    """
    n = time.size
    decided = calls ^ puts
    _refuse_bad(n, open, close, calls, puts, expiry, payout, decided)
    units = cash / rules.money_step
    if units != units.to_integral_value() or not 0 < units <= _MOST_UNITS:
        message = f"Cash of {cash} is no whole number of money steps of {rules.money_step}."
        raise BadDecisions(message, "Round the cash, or name another money_step.")
    is_next = rules.fill == "next_open"
    rows = np.flatnonzero(decided)
    if is_next:
        rows = rows[rows + 1 < n]  # a decision on the last bar has no next open
    entry = rows + 1 if is_next else rows
    # Row whose end is at or before the expiry; the bar of a close entry is over already.
    begins = time[entry] if is_next else time[entry] + length_us
    ends = begins + expiry[rows] * length_us
    last = np.searchsorted(time, ends - length_us, side="right") - 1
    is_open = ends > (time[-1] + length_us if n else 0)
    late = ~is_open & (time[last] + length_us != ends)
    scaled = np.full(entry.size, int(rules.payout * PAYOUT_SCALE), dtype=np.int64)
    if payout is not None:
        offered = np.nan_to_num(payout[entry], nan=0.0)
        scaled = np.rint(offered * PAYOUT_SCALE).astype(np.int64)
    sizing = rules.sizing
    contracts = np.zeros(entry.size, dtype=CONTRACT)
    equity = np.empty(n, dtype=np.int64)
    free = np.empty(n, dtype=np.int64)
    counts = np.zeros(1, dtype=COUNTS)
    play(
        np.ascontiguousarray(open if is_next else close),
        np.ascontiguousarray(close),
        entry.astype(np.int64),
        np.where(is_open, n, last).astype(np.int64),
        late,
        np.where(calls[rows], 1, -1).astype(np.int64),
        scaled,
        np.array(rules.stakes(), dtype=np.int64),
        int(sizing.value * PAYOUT_SCALE) if sizing.kind == "fraction" else 0,
        _stake_bounds(rules),
        sizing.when_short == "rest",
        rules.refund_ties,
        is_next,
        rules.max_open,
        int(units),
        contracts,
        equity,
        free,
        counts,
    )
    counted = counts[0]
    contracts = contracts[: int(counted["contracts"])]
    divisor = steps_per_unit(rules.money_step)
    contracts["stake"] /= divisor
    contracts["pnl"] /= divisor
    curve = equity / divisor
    sums = sums_of(curve, float(cash))
    sums["exposed"] = counted["exposed"]
    sums["traded"] = counted["staked"] / divisor
    sums["orders"] = counted["contracts"]
    sums["rejected"] = counted["rejected"]
    return Played(
        contracts=contracts,
        equity=curve,
        cash=free / divisor,
        sums=sums,
        skipped=int(counted["skipped"]),
        rejected=int(counted["rejected"]),
        ruin_bar=int(counted["ruin_bar"]),
        late=int(counted["late"]),
    )


def _stake_bounds(rules: PayoutRules) -> Ints:
    least, most = rules.sizing.minimum_stake, rules.sizing.max_stake
    return np.array(
        [
            1 if least is None else max(1, math.ceil(least / rules.money_step)),
            _LARGEST_STAKE if most is None else int(most / rules.money_step),
        ],
        dtype=np.int64,
    )


def _refuse_bad(
    n: int,
    opens: Floats,
    closes: Floats,
    calls: Bools,
    puts: Bools,
    expiry: Ints,
    payout: Floats | None,
    decided: Bools,
) -> None:
    columns = {"open": opens, "close": closes, "calls": calls, "puts": puts, "expiry": expiry}
    if payout is not None:
        columns["payout"] = payout
    for name, values in columns.items():
        if values.shape != (n,):
            message = f"{name} has the shape {values.shape}, the bars {(n,)}."
            raise BadDecisions(message, "Give one value for each bar.")
    for name, values in (("open", opens), ("close", closes)):
        wrong = np.flatnonzero(~(values > 0.0) | np.isinf(values))
        if wrong.size:
            message = f"The {name} of bar {wrong[0]} is {values[wrong[0]]}, not above 0."
            raise BadDecisions(message, "Give bars that the data contract accepts.")
    wrong = np.flatnonzero(decided & (expiry < 1))
    if wrong.size:
        message = f"The decision of bar {wrong[0]} expires after {expiry[wrong[0]]} bars."
        raise BadDecisions(message, "An expiry is 1 bar or more.")
    if payout is not None:
        wrong = np.flatnonzero((payout < 0.0) | (payout > _HIGHEST_PAYOUT))
        if wrong.size:
            message = f"The payout of bar {wrong[0]} is {payout[wrong[0]]}."
            raise BadDecisions(message, "A payout is 0 to 1000; write 85 % as 0.85.")
