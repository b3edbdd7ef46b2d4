"""Gaps: every absent candle is in exactly one record, with the reason that is true of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.candles.gaps import GapChange, list_gaps, record_gaps, sum_gaps
from candela.candles.series import Series
from candela.candles.store import CandleStore, Source
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from candela.quality.finding import Finding
from tests.fixtures.candles import BTC, HOUR, MINUTE, START, batch, made_up, sample, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

NOW = datetime(2024, 6, 1, tzinfo=UTC)
FETCH = Source("fetch", "bitvavo fetchOHLCV", "sha256:0")


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection]:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        yield connection


def minutes(number: int) -> datetime:
    return START + timedelta(minutes=number)


def test_record_when_minutes_are_absent_then_each_run_is_one_gap(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    store.write(batch(without(made_up(100), [10, 11, 12, 50]), span=(START, minutes(100))))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    change = record_gaps(writer, series, START, minutes(100), now=NOW)
    assert change == GapChange(new=2, changed=0, filled=0)
    assert [(gap.from_at, gap.to_at, gap.candles_missing) for gap in list_gaps(writer)] == [
        (minutes(10), minutes(13), 3),
        (minutes(50), minutes(51), 1),
    ]
    again = record_gaps(writer, series, START, minutes(100), now=NOW)
    assert again == GapChange(new=0, changed=0, filled=0)


def test_record_when_part_is_filled_then_gap_shrinks_and_then_goes(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(100)
    store.write(batch(without(frame, list(range(10, 20))), span=(START, minutes(100))))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(writer, series, START, minutes(100), now=NOW)
    store.write(batch(frame[15:20]))
    change = record_gaps(writer, series, minutes(15), minutes(20), now=NOW)
    assert change == GapChange(new=0, changed=1, filled=0)
    assert [gap.candles_missing for gap in list_gaps(writer)] == [5]
    store.write(batch(frame[10:15]))
    change = record_gaps(writer, series, minutes(10), minutes(15), now=NOW)
    assert change == GapChange(new=0, changed=0, filled=1)
    assert list_gaps(writer) == []


def test_record_when_nobody_asked_for_the_span_then_not_fetched(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(300)
    for part in (frame[:100], frame[200:]):
        store.write(batch(part, source=FETCH))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(writer, series, START, minutes(300), now=NOW)
    assert [(gap.reason, gap.candles_missing) for gap in list_gaps(writer)] == [
        ("not_fetched", 100)
    ]


@pytest.mark.parametrize(
    ("source", "absent", "reason"),
    [
        (Source("file", "a.csv", "sha256:0"), 60, "no_trades"),
        (Source("file", "a.csv", "sha256:0"), 61, "source_hole"),
        (FETCH, 500, "no_trades"),
    ],
    ids=["short hole of a file", "long hole of a file", "venue answered around it"],
)
def test_record_when_source_was_asked_then_reason_follows_what_it_said(
    writer: psycopg.Connection, source: Source, absent: int, reason: str
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = without(made_up(900), list(range(100, 100 + absent)))
    store.write(batch(frame, span=(START, minutes(900)), source=source))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(writer, series, START, minutes(900), now=NOW)
    assert [gap.reason for gap in list_gaps(writer)] == [reason]


def test_record_when_the_candle_was_refused_then_the_reason_says_so(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    refused = Finding(
        row=11, line=12, column="close", check="negative_price", value="-1", message="bad",
        time=minutes(10),
    )  # fmt: skip
    good = batch(without(made_up(100), [10, 50]), span=(START, minutes(100)))
    store.write(replace(good, refused=(refused,)))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(writer, series, START, minutes(100), now=NOW)
    assert [gap.reason for gap in list_gaps(writer)] == ["refused", "no_trades"]


def test_record_when_every_instrument_of_the_venue_lacks_it_then_outage(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    other = Instrument("bitvavo", "ETH/EUR")
    frame = made_up(48, timeframe=HOUR)
    store.write(batch(without(frame, [10, 11, 30]), timeframe=HOUR))
    store.write(batch(without(frame, [9, 10, 11]), timeframe=HOUR, instrument=other))
    series = Series(BTC, store.ensure_instrument(BTC), HOUR)
    record_gaps(writer, series, START, START + timedelta(hours=48), now=NOW)
    assert [(gap.reason, gap.candles_missing) for gap in list_gaps(writer)] == [
        ("outage", 2),
        ("source_hole", 1),
    ]


def test_record_when_another_series_arrives_then_reasons_of_the_first_follow(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    names = [BTC, Instrument("bitvavo", "ETH/EUR"), Instrument("bitvavo", "ADA/EUR")]
    frame = made_up(48, timeframe=HOUR)
    absent = [[10, 11, 30], [10, 11], []]
    reasons: list[list[str]] = []
    for name, rows in zip(names, absent, strict=True):
        store.write(batch(without(frame, rows), timeframe=HOUR, instrument=name))
        series = Series(name, store.ensure_instrument(name), HOUR)
        record_gaps(writer, series, START, START + timedelta(hours=48), now=NOW)
        reasons.append(
            [gap.reason for gap in list_gaps(writer, instrument_id=store.ensure_instrument(BTC))]
        )
    assert reasons == [
        ["source_hole", "source_hole"],
        ["outage", "source_hole"],
        ["source_hole", "source_hole"],
    ]


def test_record_when_few_minutes_are_absent_everywhere_then_not_an_outage(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    other = Instrument("bitvavo", "ETH/EUR")
    frame = without(made_up(300), [10, 11, 12, 13, *range(100, 105)])
    for name in (BTC, other):
        store.write(batch(frame, instrument=name))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(writer, series, START, minutes(300), now=NOW)
    assert [(gap.candles_missing, gap.reason) for gap in list_gaps(writer)] == [
        (4, "no_trades"),
        (5, "outage"),
    ]


def test_record_when_fx_market_is_shut_at_the_weekend_then_closed(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    euro = Instrument("oanda", "EUR/USD")
    # Friday 2024-01-05 21:00 to Sunday 21:00, and a hole on a Wednesday.
    week = made_up(24 * 10, timeframe=HOUR)
    frame = without(week, [*range(4 * 24 + 21, 6 * 24 + 21), 2 * 24 + 5, 2 * 24 + 6])
    store.write(batch(frame, timeframe=HOUR, instrument=euro))
    series = Series(euro, store.ensure_instrument(euro), HOUR)
    record_gaps(writer, series, START, START + timedelta(days=10), now=NOW)
    assert [(gap.reason, gap.candles_missing) for gap in list_gaps(writer)] == [
        ("source_hole", 2),
        ("closed", 48),
    ]


def test_record_when_real_hours_of_two_pairs_then_finds_the_known_outages(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    ether = Instrument("bitvavo", "ETH/EUR")
    for instrument, name in ((BTC, "BTC-EUR_1h"), (ether, "ETH-EUR_1h")):
        store.write(batch(sample(name), timeframe=HOUR, instrument=instrument))
    for instrument, name in ((BTC, "BTC-EUR_1h"), (ether, "ETH-EUR_1h")):
        times = sample(name)["time"]
        series = Series(instrument, store.ensure_instrument(instrument), HOUR)
        record_gaps(writer, series, times[0], times[-1] + HOUR.delta, now=NOW)
    absent = {(name, reason): missing for name, _, reason, _, missing in sum_gaps(writer)}
    assert sum(count for (name, _), count in absent.items() if "BTC" in name) == 17_520 - 17_505
    # The shared holes of 2023 that the data's README lists: 2 + 6 + 4 + 3 hours.
    assert absent["bitvavo:BTC/EUR", "outage"] >= 15


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sets(st.integers(1, 118), max_size=60), st.integers(1, 60))
def test_record_when_any_rows_are_absent_then_gaps_and_rows_fill_the_grid(
    writer: psycopg.Connection, database: Database, absent: set[int], split: int
) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE market.candles, market.batches, market.gaps")
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(120)
    store.write(batch(without(frame, sorted(absent)), span=(START, minutes(120))))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    # Looking in two parts must find the same as looking once.
    record_gaps(writer, series, START, minutes(split), now=NOW)
    record_gaps(writer, series, minutes(split), minutes(120), now=NOW)
    covered = [
        gap.from_at + MINUTE.delta * number
        for gap in list_gaps(writer)
        for number in range(gap.candles_missing)
    ]
    assert sorted(covered) == [minutes(number) for number in sorted(absent)]
