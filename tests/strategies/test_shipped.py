"""What each shipped strategy decides, on bars that can be followed, and its warm-up."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.market.timeframe import Timeframe
from strategies.bars import BadTimeframe, Bars
from strategies.definition import BadParameters
from strategies.equivalence.check import check_equivalence
from strategies.indicators import atr, sma
from strategies.registry import SHIPPED, find
from strategies.sample import sample_bars
from strategies.signals import Signals
from tests.strategies.planting import bars_of_a_season

HOUR = 3_600_000_000
START = 1_704_067_200_000_000


def bars_at(close: Any, hours: Any = None) -> Bars:
    """Return bars that open at the close before, on hours from 2024 on."""
    closes = np.asarray(close, dtype=np.float64)
    opens = np.append(closes[:1], closes[:-1])
    numbers = np.arange(len(closes)) if hours is None else np.asarray(hours)
    return Bars(
        time=START + numbers * HOUR,
        open=opens,
        high=np.maximum(opens, closes),
        low=np.minimum(opens, closes),
        close=closes,
        volume=np.ones(len(closes)),
        timeframe=Timeframe.parse("1h"),
    )


def decide(name: str, bars: Bars, **values: Any) -> Signals:
    rule = find(name)
    return rule.signals(bars, rule.with_values(values))


def rows(signals: Signals, name: str, bars: Bars) -> list[int]:
    return signals.rows(name, len(bars)).tolist()


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 30])
def test_strategy_when_bars_are_few_then_decides_without_failing(name: str, length: int) -> None:
    rule = find(name)
    rule.signals(sample_bars()[:length], rule.with_values())


@pytest.mark.parametrize("name", SHIPPED)
def test_strategy_when_price_never_moves_then_decides_without_failing(name: str) -> None:
    decide(name, bars_at(np.full(900, 100.0)))


def test_ma_cross_when_means_cross_then_long_above_and_short_below() -> None:
    bars = bars_at([5, 4, 3, 4, 5, 6, 5, 4, 3, 2])
    signals = decide("ma_cross", bars, fast=2, slow=3, short=True)
    assert rows(signals, "long_entries", bars) == rows(signals, "short_exits", bars) == [4]
    assert rows(signals, "long_exits", bars) == rows(signals, "short_entries", bars) == [7]


def test_rsi_reversion_when_levels_are_crossed_then_enters_low_and_leaves_high() -> None:
    bars = bars_at([10, 11, 10, 9, 8, 9, 10, 11, 12])
    signals = decide(
        "rsi_reversion", bars, window=2, smoothing="simple", enter=40, leave=60, stop=0.1
    )
    # index: 50 at row 2, 0 at 3 and 4, 50 at 5, 100 from 6 on
    assert rows(signals, "long_entries", bars) == [3]
    assert rows(signals, "long_exits", bars) == [6]
    assert (signals.stop_loss, signals.take_profit) == (0.1, None)


def test_bollinger_when_close_leaves_the_band_then_enters_once_and_leaves_below_the_mean() -> None:
    quiet = [100.0, 101.0] * 10
    bars = bars_at([*quiet, 110.0, 115.0, 60.0])
    signals = decide("bollinger_breakout", bars, window=10, short=True)
    assert rows(signals, "long_entries", bars) == [20]
    assert 22 in rows(signals, "long_exits", bars)
    assert rows(signals, "short_entries", bars) == [22]


def test_donchian_when_close_breaks_out_then_stop_is_so_many_true_ranges() -> None:
    bars = bars_of_a_season()
    signals = decide("donchian_breakout", bars, stop_ranges=3.0)
    assert isinstance(signals.stop_loss, np.ndarray)
    entries = np.array(rows(signals, "long_entries", bars))
    assert entries.size > 10
    np.testing.assert_allclose(
        signals.stop_loss[entries], 3 * atr(bars, 20)[entries] / bars.close[entries]
    )
    for row in entries:
        assert bars.close[row] > bars.high[row - 20 : row].max()
    bare = decide("donchian_breakout", bars, stop_ranges=0)
    assert bare.stop_loss is None
    assert set(entries) <= set(rows(bare, "long_entries", bars))


def test_mtf_trend_when_longer_bars_fall_then_never_enters() -> None:
    rising, falling = np.linspace(100, 130, 200), np.linspace(130, 100, 200)
    wave = np.tile([0.0, -1.0, -2.0, 0.5], 50)
    signals = decide("mtf_trend", up := bars_at(rising + wave), trend=5, entry=5)
    assert len(rows(signals, "long_entries", up)) > 10
    assert rows(signals, "long_exits", up) == []
    signals = decide("mtf_trend", down := bars_at(falling + wave), trend=5, entry=5)
    assert rows(signals, "long_entries", down) == []
    assert len(rows(signals, "long_exits", down)) > 100


def test_mtf_trend_when_multiple_makes_no_timeframe_then_error_says_so() -> None:
    bars = bars_at(np.full(50, 10.0))
    weekly = Bars(
        time=bars.time,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        timeframe=Timeframe.parse("1w"),
    )
    with pytest.raises(BadTimeframe, match="not made of whole bars of 1w"):
        decide("mtf_trend", weekly, longer=2)


def test_grid_when_price_moves_between_lines_then_bids_at_the_next_and_sells_on_the_way_up() -> (
    None
):
    flat = [100.0] * 100
    bars = bars_at([*flat, 99.5, 98.5, 97.2, 98.6, 101.0])
    signals = decide("grid", bars, window=100, spacing=0.01, lines=2, sold=0.4)
    centre = sma(bars.close, 100)
    assert signals.limit_price is not None
    down = centre / 1.01, centre / 1.01**2
    np.testing.assert_allclose(
        signals.limit_price[100:105],
        [down[0][100], down[1][101], np.nan, down[1][103], down[0][104]],
    )
    assert signals.mask("long_exits", 105)[100:].tolist() == [False, False, False, True, True]
    assert isinstance(signals.exit_fraction, np.ndarray)
    assert signals.exit_fraction[[103, 104]].tolist() == [0.4, 1.0]
    both = signals.mask("long_entries", 105) & signals.mask("long_exits", 105)
    assert not both.any()
    assert signals.legs == 2


@given(st.lists(st.integers(9_000, 11_000), min_size=30, max_size=80))
@settings(deadline=None)
def test_grid_when_it_bids_then_below_close_and_centre_and_not_too_deep(ticks: list[int]) -> None:
    bars = bars_at(np.array(ticks) / 100)
    signals = decide("grid", bars, window=10, spacing=0.02, lines=4)
    assert signals.limit_price is not None
    held = signals.mask("long_entries", len(bars))
    price, centre = signals.limit_price[held], sma(bars.close, 10)[held]
    assert (price < bars.close[held] * (1 + 1e-12)).all()
    assert (price <= centre / 1.02 * (1 + 1e-12)).all()
    assert (price >= centre / 1.02**4 * (1 - 1e-12)).all()


def test_dca_when_hours_are_missing_then_buys_at_the_first_bar_of_each_step() -> None:
    hours = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 16, 17]
    bars = bars_at(np.full(13, 100.0), hours)
    signals = decide("dca", bars, every=4, legs=3)
    assert rows(signals, "long_entries", bars) == [4, 8, 11]
    assert (signals.legs, signals.size, signals.take_profit) == (3, 0.05, 0.05)
    later = bars[2:]
    assert rows(decide("dca", later, every=4), "long_entries", later) == [2, 6, 9]


def test_dca_when_dips_are_wanted_then_buys_only_below_the_mean() -> None:
    bars = bars_of_a_season()
    signals = decide("dca", bars, every=1, dip=0.02, window=50)
    bought = np.array(rows(signals, "long_entries", bars))
    assert bought.size > 5
    assert (bars.close[bought] < 0.98 * sma(bars.close, 50)[bought]).all()


def voted(name: str, bars: Bars, memory: int) -> npt.NDArray[np.bool_]:
    """Return where a strategy is long by its events, walking bar by bar."""
    rule = find(name)
    signals = rule.signals(bars, rule.with_values())
    entries = signals.mask("long_entries", len(bars))
    exits = signals.mask("long_exits", len(bars))
    long, since = np.zeros(len(bars), dtype=np.bool_), -memory
    for row in range(len(bars)):
        if exits[row]:
            since = row - memory
        elif entries[row]:
            since = row
        long[row] = row - since < memory
    return long


def test_ensemble_when_votes_are_counted_then_long_from_the_number_needed() -> None:
    bars = bars_of_a_season()
    names = ("ma_cross", "macd_trend", "rsi_reversion", "bollinger_breakout", "donchian_breakout")
    votes = sum(voted(name, bars, 30).astype(int) for name in names)
    for needed in (1, 3, 5):
        signals = decide("ensemble", bars, needed=needed, memory=30)
        assert np.array_equal(signals.mask("long_entries", len(bars)), votes >= needed)
        assert np.array_equal(signals.mask("long_exits", len(bars)), votes < needed)


def test_rsi_payout_when_index_comes_back_then_call_or_put_with_its_expiry() -> None:
    bars = bars_at([10, 9, 8, 9, 10, 11, 10, 9])
    signals = decide("rsi_payout", bars, window=2, smoothing="simple", expiry=7)
    assert rows(signals, "calls", bars) == [3]
    assert rows(signals, "puts", bars) == [6]
    assert signals.expiry == 7
    assert find("rsi_payout").kind == "fixed_payout"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("ma_cross", {"fast": 50, "slow": 20}, "fast=50 is not below slow=20"),
        ("macd_trend", {"fast": 30}, "fast=30 is not below slow=26"),
        ("rsi_reversion", {"enter": 60}, "enter=60 is not below leave=55"),
        ("rsi_payout", {"low": 80}, "low=80 is not below high=70"),
    ],
)
def test_parameters_when_they_contradict_then_refused(
    name: str, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadParameters, match=said):
        find(name).with_values(values)


SMALL = st.integers(2, 60)
ANY_SETTING = st.one_of(
    st.tuples(
        st.just("ma_cross"),
        st.fixed_dictionaries(
            {"fast": SMALL, "slow": SMALL, "kind": st.sampled_from(["simple", "exponential"])}
        ),
    ),
    st.tuples(
        st.just("rsi_reversion"),
        st.fixed_dictionaries(
            {"window": st.integers(2, 30), "smoothing": st.sampled_from(["simple", "wilder"])}
        ),
    ),
    st.tuples(
        st.just("macd_trend"),
        st.fixed_dictionaries({"fast": SMALL, "slow": SMALL, "signal": st.integers(2, 20)}),
    ),
    st.tuples(
        st.just("bollinger_breakout"),
        st.fixed_dictionaries(
            {"window": SMALL, "width": st.floats(0.5, 3), "short": st.booleans()}
        ),
    ),
    st.tuples(
        st.just("donchian_breakout"),
        st.fixed_dictionaries({"enter": SMALL, "leave": SMALL, "range_window": st.integers(1, 25)}),
    ),
    st.tuples(
        st.just("mtf_trend"),
        st.fixed_dictionaries({"longer": st.integers(2, 30), "trend": st.integers(2, 12)}),
    ),
    st.tuples(
        st.just("grid"),
        st.fixed_dictionaries({"window": SMALL, "spacing": st.floats(0.001, 0.05)}),
    ),
    st.tuples(
        st.just("dca"),
        st.fixed_dictionaries(
            {"every": st.integers(1, 60), "dip": st.sampled_from([0.0, 0.01]), "window": SMALL}
        ),
    ),
)


@given(ANY_SETTING)
@settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_warm_up_when_parameters_are_any_then_long_enough(
    setting: tuple[str, dict[str, Any]],
) -> None:
    name, values = setting
    rule = find(name)
    if "fast" in values and values["fast"] >= values["slow"]:
        values = {**values, "slow": values["fast"] + 1}
    report = check_equivalence(
        rule, rule.with_values(values), bars_of_a_season()[:1_400], prefixes=60, windows=400
    )
    assert report.findings == ()
