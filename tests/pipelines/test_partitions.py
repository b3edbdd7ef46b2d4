"""Partition keys, months and spans: pure functions of names and instants."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from pipelines.lib.partitions import (
    PARTITIONS,
    BadSeriesKey,
    SeriesKey,
    chunks,
    month_of,
    months_between,
    next_month,
    selected,
    spans_of,
)

BTC = SeriesKey.parse("bitvavo:BTC/EUR@1h")
PERPETUAL = SeriesKey.parse("binance:ADA/USDT:USDT@1m")


def month(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


def test_series_key_when_symbol_holds_a_colon_then_reads_back_the_same() -> None:
    assert SeriesKey(Instrument("binance", "ADA/USDT:USDT"), Timeframe(60)) == PERPETUAL
    assert str(PERPETUAL) == "binance:ADA/USDT:USDT@1m"


def test_series_key_when_without_timeframe_then_refused_by_value() -> None:
    with pytest.raises(BadSeriesKey, match="'bitvavo:BTC/EUR' is not the key"):
        SeriesKey.parse("bitvavo:BTC/EUR")


def test_partition_key_when_made_here_then_as_dagster_makes_it() -> None:
    key = PARTITIONS.get_partition_key_from_str(BTC.partition(month("2024-02")))
    assert key.keys_by_dimension == {"month": "2024-02", "series": "bitvavo:BTC/EUR@1h"}


def test_selected_when_months_have_a_hole_then_one_span_each_side() -> None:
    keys = [BTC.partition(month(one)) for one in ("2024-03", "2023-12", "2024-01")]
    spans = selected([*keys, PERPETUAL.partition(month("2024-01"))])
    assert [(str(one.series), one.start, one.end) for one in spans] == [
        (str(PERPETUAL), month("2024-01"), month("2024-02")),
        (str(BTC), month("2023-12"), month("2024-02")),
        (str(BTC), month("2024-03"), month("2024-04")),
    ]


def test_chunks_when_span_is_longer_then_parts_meet() -> None:
    (span,) = spans_of(BTC, months_between(month("2022-01"), month("2024-02")))
    parts = chunks(span, 12)
    assert [len(part.months) for part in parts] == [12, 12, 1]
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_month_of_when_any_instant_then_contains_it(at: datetime) -> None:
    start = month_of(at)
    assert start <= at < next_month(start)
    assert start == month_of(next_month(start).replace(day=1) - (next_month(start) - start))


def test_months_between_when_end_is_the_start_of_a_month_then_without_it() -> None:
    found = list(months_between(datetime(2023, 11, 30, 23, tzinfo=UTC), month("2024-02")))
    assert found == [month("2023-11"), month("2023-12"), month("2024-01")]
