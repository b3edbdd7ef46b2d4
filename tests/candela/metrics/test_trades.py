"""Sums of trades: wins, losses, streaks, and what is refused."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.fills.records import TRADE
from candela.metrics.trades import BadTrade, sums_of_trades


def trades(pnls: list[float], open_rows: set[int] | None = None) -> npt.NDArray[np.void]:
    """Return trades of 100 quote each, in order of entry."""
    out = np.zeros(len(pnls), TRADE)
    out["entry_bar"] = np.arange(len(pnls)) * 2
    out["exit_bar"] = [
        -1 if row in (open_rows or set()) else row * 2 + 1 for row in range(len(pnls))
    ]
    out["pnl"] = pnls
    out["return_ratio"] = out["pnl"] / 100
    return out


def one(records: npt.NDArray[np.void]) -> dict[str, float]:
    sums = sums_of_trades(records)
    assert sums.shape == (1,)
    return dict(zip(sums.dtype.names or (), sums.item(), strict=True))


def test_sums_of_trades_separate_wins_losses_and_open_ones() -> None:
    sums = one(trades([5.0, -3.0, 0.0, 7.0, 900.0], open_rows={4}))
    assert sums == pytest.approx({
        "closed": 4, "open": 1, "wins": 2, "losses": 1, "gained": 12.0, "lost": 3.0,
        "win_returns": 0.12, "loss_returns": -0.03, "returns": 0.09,
        "best": 0.07, "worst": -0.03, "longest_wins": 1, "longest_losses": 1,
    })  # fmt: skip


def test_sums_of_no_trade_are_counts_of_nothing_and_no_best() -> None:
    sums = one(trades([]))
    assert np.isnan(sums.pop("best"))
    assert np.isnan(sums.pop("worst"))
    assert set(sums.values()) == {0}


def test_streak_of_wins_is_ended_by_a_loss_and_by_nothing_gained() -> None:
    assert one(trades([1.0, 1.0, 0.0, 1.0, -1.0, -1.0, -1.0]))["longest_wins"] == 2
    assert one(trades([1.0, 1.0, 0.0, 1.0, -1.0, -1.0, -1.0]))["longest_losses"] == 3


def test_streak_of_wins_is_not_ended_by_a_trade_still_open() -> None:
    assert one(trades([1.0, -5.0, 1.0], open_rows={1}))["longest_wins"] == 2


@pytest.mark.parametrize("field", ["pnl", "return_ratio"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_trade_with_bad_amount_is_refused_naming_it(field: str, value: float) -> None:
    records = trades([1.0, 2.0, 3.0])
    records[field][1] = value
    with pytest.raises(BadTrade, match=rf"Trade 1 .*{value}"):
        sums_of_trades(records)


@given(st.lists(st.tuples(st.integers(-50, 50), st.booleans()), max_size=40))
def test_sums_of_any_trades_equal_counting_by_hand(rows: list[tuple[int, bool]]) -> None:
    records = trades(
        [float(pnl) for pnl, _ in rows],
        {row for row, (_, is_open) in enumerate(rows) if is_open},
    )
    closed = [pnl for pnl, is_open in rows if not is_open]
    runs = [(sign, len(list(run))) for sign, run in groupby(np.sign(closed).tolist())]
    sums = one(records)
    assert (sums["closed"], sums["open"]) == (len(closed), len(rows) - len(closed))
    assert sums["gained"] - sums["lost"] == pytest.approx(sum(closed))
    assert sums["returns"] == pytest.approx(sums["win_returns"] + sums["loss_returns"])
    assert sums["longest_wins"] == max((size for sign, size in runs if sign > 0), default=0)
    assert sums["longest_losses"] == max((size for sign, size in runs if sign < 0), default=0)
    if closed:
        assert (sums["best"], sums["worst"]) == (max(closed) / 100, min(closed) / 100)
