"""Figures by period: every trade in one day, week and month, by the calendar of a zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.metrics.periods import (
    Deal,
    Execution,
    Flow,
    PeriodFigures,
    figures_by_period,
    points_of,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")


def deal(hours: float, pnl: str, key: str = "1") -> Deal:
    at = START + timedelta(hours=hours)
    fees = Decimal("0.1")
    return Deal(key, at - timedelta(hours=1), at, Decimal(pnl), Decimal(100), fees)


def of(rows: list[PeriodFigures], period: str) -> list[PeriodFigures]:
    return [row for row in rows if row.period == period]


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 3, 28, 22, 59, tzinfo=UTC), date(2026, 3, 28)),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 21, 59, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
        (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), date(2026, 10, 25)),
    ],
    ids=["before", "midnight-winter", "short-day", "midnight-summer", "long-day"],
)
def test_trade_when_closed_near_midnight_then_is_of_the_day_where_its_user_lives(
    at: datetime, day: date
) -> None:
    one = replace(deal(0, "1"), closed_at=at)
    rows = figures_by_period([one], [], [], zone=MADRID, through=day)
    assert [row.starts_on for row in of(rows, "day")] == [day]
    assert of(rows, "month")[0].starts_on == day.replace(day=1)
    assert of(rows, "week")[0].starts_on.weekday() == 0


def test_figures_when_few_trades_then_are_those_of_paper_and_pencil() -> None:
    deals = [deal(10, "30", "a"), deal(11, "-10", "b"), deal(12, "20", "c"), deal(58, "-40", "d")]
    flows = [Flow(START, Decimal(1_000)), Flow(START + timedelta(days=1), Decimal(960))]
    fills = [Execution(START + timedelta(hours=5), Decimal("250.5"))]
    rows = figures_by_period(deals, flows, fills, zone=ZoneInfo("UTC"), through=date(2026, 3, 4))
    first = of(rows, "day")[0]
    assert (first.trades, first.wins, first.losses, first.fills) == (3, 2, 1, 1)
    assert (first.net_profit, first.gross_profit, first.gross_loss) == (40, 50, 10)
    assert (first.best_trade, first.worst_trade, first.fees) == (30, -10, Decimal("0.3"))
    assert (first.volume, first.deposits, first.equity) == (Decimal("250.5"), 1_000, 1_040)
    assert first.win_rate == pytest.approx(2 / 3)
    assert first.profit_factor == pytest.approx(5)
    assert first.total_return == pytest.approx(0.04)
    whole = of(rows, "all")[0]
    # Returns 0.04, 0, -40/2,000 and a quiet day: capital that is put in is no gain.
    assert (whole.days, whole.equity, whole.net_profit) == (4, 1_960, 0)
    assert whole.total_return == pytest.approx(1.04 * 0.98 - 1)
    assert whole.max_drawdown == pytest.approx(0.02)
    assert (whole.longest_win_streak, whole.longest_loss_streak) == (1, 1)
    assert of(rows, "day")[1].win_rate is None


AMOUNTS = st.decimals(-500, 500, places=8)
DEALS = st.lists(st.tuples(st.integers(0, 2_000), AMOUNTS), max_size=40)


@settings(max_examples=60, deadline=None)
@given(DEALS, st.lists(st.tuples(st.integers(0, 2_000), AMOUNTS), max_size=5), st.randoms())
def test_periods_when_added_up_then_are_the_whole_to_the_digit(
    deals: list[tuple[int, Decimal]], flows: list[tuple[int, Decimal]], random: object
) -> None:
    made = [deal(hour, str(pnl), str(number)) for number, (hour, pnl) in enumerate(deals)]
    given_flows = [Flow(START + timedelta(hours=hour), amount) for hour, amount in flows]
    through = date(2026, 6, 1)
    rows = figures_by_period(made, given_flows, [], zone=MADRID, through=through)
    total = sum((one.pnl for one in made), Decimal(0))
    for period in ("day", "week", "month", "all"):
        some = of(rows, period)
        assert sum((row.net_profit for row in some), Decimal(0)) == total
        assert sum(row.trades for row in some) == len(made)
        assert all(row.gross_profit - row.gross_loss == row.net_profit for row in some)
    put_in = sum((flow.amount for flow in given_flows), Decimal(0))
    points = points_of(made, given_flows, MADRID)
    assert not points or points[-1].equity == total + put_in == of(rows, "all")[0].equity
    mixed = list(made)
    random.shuffle(mixed)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert figures_by_period(mixed, given_flows, [], zone=MADRID, through=through) == rows
