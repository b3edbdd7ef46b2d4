"""The compiled simulation does what the plain one does, on random bars, intents and models."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings

from candela.fills.records import Reason
from tests.candela.fills.made import cases, simulated
from tests.candela.fills.plain import PlainSimulation

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(MANY, max_examples=60)


def plain(case: dict[str, Any]) -> PlainSimulation:
    model = case["model"]
    return PlainSimulation(
        case["bars"].rows(),
        {**case["conditions"], **{k: v.tolist() for k, v in case["numbers"].items()}},
        model,
        1000.0,
        legs=case["legs"],
        funding=case["rates"].tolist() if model.costs.funding else None,
        finer=[[tuple(row) for row in bar] for bar in case["finer"].tolist()],
    ).finish()


@MANY
@given(cases())
def test_simulation_of_any_case_equals_the_plain_one(case: dict[str, Any]) -> None:
    ours, theirs = simulated(case), plain(case)
    keys = [(bar, side, reason) for bar, side, reason, *_ in theirs.fills]
    names = ("bar", "side", "reason")
    assert list(zip(*(ours.fills[n].tolist() for n in names), strict=True)) == keys
    for column, name in ((3, "units"), (4, "price"), (5, "fee")):
        wanted = np.array([fill[column] for fill in theirs.fills])
        np.testing.assert_allclose(ours.fills[name], wanted, rtol=1e-9, atol=1e-12)
    assert len(ours.trades) == len(theirs.trades)
    for ours_one, theirs_one in zip(ours.trades, theirs.trades, strict=True):
        for name, value in theirs_one.items():
            np.testing.assert_allclose(ours_one[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.position, theirs.held, rtol=1e-9, atol=1e-12)
    assert ours.sums["rejected"][0] == theirs.rejected


@SOME
@given(cases())
def test_money_of_any_case_is_kept(case: dict[str, Any]) -> None:
    ours = simulated(case)
    assert (ours.equity >= 0).all()
    final = 1000.0 + ours.trades["pnl"].sum()
    assert np.isclose(max(final, 0.0), ours.equity[-1], rtol=1e-9, atol=1e-6)
    assert np.isclose(ours.fills["fee"].sum(), ours.trades["fees"].sum(), rtol=1e-9, atol=1e-9)
    lost = ours.trades["slippage"].sum()
    assert np.isclose(ours.fills["slippage"].sum(), lost, rtol=1e-9, atol=1e-9)


@SOME
@given(cases())
def test_trades_of_any_case_sum_up_its_fills(case: dict[str, Any]) -> None:
    ours = simulated(case)
    signed = ours.fills["side"] * ours.fills["units"]
    held = np.zeros(len(ours.position))
    np.add.at(held, ours.fills["bar"], signed)
    np.testing.assert_allclose(held.cumsum(), ours.position, rtol=1e-9, atol=1e-9)
    open_now = ours.trades["reason"] == Reason.STILL_OPEN
    assert open_now[:-1].sum() == 0
    bought_and_sold = 2 * ours.trades["units"].sum() - abs(ours.position[-1])
    assert np.isclose(ours.fills["units"].sum(), bought_and_sold, rtol=1e-9, atol=1e-9)


@SOME
@given(cases())
def test_fills_of_any_case_do_not_know_later_bars(case: dict[str, Any]) -> None:
    whole = simulated(case)
    rows = len(whole.equity)
    for cut in {1, rows // 2, rows - 1} - {0}:
        part = simulated(case, cut)
        kept = whole.fills[whole.fills["bar"] < cut]
        assert kept.tobytes() == part.fills.tobytes()
        assert whole.equity[:cut].tobytes() == part.equity.tobytes()
