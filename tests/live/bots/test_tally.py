"""Counters kept trade by trade and counters made anew are the same, so a crash resets nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from candela.risk.history import loss_streak
from live.bots.tally import ClosedTrade, Tally

START = datetime(2024, 3, 29, tzinfo=UTC)
CAPITAL = Decimal(1_000)


def trade(number: int, minutes: int, pnl: int) -> ClosedTrade:
    at = START + timedelta(minutes=minutes)
    return ClosedTrade(UUID(int=number), at, Decimal(pnl), Decimal(100))


HISTORIES = st.lists(st.tuples(st.integers(0, 5_000), st.integers(-50, 50)), max_size=40).map(
    lambda rows: [
        trade(number, minutes, pnl) for number, (minutes, pnl) in enumerate(sorted(rows), 1)
    ]
)


def shown(tally: Tally, now: datetime) -> tuple[object, ...]:
    return (
        tally.equity,
        tally.peak,
        tally.streak,
        tally.last_loss_at,
        tally.realised_on(now),
        tally.trades_on(now),
        tally.history(),
        tally.returns(),
    )


@given(
    history=HISTORIES,
    entries=st.lists(st.integers(0, 5_000), max_size=20),
    since=st.one_of(st.none(), st.integers(0, 5_000)),
    repeated=st.booleans(),
)
def test_rebuilt_from_rows_is_what_was_kept_trade_by_trade(
    history: list[ClosedTrade],
    entries: list[int],
    since: int | None,
    repeated: bool,  # noqa: FBT001
) -> None:
    begun = None if since is None else START + timedelta(minutes=since)
    times = [START + timedelta(minutes=minutes) for minutes in sorted(entries)]
    kept = Tally(CAPITAL, "Europe/Madrid", begun)
    told: list[tuple[datetime, ClosedTrade | None]] = [(one.closed_at, one) for one in history]
    told += [(at, None) for at in times]
    for at, one in sorted(told, key=lambda pair: pair[0]):
        if one is None:
            kept.entered(at)
            continue
        kept.closed(one)
        if repeated:
            kept.closed(one)

    rebuilt = Tally.rebuilt(CAPITAL, "Europe/Madrid", begun, history, times)

    now = START + timedelta(minutes=5_000)
    assert shown(rebuilt, now) == shown(kept, now)
    assert rebuilt.streak == loss_streak(rebuilt.history(), since=begun)
    assert rebuilt.equity == CAPITAL + sum((one.pnl for one in history), Decimal(0))


@given(history=HISTORIES, cut=st.integers(0, 40))
def test_rebuilt_when_older_trades_are_carried_has_the_same_equity_and_peak(
    history: list[ClosedTrade], cut: int
) -> None:
    older, last = history[:cut], history[cut:]
    gained = sum((one.pnl for one in older), Decimal(0))
    run, peak = Decimal(0), None
    for one in older:
        run += one.pnl
        peak = run if peak is None else max(peak, run)
    whole = Tally.rebuilt(CAPITAL, "UTC", None, history, ())

    carried = Tally.rebuilt(
        CAPITAL, "UTC", None, last, (), carried=(gained, peak) if older else None
    )

    assert (carried.equity, carried.peak) == (whole.equity, whole.peak)


def test_counters_when_a_day_has_turned_begin_at_zero() -> None:
    tally = Tally(CAPITAL, "Europe/Madrid")
    # 23:30 in Madrid, winter time.
    tally.entered(datetime(2024, 1, 10, 22, 30, tzinfo=UTC))
    tally.closed(ClosedTrade(UUID(int=1), datetime(2024, 1, 10, 22, 45, tzinfo=UTC),
                             Decimal(-5), Decimal(100)))  # fmt: skip

    same_day = datetime(2024, 1, 10, 22, 59, tzinfo=UTC)
    assert (tally.trades_on(same_day), tally.realised_on(same_day)) == (1, Decimal(-5))
    next_day = datetime(2024, 1, 10, 23, 1, tzinfo=UTC)
    assert (tally.trades_on(next_day), tally.realised_on(next_day)) == (0, Decimal(0))
    assert tally.streak == 1
