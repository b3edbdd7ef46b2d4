"""Contracts over bars: the rules bar by bar, and against a slow second writing of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.payout.contracts import Outcome
from candela.payout.ladder import BadLadder
from candela.payout.ruin import ruin_within
from candela.payout.rules import PayoutRules, StakeSizing
from candela.payout.simulate import BadDecisions, Played, simulate_payout
from tests.candela.payout.slow_contracts import play_slowly

MINUTE = 60_000_000


def played(
    closes: list[float],
    calls: list[int],
    *,
    puts: list[int] | None = None,
    opens: list[float] | None = None,
    minutes: list[int] | None = None,
    expiry: int | list[int] = 1,
    cash: str = "100",
    payout: list[float] | None = None,
    sizing: StakeSizing | None = None,
    **rules: Any,
) -> Played:
    n = len(closes)
    is_call, is_put = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    is_call[calls] = True
    is_put[puts or []] = True
    return simulate_payout(
        np.array(minutes or range(n), dtype=np.int64) * MINUTE,
        np.array(opens or closes, dtype=np.float64),
        np.array(closes, dtype=np.float64),
        is_call,
        is_put,
        np.full(n, expiry, dtype=np.int64),
        length_us=MINUTE,
        rules=PayoutRules(sizing=sizing or StakeSizing(value=Decimal(10)), **rules),
        cash=Decimal(cash),
        payout=None if payout is None else np.array(payout),
    )


def outcomes(result: Played) -> list[str]:
    return [Outcome(value).name for value in result.contracts["outcome"]]


def test_call_when_entered_at_the_next_open_then_expires_at_the_close_k_bars_later() -> None:
    found = played([10, 11, 12, 13, 14], [0], opens=[10, 10.5, 11, 12, 13], expiry=2)
    (contract,) = found.contracts
    assert (contract["entry_bar"], contract["expiry_bar"]) == (1, 2)
    assert (contract["entry_price"], contract["expiry_price"]) == (10.5, 12)
    assert (contract["stake"], contract["pnl"]) == (10.0, 8.0)
    assert found.equity.tolist() == [100, 100, 108, 108, 108]
    assert found.cash.tolist() == [100, 90, 108, 108, 108]
    assert found.sums["exposed"][0] == 1


def test_put_when_entered_at_the_close_then_expires_at_the_close_k_bars_later() -> None:
    found = played([10, 9, 8], [], puts=[0], expiry=1, fill="close")
    (contract,) = found.contracts
    assert (contract["entry_bar"], contract["expiry_bar"]) == (0, 1)
    assert (contract["direction"], contract["entry_price"]) == (-1, 10)
    assert outcomes(found) == ["WIN"]


@pytest.mark.parametrize(("refund", "pnl", "step"), [(True, 0.0, 1), (False, -20.0, 2)])
def test_tie_when_refunded_or_not_then_the_ladder_stays_or_climbs(
    *, refund: bool, pnl: float, step: int
) -> None:
    sizing = StakeSizing(kind="martingale", value=Decimal(10), steps=3)
    found = played([10, 9, 9, 9, 10], [0, 1, 2], fill="close", sizing=sizing, refund_ties=refund)
    assert outcomes(found) == ["LOSS", "TIE", "TIE"]
    assert found.contracts["pnl"].tolist()[1] == pnl
    assert found.contracts["ladder_step"].tolist() == [0, 1, step]


def test_ladder_when_lost_whole_then_begins_anew_and_a_win_resets_it() -> None:
    sizing = StakeSizing(kind="martingale", value=Decimal(1), steps=3)
    closes = [10.0, 9, 8, 7, 6, 7, 6]
    found = played(closes, [0, 1, 2, 3, 4, 5], fill="close", sizing=sizing)
    assert found.contracts["stake"].tolist() == [1, 2, 4, 1, 2, 1]
    assert found.contracts["ladder_step"].tolist() == [0, 1, 2, 0, 1, 0]
    assert outcomes(found) == ["LOSS", "LOSS", "LOSS", "LOSS", "WIN", "LOSS"]


def test_decision_when_a_contract_is_open_then_skipped_unless_more_are_allowed() -> None:
    closes = [10.0, 11, 12, 13, 14, 15]
    one = played(closes, [0, 1, 2], expiry=3)
    assert one.contracts["entry_bar"].tolist() == [1]
    assert one.skipped == 2
    several = played(closes, [0, 1, 2], expiry=3, max_open=2)
    assert several.contracts["entry_bar"].tolist() == [1, 2]
    assert several.skipped == 1
    # The last close is that of the expiry: a decision at it is free to enter.
    after = played(closes, [0, 3], expiry=3)
    assert after.contracts["entry_bar"].tolist() == [1, 4]


def test_decision_when_call_and_put_meet_or_no_open_follows_then_ignored() -> None:
    found = played([10, 11, 12], [0, 2], puts=[0])
    assert found.contracts.size == 0
    assert found.equity.tolist() == [100, 100, 100]
    assert (found.skipped, found.rejected) == (0, 0)


def test_contract_when_it_expires_after_the_last_bar_then_open_at_its_stake() -> None:
    found = played([10, 11, 12], [1], expiry=5)
    (contract,) = found.contracts
    assert outcomes(found) == ["OPEN"]
    assert (contract["expiry_bar"], contract["expiry_price"], contract["pnl"]) == (-1, 12, 0)
    assert found.equity[-1] == 100
    assert found.cash[-1] == 90


def test_expiry_when_bars_are_missing_then_counts_time_and_takes_the_last_close() -> None:
    # Minutes 3 and 4 are missing: a contract over minutes 2 and 3 is settled on minute 2.
    found = played([10, 11, 12, 20, 9], [1], minutes=[0, 1, 2, 5, 6], expiry=2, opens=[10.0] * 5)
    (contract,) = found.contracts
    assert (contract["entry_bar"], contract["expiry_bar"], found.late) == (2, 2, 1)
    assert contract["expiry_price"] == 12
    whole = played([10, 11, 12, 20, 9], [1], expiry=2, opens=[10.0] * 5)
    assert (whole.contracts["expiry_bar"].tolist(), whole.late) == ([3], 0)


def test_contract_when_its_whole_life_is_missing_then_a_tie_at_the_price_of_entry() -> None:
    found = played([10, 11, 20, 21], [1], minutes=[0, 1, 5, 6], expiry=2, fill="close")
    assert outcomes(found) == ["TIE"]
    assert found.contracts["expiry_bar"].tolist() == [1]
    assert found.cash.tolist() == [100, 100, 100, 100]


def test_stake_when_cash_cannot_pay_it_then_stops_or_stakes_the_rest() -> None:
    closes = [10.0, 9, 8, 7, 6, 5]
    ladder = StakeSizing(kind="martingale", value=Decimal(10), steps=5)
    stop = played(closes, [0, 1, 2, 3, 4], cash="65.50", fill="close", sizing=ladder)
    assert stop.contracts["stake"].tolist() == [10, 20]
    assert (stop.rejected, stop.ruin_bar, stop.equity[-1]) == (3, 2, 35.5)
    rest = ladder.model_copy(update={"when_short": "rest"})
    rested = played(closes, [0, 1, 2, 3, 4], cash="65.50", fill="close", sizing=rest)
    assert rested.contracts["stake"].tolist() == [10, 20, 35.5]
    assert (rested.rejected, rested.ruin_bar, rested.equity[-1]) == (2, 3, 0)


def test_payout_when_it_varies_by_bar_then_that_of_the_entry_counts() -> None:
    found = played([10, 11, 12, 13, 14], [0, 1, 2], payout=[0.5, 0.9, 0.0, 0.123456, 0.7], expiry=1)
    # Entries at rows 1, 2 and 3; none is offered at row 2.
    assert found.contracts["payout"].tolist() == [0.9, 0.123456]
    assert found.contracts["entry_bar"].tolist() == [1, 3]
    assert outcomes(found) == ["TIE", "TIE"]  # each opens and closes at its close here
    assert found.skipped == 1


def test_sums_when_contracts_are_settled_then_add_up() -> None:
    found = played([10, 11, 12, 11, 12], [0, 1, 2, 3], fill="close")
    sums = found.sums[0]
    assert sums["traded"] == 40
    assert sums["orders"] == 4
    assert sums["final"] == found.equity[-1] == 100 + found.contracts["pnl"].sum()
    assert sums["max_drawdown"] == pytest.approx(10 / 116)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expiry": 0}, "bar 0 expires after 0 bars"),
        ({"cash": "100.005"}, "100.005"),
        ({"payout": [0.8]}, "shape"),
        ({"payout": [0.8, -1.0, 0.8]}, "payout of bar 1 is -1.0"),
        ({"opens": [10, np.nan, 10]}, "open of bar 1 is nan"),
    ],
)
def test_simulation_when_input_is_wrong_then_refused_with_bar_and_value(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadDecisions, match=said):
        played([10, 11, 12], [0], **changes)


def test_simulation_when_stake_is_finer_than_money_then_refused() -> None:
    with pytest.raises(BadLadder, match=r"1\.005"):
        played([10, 11], [0], sizing=StakeSizing(value=Decimal("1.005")))


SIZINGS = st.one_of(
    st.builds(StakeSizing, value=st.sampled_from([Decimal(3), Decimal("7.77")])),
    st.builds(
        StakeSizing,
        kind=st.just("fraction"),
        value=st.sampled_from([Decimal("0.1"), Decimal("0.29"), Decimal(1)]),
        max_stake=st.sampled_from([None, Decimal(20)]),
        minimum_stake=st.sampled_from([None, Decimal(2)]),
    ),
    st.builds(
        StakeSizing,
        kind=st.just("martingale"),
        value=st.sampled_from([Decimal(1), Decimal("2.35")]),
        factor=st.sampled_from([Decimal(2), Decimal("2.3")]),
        steps=st.integers(1, 5),
        max_stake=st.sampled_from([None, Decimal(12)]),
        when_short=st.sampled_from(["stop", "rest"]),
    ),
)
RULES = st.builds(
    PayoutRules,
    payout=st.sampled_from([Decimal("0.85"), Decimal("0.777777"), Decimal(1)]),
    refund_ties=st.booleans(),
    fill=st.sampled_from(["next_open", "close"]),
    max_open=st.integers(1, 4),
    sizing=SIZINGS,
)


@settings(max_examples=150, deadline=None)
@given(
    rules=RULES,
    n=st.integers(0, 60),
    seed=st.integers(0, 2**31),
    has_gaps=st.booleans(),
    varies=st.booleans(),
)
def test_simulation_when_written_a_second_time_slowly_then_equal(
    *, rules: PayoutRules, n: int, seed: int, has_gaps: bool, varies: bool
) -> None:
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.choice([1, 1, 1, 4] if has_gaps else [1], n)) * MINUTE
    # Whole prices close together: ties are frequent.
    opens, closes = generator.integers(9, 13, (2, n)).astype(np.float64)
    calls, puts = generator.random((2, n)) < 0.4
    expiry = generator.integers(1, 5, n)
    payout = generator.choice([0.0, 0.5, 0.81], n) if varies else None
    found = simulate_payout(
        times.astype(np.int64),
        opens,
        closes,
        calls,
        puts,
        expiry,
        length_us=MINUTE,
        rules=rules,
        cash=Decimal(60),
        payout=payout,
    )
    slow = play_slowly(
        times.tolist(),
        opens.tolist(),
        closes.tolist(),
        calls.tolist(),
        puts.tolist(),
        expiry.tolist(),
        MINUTE,
        rules,
        Decimal(60),
        None if payout is None else payout.tolist(),
    )
    assert found.equity.tolist() == [float(value) for value in slow.equity]
    assert (found.skipped, found.rejected) == (slow.skipped, slow.rejected)
    assert found.ruin_bar == slow.ruin_bar
    assert found.cash.size == 0 or found.cash.min() >= 0.0
    assert found.contracts.size == len(slow.contracts)
    for quick, one in zip(found.contracts, slow.contracts, strict=True):
        assert Outcome(quick["outcome"]).name == one["outcome"]
        names = set(one) - {"outcome", "ends"}
        assert {name: float(quick[name]) for name in names} == {
            name: float(one[name]) for name in names
        }


def test_simulation_when_outcomes_are_random_then_ruin_is_that_of_the_ladder() -> None:
    # The simulator and the exact ruin are two codes with one meaning: 1,000 courses of 100 rounds.
    rules = PayoutRules(
        payout=Decimal("0.85"),
        fill="close",
        sizing=StakeSizing(kind="martingale", value=Decimal(5), steps=4),
    )
    ladder = rules.ladder(Decimal(200))
    assert ladder is not None
    generator, courses, rounds = np.random.default_rng(3), 1_000, 100
    ruined, ends = 0, 0.0
    for _ in range(courses):
        moves = np.where(generator.random(rounds + 1) < 0.5, 0.001, -0.001)
        closes = np.cumprod(1.0 + moves).astype(np.float64)
        is_call = np.arange(rounds + 1) < rounds
        found = simulate_payout(
            np.arange(rounds + 1, dtype=np.int64) * MINUTE,
            closes,
            closes,
            is_call,
            np.zeros(rounds + 1, dtype=bool),
            np.ones(rounds + 1, dtype=np.int64),
            length_us=MINUTE,
            rules=rules,
            cash=Decimal(200),
        )
        step = int(found.contracts["ladder_step"][-1])
        lost = found.contracts["outcome"][-1] == Outcome.LOSS
        owed = ladder.stake_units[(step + 1) % 4 if lost else 0] / 100
        ruined += found.equity[-1] < owed
        ends += found.equity[-1]
    exact = ruin_within(ladder, 0.5, rounds)
    chance = float(exact.ruin[-1])
    assert abs(ruined / courses - chance) < 4 * (chance * (1 - chance) / courses) ** 0.5
    spread = float(
        np.sqrt(
            (exact.probabilities * (exact.bankrolls - exact.expected_bankroll) ** 2).sum() / courses
        )
    )
    assert abs(ends / courses - exact.expected_bankroll) < 4 * spread
