"""Cron expressions: the ticks are those of Dagster's own reader, and nonsense is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from dagster._utils.schedules import cron_string_iterator
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.ledger.cron import Cron
from backtest.ledger.refusals import BadCron

YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def field(first: int, last: int, *, steps: bool = True) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    # Dagster's reader takes 3-3 for the star, and 1-6/5 in days of the week for something else.
    span = st.lists(number, min_size=2, max_size=2, unique=True).map(
        lambda ends: f"{min(ends)}-{max(ends)}"
    )
    every = st.integers(2, (last - first) // 2)
    part = st.one_of(number.map(str), span)
    whole = st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=2).map(",".join))
    return st.one_of(whole, every.map(lambda step: f"*/{step}")) if steps else whole


# Of two days one of which is */n, cron(5) wants both and Dagster either: not drawn.
CRON = st.tuples(
    field(0, 59),
    field(0, 23),
    field(1, 28, steps=False),
    field(1, 12),
    field(0, 6, steps=False),
).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(CRON, st.integers(0, 365 * 24 * 60))
def test_last_tick_when_any_expression_then_the_one_that_dagster_would_take(
    text: str, minutes: int
) -> None:
    at = YEAR + timedelta(minutes=minutes)
    tick = Cron.parse(text).last_tick(at)
    assert tick is not None
    assert tick <= at
    # From just before the tick, Dagster's reader finds it, and the next one lies ahead.
    ahead = cron_string_iterator((tick - timedelta(seconds=1)).timestamp(), text, "UTC")
    assert next(ahead) == tick
    assert next(ahead) > at


@pytest.mark.parametrize(
    ("text", "at", "tick"),
    [
        ("30 6 * * mon-fri", "2026-03-01T12:00", "2026-02-27T06:30"),  # a Sunday
        ("0 0 * * 7", "2026-03-02T10:00", "2026-03-01T00:00"),
        ("0 0 29 feb *", "2026-03-02T10:00", "2024-02-29T00:00"),
        ("5/20 * * * *", "2026-03-02T10:44", "2026-03-02T10:25"),
        ("0 0 13 * fri", "2026-03-12T10:00", "2026-03-06T00:00"),  # either day
        ("0 0 */10 * *", "2026-03-10T10:00", "2026-03-01T00:00"),
        ("0 0 */2 * mon", "2026-03-12T10:00", "2026-03-09T00:00"),  # both
        ("0 0 13 * *", "2026-03-12T10:00", "2026-02-13T00:00"),
    ],
)
def test_last_tick_when_words_and_leap_days_then_right(text: str, at: str, tick: str) -> None:
    found = Cron.parse(text).last_tick(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(tick).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "@daily", "* * * *", "* * * * * *", "60 * * * *", "5-1 * * * *"),
        *("*/0 * * * *", "0 0 0 * *", "0 0 * * 8", "0 0 31 2 *", "a * * * *", "-1 * * * *"),
        *("1,, * * * *", "\u0663 * * * *", "1/x * * * *", "/5 * * * *"),
    ],
)
def test_parse_when_it_is_no_expression_then_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadCron) as caught:
        Cron.parse(text)
    assert repr(text) in caught.value.message
    assert "30 6 * * 1-5" in str(caught.value.hint)
