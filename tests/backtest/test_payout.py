"""Fixed-payout backtests on the shipped hours: figures, ruin, identity and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from backtest.payout import payout_backtest, run_payout
from backtest.payout_result import PayoutResult
from backtest.spec import BadSpec
from candela.payout.assessment import assess
from candela.payout.breakeven import win_rate_interval
from candela.payout.contracts import Outcome
from candela.payout.rules import PayoutRules, StakeSizing
from candela.payout.simulate import BadDecisions
from strategies.bars import Bars
from strategies.conditions import BadCondition, Events
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import rsi
from strategies.signals import Signals
from tests.fixtures.candles import sample

BARS = Bars.from_frame(sample("BTC-EUR_1h"), "1h", "bitvavo:BTC/EUR")
STRENGTH = rsi(BARS.close, 14)
CALLS, PUTS = STRENGTH < 35, STRENGTH > 65
FIXED = PayoutRules(payout=Decimal("0.85"), sizing=StakeSizing(value=Decimal(10)))
LADDER = PayoutRules(
    payout=Decimal("0.85"),
    sizing=StakeSizing(kind="martingale", value=Decimal(10), steps=6),
)


class RsiBet(Parameters):
    """Window and expiry of the bet."""

    window: int = parameter(14, "Bars of the RSI.", ge=2, le=500)
    expiry: int = parameter(3, "Bars until expiry.", ge=1, le=100)


@strategy(
    name="rsi_bet",
    parameters=RsiBet,
    warm_up=lambda parameters: 10 * parameters.window,
    source="of this test",
    kind="fixed_payout",
)
def rsi_bet(bars: Bars, parameters: RsiBet) -> Signals:
    """Bet on a turn where the RSI is extreme."""
    strength = rsi(bars.close, parameters.window)
    return Signals(calls=strength < 35, puts=strength > 65, expiry=parameters.expiry)


def run(
    rules: PayoutRules = FIXED, *, cash: Any = 1000, payout: npt.NDArray[np.float64] | None = None
) -> PayoutResult:
    return payout_backtest(BARS, CALLS, PUTS, 3, rules, cash=cash, payout=payout)


def test_backtest_when_run_on_real_hours_then_figures_follow_from_the_contracts() -> None:
    found = run()
    outcomes = found.contracts["outcome"]
    wins, losses = (int((outcomes == one).sum()) for one in (Outcome.WIN, Outcome.LOSS))
    metrics = found.metrics
    assert wins + losses == metrics["decided"] == 1466
    assert metrics["ties"] == 5
    assert metrics["win_rate"] == wins / (wins + losses)
    assert metrics["final_equity"] == found.equity[-1] == 1000 + wins * 8.5 - losses * 10
    assert metrics["break_even_rate"] == pytest.approx(1 / 1.85)
    assert [metrics["win_rate_low"], metrics["win_rate_high"]] == list(
        win_rate_interval(wins, wins + losses)
    )
    assert metrics["edge"] == pytest.approx(metrics["return_on_stakes"], abs=1e-12)
    assert metrics["orders"] == metrics["trades"] == len(found.contracts)
    assert metrics["ruin_bar"] == -1


def test_backtest_when_contracts_are_followed_by_hand_then_prices_are_those_of_the_bars() -> None:
    found = run()
    for one in found.contracts[:: len(found.contracts) // 50]:
        decided = one["entry_bar"] - 1
        assert CALLS[decided] if one["direction"] > 0 else PUTS[decided]
        assert one["entry_price"] == BARS.open[one["entry_bar"]]
        assert one["expiry_price"] == BARS.close[one["expiry_bar"]]
        ends = BARS.time[one["entry_bar"]] + 3 * 3_600_000_000
        assert BARS.time[one["expiry_bar"]] + 3_600_000_000 <= ends
        won = (one["expiry_price"] - one["entry_price"]) * one["direction"] > 0
        assert won == (one["outcome"] == Outcome.WIN)


def test_ladder_when_it_wins_more_than_breaks_even_then_ruined_nevertheless() -> None:
    found = run(LADDER)
    assert found.metrics["win_rate"] > found.metrics["break_even_rate"]
    assert found.equity.max() > 2_000
    assert found.equity[-1] == 10.0
    row = int(found.metrics["ruin_bar"])
    assert 0 < row < len(BARS)
    assert np.all(found.equity[row:] == 10.0)
    assert found.free_cash.min() >= 0.0


def test_ruin_when_asked_for_then_at_the_rate_seen_and_both_ends_of_its_interval() -> None:
    found = run(LADDER)
    assert found.ruin is not None
    ladder = LADDER.ladder(Decimal(1000))
    assert ladder is not None
    expected = assess(
        ladder, float(found.metrics["win_rate"]), tie_rate=float(found.metrics["tie_rate"])
    )
    assert found.ruin.observed == expected
    ruins = [
        one.ruin_after(1_000).ruin
        for one in (found.ruin.at_lowest, found.ruin.observed, found.ruin.at_highest)
    ]
    assert ruins == sorted(ruins, reverse=True)
    assert ruins[0] > 0.5 > ruins[2]


def test_ruin_when_stakes_are_shares_or_nothing_was_decided_then_none() -> None:
    share = StakeSizing(kind="fraction", value=Decimal("0.02"))
    assert run(FIXED.model_copy(update={"sizing": share})).ruin is None
    silent = payout_backtest(BARS, None, None, 1, FIXED)
    assert silent.ruin is None
    assert np.isnan(silent.metrics["win_rate"])
    assert (silent.metrics["win_rate_low"], silent.metrics["win_rate_high"]) == (0.0, 1.0)
    assert silent.metrics["final_equity"] == 1000
    assert silent.contracts_frame().height == 0
    assert json.loads(json.dumps(silent.summary()))["metrics"]["win_rate"] is None


def test_ruin_when_payouts_vary_then_taken_at_their_mean_in_whole_percents() -> None:
    payouts = np.where(np.arange(len(BARS)) % 2 == 0, 0.80, 0.87)
    found = run(payout=payouts)
    assert set(found.contracts["payout"]) == {0.80, 0.87}
    mean = found.metrics["mean_payout"]
    assert 0.80 < mean < 0.87
    assert found.metrics["break_even_rate"] == pytest.approx(1 / (1 + mean))
    assert found.ruin is not None
    assert found.ruin.observed.ladder.payout == Decimal("0.83")


def test_summary_when_ruin_has_too_many_states_then_says_so() -> None:
    read = json.loads(json.dumps(run(LADDER, cash=10**10).summary()))
    assert read["ruin"]["refused"]["code"] == "ladder_too_large"


def test_strategy_when_run_then_equal_to_its_decisions_and_named_in_the_manifest() -> None:
    found = run_payout(rsi_bet, BARS, rules=FIXED, cash="1000")
    assert found.contracts_digest == run().contracts_digest
    assert found.manifest["strategy"]["name"] == "rsi_bet"
    assert found.manifest["parameters"] == {"window": 14, "expiry": 3}
    assert run_payout(rsi_bet, BARS, {"expiry": 1}, rules=FIXED).contracts_digest != (
        found.contracts_digest
    )


def test_identity_when_run_again_then_equal_and_changed_by_whatever_decides() -> None:
    first = run()
    again = payout_backtest(
        BARS,
        Events(np.flatnonzero(CALLS), len(BARS)),
        Events(np.flatnonzero(PUTS), len(BARS)),
        np.full(len(BARS), 3),
        FIXED,
        cash="1000",
    )
    assert again.contracts.tobytes() == first.contracts.tobytes()
    assert again.contracts_digest == first.contracts_digest
    assert run().manifest == first.manifest
    others = [
        run(LADDER),
        run(cash=2000),
        payout_backtest(BARS, PUTS, CALLS, 3, FIXED, cash=1000),
        payout_backtest(BARS, CALLS, PUTS, 4, FIXED, cash=1000),
        payout_backtest(BARS[:-1], CALLS[:-1], PUTS[:-1], 3, FIXED, cash=1000),
    ]
    ids = {one.manifest["id"] for one in (first, *others)}
    assert len(ids) == 6


def test_frame_when_shown_then_has_times_and_words() -> None:
    frame = run().contracts_frame()
    first = frame.row(0, named=True)
    assert first["side"] in {"call", "put"}
    assert (first["expiry_at"] - first["entry_at"]).total_seconds() == 3 * 3600
    assert set(frame["outcome"].unique()) <= {"win", "loss", "tie", "open"}


@pytest.mark.parametrize("cash", ["much", -5, float("nan"), 0])
def test_backtest_when_cash_is_no_amount_then_refused_with_it(cash: Any) -> None:
    with pytest.raises(BadSpec, match=str(cash)):
        run(cash=cash)


def test_backtest_when_decisions_do_not_fit_then_refused() -> None:
    with pytest.raises(BadCondition, match="calls has 5 values"):
        payout_backtest(BARS, CALLS[:5], PUTS, 3, FIXED)
    with pytest.raises(BadDecisions, match="expires after 0 bars"):
        payout_backtest(BARS, CALLS, PUTS, 0, FIXED)
    with pytest.raises(BadDecisions, match="shape"):
        payout_backtest(BARS, CALLS, PUTS, np.array([1, 2]), FIXED)
    with pytest.raises(BadSpec, match="no bars"):
        payout_backtest(BARS[:0], None, None, 1, FIXED)
