"""The replay: equal to the backtest of the same bars, from the bar on which the bot began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.parity.replay import NothingToReplay, Span, of_spot, replay
from backtest.parity.words import exact
from backtest.run import backtest
from backtest.spec import Protection
from candela.fills.intents import Intents
from candela.fills.model import Costs, FillModel, Sizing, VenueRules
from live.bots.conditions import Conditions
from live.bots.deciding import decide
from strategies.bars import Bars
from strategies.registry import find
from tests.backtest.real_bars import hours

MODEL = FillModel(
    costs=Costs(taker_fee_bps=10, slippage_bps=5, spread_bps=2),
    rules=VenueRules(lot=0.00001, tick=0.01, minimum_notional=5),
)
PLAIN = Protection()


def start(bars: Bars, row: int = 0) -> datetime:
    return datetime.fromtimestamp(int(bars.time[row]) // 1_000_000, UTC)


def pnl_of(
    name: str, bars: Bars, spans: list[Span], model: FillModel = MODEL, **more: Any
) -> float:
    done = replay(
        find(name), {}, bars, spans, model=model, protection=PLAIN, capital=Decimal(1000), **more
    )
    return float(sum((trip.pnl for trip in done.trips), start=exact("0")))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ma_cross", "fraction"),
        ("ma_cross", "fixed_value"),
        ("rsi_reversion", "fixed_value"),
        ("bollinger_breakout", "fraction"),
        ("grid", "fraction"),
        ("dca", "fraction"),
    ],
)
def test_replay_when_it_begins_with_the_bars_earns_what_the_backtest_earns(
    name: str, kind: Any
) -> None:
    bars = hours()
    value = 0.5 if kind == "fraction" else 200.0
    model = MODEL.model_copy(update={"sizing": Sizing(kind=kind, value=value)})
    strategy = find(name)
    signals = strategy.signals(bars, strategy.with_values({}))
    # Shorts would part the two: a spot account has none.
    shorts = signals.short_entries
    assert shorts is None or not signals.mask("short_entries", len(bars)).any()
    result = backtest(strategy, bars, cash=1000.0, model=model)
    earned = float(result.equity[-1]) - 1000.0
    assert len(result.trades) > 0
    assert pnl_of(name, bars, [Span(start(bars))], model) == pytest.approx(earned, abs=1e-7)


def test_replay_when_the_bot_began_later_enters_nothing_before() -> None:
    bars = hours()
    began = start(bars, 1000) + timedelta(minutes=30)
    done = replay(
        find("ma_cross"),
        {},
        bars,
        [Span(began)],
        model=MODEL,
        protection=PLAIN,
        capital=Decimal(1000),
    )
    assert done.trips
    first = min(trip.decided_bar for trip in done.trips)
    assert first + timedelta(seconds=bars.timeframe.seconds) >= began
    assert done.bars == len(bars) - 1000


def test_replay_when_the_bot_was_stopped_between_enters_nothing_meanwhile() -> None:
    bars = hours()
    spans = [Span(start(bars), start(bars, 800)), Span(start(bars, 1600))]
    done = replay(
        find("ma_cross"), {}, bars, spans, model=MODEL, protection=PLAIN, capital=Decimal(1000)
    )
    away = [
        trip
        for trip in done.trips
        if start(bars, 800) <= trip.decided_bar + timedelta(hours=1) < start(bars, 1600)
    ]
    assert not away
    assert len(done.trips) > 2


def test_replay_when_a_position_is_held_at_the_end_marks_it_at_the_last_close() -> None:
    bars = hours()
    result = backtest(find("ma_cross"), bars, cash=1000.0, model=MODEL)
    opened = result.trades[result.trades["direction"] == 1]["entry_bar"][0]
    until = start(bars, int(opened) + 2)
    done = replay(
        find("ma_cross"),
        {},
        bars,
        [Span(start(bars))],
        model=MODEL,
        protection=PLAIN,
        capital=Decimal(1000),
        until=until,
    )
    last = done.trips[-1].legs[-1]
    assert last.is_mark
    assert last.price == exact(float(bars.close[int(opened) + 1]))


def test_replay_when_no_bar_ended_in_its_time_says_so() -> None:
    bars = hours()
    after = start(bars, len(bars) - 1) + timedelta(days=2)
    with pytest.raises(NothingToReplay, match="No bar"):
        pnl_of("ma_cross", bars, [Span(after)])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(*[st.booleans()] * 4, st.sampled_from([0.25, 1.0])), min_size=1, max_size=9)
)
def test_short_entries_when_the_account_is_spot_do_what_a_bot_does(
    rows: list[tuple[bool, bool, bool, bool, float]],
) -> None:
    said = np.array([row[:4] for row in rows], np.bool_).T
    fractions = np.array([row[4] for row in rows])
    intents = Intents(
        long_entry=said[0],
        long_exit=said[1],
        short_entry=said[2],
        short_exit=said[3],
        exit_fraction=fractions,
    )
    spot = of_spot(intents, 1, np.ones(len(rows), np.bool_), 0)
    enters, exits, _, _ = spot.conditions(len(rows))
    shares = np.broadcast_to(np.asarray(spot.exit_fraction), len(rows))
    for row, (long_entry, long_exit, short_entry, short_exit, fraction) in enumerate(rows):
        conditions = Conditions(
            long_entry=long_entry,
            long_exit=long_exit,
            short_entry=short_entry,
            short_exit=short_exit,
            exit_fraction=fraction,
        )
        flat = decide(False, 0, conditions)  # noqa: FBT003 - one question
        assert (flat.action == "enter") == enters[row]
        wanted = decide(True, 1, conditions)  # noqa: FBT003
        assert (wanted.action == "exit") == exits[row]
        if exits[row]:
            assert wanted.fraction == shares[row]
