"""The compiled course of contracts over bars, in whole money steps."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled

__all__ = ["COUNTS", "play"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

COUNTS: Final = np.dtype(
    [
        ("contracts", np.int64),
        ("skipped", np.int64),
        ("rejected", np.int64),
        ("ruin_bar", np.int64),
        ("late", np.int64),
        ("exposed", np.int64),
        ("staked", np.int64),  # money steps
    ]
)
"""What a course counts."""

# The purse: what changes with every contract.
_CASH: Final = 0
_AT_STAKE: Final = 1
_STEP: Final = 2
_OPEN: Final = 3
_SOONEST: Final = 4  # row of the next settlement

_SCALE: Final = 1_000_000
_LARGEST_CASH: Final = 2**62
"""Above it nothing is staked: one more win could overflow."""


@compiled
def play(
    entries: Floats,
    closes: Floats,
    entry_rows: Ints,
    expiry_rows: Ints,
    is_late: Bools,
    directions: Ints,
    payouts: Ints,
    stakes: Ints,
    fraction: int,
    bounds: Ints,
    stakes_rest: bool,  # noqa: FBT001 - a kernel takes positions
    refund_ties: bool,  # noqa: FBT001
    is_next: bool,  # noqa: FBT001
    max_open: int,
    cash: int,
    contracts: npt.NDArray[np.void],
    equity: Ints,
    free: Ints,
    counts: npt.NDArray[np.void],
) -> None:
    """Fill contracts, equity and free cash at each close, and the one record of counts.

    ``payouts`` and ``fraction`` are millionths; ``bounds`` the smallest and the largest stake;
    ``expiry_rows`` beyond the last bar never settle.
    """
    n = closes.size
    purse = np.array([cash, 0, 0, 0, n])
    held = np.empty((max_open, 2), np.int64)  # open contracts in order of entry: row, last bar
    counted = counts[0]
    counted["ruin_bar"] = -1
    event = 0
    for bar in range(n):
        # At the open: entries. At the close: settlements, entries, and settlements of contracts
        # whose whole life has no bar.
        for phase in range(3):
            if phase > 0 and purse[_SOONEST] == bar:
                _settle(contracts, held, purse, bar, closes[bar], stakes.size, refund_ties)
            if phase != (0 if is_next else 1):
                continue
            if event == entry_rows.size or entry_rows[event] != bar:
                continue
            now = event
            event += 1
            if purse[_OPEN] == max_open or payouts[now] == 0:
                counted["skipped"] += 1
                continue
            stake = _stake(purse, stakes, fraction, bounds, stakes_rest)
            if stake == 0:
                counted["rejected"] += 1
                if purse[_OPEN] == 0 and counted["ruin_bar"] < 0:
                    counted["ruin_bar"] = bar
                continue
            row = counted["contracts"]
            contract = contracts[row]
            contract["entry_bar"] = bar
            contract["expiry_bar"] = -1
            contract["direction"] = directions[now]
            contract["outcome"] = 3
            contract["ladder_step"] = purse[_STEP]
            contract["stake"] = stake
            contract["payout"] = payouts[now] / _SCALE
            contract["entry_price"] = entries[bar]
            contract["expiry_price"] = closes[n - 1]
            held[purse[_OPEN], 0] = row
            held[purse[_OPEN], 1] = expiry_rows[now]
            purse[_CASH] -= stake
            purse[_AT_STAKE] += stake
            purse[_OPEN] += 1
            purse[_SOONEST] = min(purse[_SOONEST], expiry_rows[now])
            counted["staked"] += stake
            counted["late"] += is_late[now]
            counted["contracts"] += 1
        equity[bar] = purse[_CASH] + purse[_AT_STAKE]
        free[bar] = purse[_CASH]
        counted["exposed"] += purse[_OPEN] > 0


@compiled
def _stake(
    purse: Ints,
    stakes: Ints,
    fraction: int,
    bounds: Ints,
    stakes_rest: bool,  # noqa: FBT001
) -> int:
    # 0: rejected.
    cash = int(purse[_CASH])
    wanted = _share(cash, fraction) if fraction > 0 else int(stakes[purse[_STEP]])
    stake = min(wanted, int(bounds[1]))
    if stake > cash and stakes_rest:
        stake = cash
    return 0 if stake > cash or stake < bounds[0] or cash > _LARGEST_CASH else stake


@compiled
def _share(amount: int, millionths: int) -> int:
    # Rounded down, without the product that could overflow.
    return amount // _SCALE * millionths + amount % _SCALE * millionths // _SCALE


@compiled
def _settle(
    contracts: npt.NDArray[np.void],
    held: Ints,
    purse: Ints,
    bar: int,
    price: float,
    steps: int,
    refund_ties: bool,  # noqa: FBT001
) -> None:
    kept = 0
    soonest = np.iinfo(np.int64).max
    for slot in range(purse[_OPEN]):
        if held[slot, 1] != bar:
            held[kept] = held[slot]
            soonest = min(soonest, held[slot, 1])
            kept += 1
            continue
        contract = contracts[held[slot, 0]]
        stake = int(contract["stake"])
        moved = (price - contract["entry_price"]) * contract["direction"]
        contract["expiry_bar"] = bar
        contract["expiry_price"] = price
        if moved > 0.0:
            contract["outcome"] = 1
            gained = _share(stake, int(contract["payout"] * _SCALE + 0.5))
            purse[_STEP] = 0
        elif moved == 0.0 and refund_ties:
            contract["outcome"] = 2
            gained = 0
        else:
            contract["outcome"] = 2 if moved == 0.0 else 0
            gained = -stake
            purse[_STEP] = purse[_STEP] + 1 if purse[_STEP] + 1 < steps else 0
        contract["pnl"] = gained
        purse[_CASH] += stake + gained
        purse[_AT_STAKE] -= stake
    purse[_OPEN] = kept
    purse[_SOONEST] = soonest
