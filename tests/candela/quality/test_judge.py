"""The gate: every row is accepted once or refused, and accepted rows keep the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.market.candle import CANDLE_SCHEMA, PRICES, Flag
from candela.market.timeframe import Timeframe
from candela.quality.contract import CHECKS, check_named
from candela.quality.judge import Verdict, judge
from candela.quality.neighbours import CONTEXT

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
MINUTE, HOUR = Timeframe(60), Timeframe(3_600)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
START = datetime(2022, 12, 13, tzinfo=UTC)
COLUMNS = ["time", "open", "high", "low", "close", "volume"]


def sample(name: str = "BTC-BUSD_1m_2022-12-13", count: int = 500) -> pl.DataFrame:
    return pl.read_parquet(SAMPLE / f"{name}.parquet").select(COLUMNS).head(count)


def test_clean_frame_when_judged_is_taken_as_it_is() -> None:
    frame = sample()
    verdict = judge(frame, MINUTE, NOW)
    assert dict(verdict.accepted.schema) == CANDLE_SCHEMA
    assert verdict.accepted.drop("flags").equals(
        frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
    )
    assert (verdict.refused, verdict.flagged) == ([], [])
    assert verdict.places["row"].to_list() == list(range(1, 501))


def test_empty_frame_when_judged_is_empty() -> None:
    verdict = judge(sample().clear(), MINUTE, NOW)
    assert (verdict.accepted.height, verdict.refused, verdict.flagged) == (0, [], [])
    assert dict(verdict.accepted.schema) == CANDLE_SCHEMA


def test_rows_and_lines_when_given_stand_in_findings() -> None:
    frame = sample(count=3).with_columns(
        row=pl.Series([11, 12, 13]), line=pl.Series([21, 22, 23]), close=pl.Series([1.0, -1, 1])
    )
    refused = judge(frame, MINUTE, NOW).refused
    assert [(one.row, one.line) for one in refused] == [(11, 21), (12, 22), (13, 23)]
    assert [one.check for one in refused] == ["ohlc_range", "negative_price", "ohlc_range"]


def test_present_when_inside_a_candle_refuses_that_one() -> None:
    frame = sample(count=10)
    verdict = judge(frame, MINUTE, START + timedelta(minutes=9))
    assert [(one.row, one.check) for one in verdict.refused] == [(10, "unclosed_candle")]
    verdict = judge(frame, MINUTE, START + timedelta(minutes=8, seconds=59))
    assert [one.check for one in verdict.refused] == ["unclosed_candle", "future_timestamp"]


def test_volume_when_told_as_reported_may_not_be_absent() -> None:
    frame = sample(count=20).with_columns(volume=pl.lit(None, pl.Float64))
    assert judge(frame, MINUTE, NOW).accepted["volume"].null_count() == 20
    verdict = judge(frame, MINUTE, NOW, volume_reported=True)
    assert {(one.check, one.column) for one in verdict.refused} == {("null", "volume")}


def test_row_when_behind_a_later_one_is_flagged_and_sorted() -> None:
    frame = sample(count=20)
    verdict = judge(pl.concat([frame[:5], frame[6:8], frame[5:6], frame[8:]]), MINUTE, NOW)
    assert [(one.row, one.check) for one in verdict.flagged] == [(8, "out_of_order")]
    assert verdict.accepted["time"].is_sorted()
    assert verdict.accepted["flags"].to_list() == [0] * 5 + [Flag.OUT_OF_ORDER] + [0] * 14


def spiked(row: int) -> pl.DataFrame:
    frame = sample()
    factor = pl.when(pl.int_range(500) == row).then(20).otherwise(1)
    return frame.with_columns(pl.col("high") * factor)


@pytest.mark.parametrize("cut", [101, 110, 130])
def test_surroundings_when_given_settle_the_edges(cut: int) -> None:
    frame = spiked(100)
    whole = judge(frame, MINUTE, NOW)
    first = judge(frame[:cut], MINUTE, NOW, after=frame[cut : cut + CONTEXT])
    second = judge(frame[cut:], MINUTE, NOW, before=frame[cut - CONTEXT : cut])
    assert pl.concat([first.accepted, second.accepted]).equals(whole.accepted)
    assert whole.accepted["flags"][100] == Flag.SPIKE


def test_surroundings_when_bad_or_overlapping_change_nothing() -> None:
    frame = spiked(100)
    broken = frame[50:90].with_columns(close=pl.lit(-5.0))
    verdict = judge(frame, MINUTE, NOW, before=broken, after=frame[400:])
    assert verdict.accepted.equals(judge(frame, MINUTE, NOW).accepted)


def test_refused_row_never_makes_its_neighbours_spikes() -> None:
    frame = sample()
    wild = pl.when(pl.int_range(500).is_between(200, 204)).then(-1e6).otherwise(1.0)
    verdict = judge(frame.with_columns(pl.col(name) * wild for name in PRICES), MINUTE, NOW)
    assert len(verdict.refused) == 5
    assert verdict.flagged == []


def test_spike_names_only_the_prices_that_are_out() -> None:
    found = judge(spiked(250), MINUTE, NOW).flagged
    assert [(one.row, one.column, one.check) for one in found] == [(251, "high", "spike")]


def test_every_check_has_one_name_and_flags_are_distinct() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    flags = [check.flag for check in CHECKS if check.flag is not None]
    assert sorted(flags) == sorted(Flag)
    assert all(check.severity == "flag" for check in CHECKS if check.flag is not None)
    assert check_named("spike").flag is Flag.SPIKE


NUMBERS = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 1e20, 1e-19, -3.0, 100.0]),
)
TIMES = st.one_of(
    st.none(),
    st.integers(0, 30).map(lambda minute: START + timedelta(minutes=minute)),
    st.integers(0, 10**6).map(lambda second: START + timedelta(seconds=second)),
    st.sampled_from([NOW + timedelta(days=1), NOW - timedelta(seconds=30)]),
    st.timedeltas(timedelta(days=-738_000), timedelta(days=2_900_000)).map(lambda d: START + d),
)
ROWS = st.lists(st.tuples(TIMES, *([NUMBERS] * 5)), max_size=60)
SCHEMA = {"time": pl.Datetime("us", "UTC"), **dict.fromkeys(COLUMNS[1:], pl.Float64)}


def keeps_contract(frame: pl.DataFrame, verdict: Verdict) -> None:
    taken = verdict.accepted
    rows = set(verdict.places["row"])
    refused = {one.row for one in verdict.refused}
    assert taken.height == len(rows)
    assert not rows & refused
    assert rows | refused == set(range(1, frame.height + 1))
    assert len(verdict.refused) == len({(one.row, one.check) for one in verdict.refused})
    assert taken["time"].is_sorted()
    assert taken["time"].n_unique() == taken.height
    assert taken.select(pl.exclude("volume")).null_count().sum_horizontal().item() == 0
    prices = taken.select(PRICES)
    assert bool(np.isfinite(prices.to_numpy()).all())
    for name in PRICES:
        assert taken.filter(
            (pl.col(name) < pl.col("low")) | (pl.col(name) > pl.col("high"))
        ).is_empty()
        assert taken.filter((pl.col(name) <= 0) | (pl.col(name) >= 1e20)).is_empty()
    assert taken.filter(pl.col("volume") < 0).is_empty()
    assert taken["volume"].is_nan().sum() == 0
    assert taken["volume"].null_count() in (0, taken.height)
    assert taken.filter(pl.col("time").dt.second() != 0).is_empty()
    assert taken.filter(pl.col("time") > NOW - timedelta(minutes=1)).is_empty()


@settings(max_examples=300, deadline=None)
@given(rows=ROWS)
def test_garbage_when_judged_is_accepted_right_or_refused(
    rows: list[tuple[datetime | None, ...]],
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    keeps_contract(frame, judge(frame, MINUTE, NOW))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    cuts=st.lists(st.integers(1, 899), max_size=6, unique=True),
    wild=st.integers(0, 30),
)
def test_pieces_when_judged_with_surroundings_give_the_whole(
    seed: int, cuts: list[int], wild: int
) -> None:
    dice = np.random.default_rng(seed)
    frame = sample(count=900)
    columns = {name: frame[name].to_numpy().copy() for name in COLUMNS[1:]}
    for _ in range(wild):
        at = int(dice.integers(900))
        span = slice(at, at + int(dice.integers(1, 25)))
        name = COLUMNS[1 + int(dice.integers(5))]
        kind = int(dice.integers(3))
        if kind == 0:
            columns["high"][span] *= 5
        elif kind == 1:
            columns["volume"][span] *= 1_000
        else:
            for each in columns.values():
                each[span] = each[at]
        columns[name][at] = max(columns[name][at], 1e-3)
    frame = frame.with_columns(pl.Series(name, column) for name, column in columns.items())
    frame = judge(frame, MINUTE, NOW).accepted.drop("flags")
    whole = judge(frame, MINUTE, NOW)
    bounds = [0, *sorted(cut for cut in cuts if cut < frame.height), frame.height]
    pieces = [
        judge(
            frame[low:high],
            MINUTE,
            NOW,
            before=frame[max(0, low - CONTEXT) : low],
            after=frame[high : high + CONTEXT],
        )
        for low, high in pairwise(bounds)
    ]
    assert pl.concat([piece.accepted for piece in pieces]).equals(whole.accepted)
    found = [(one.time, one.check, one.column) for piece in pieces for one in piece.flagged]
    assert sorted(found, key=repr) == sorted(
        [(one.time, one.check, one.column) for one in whole.flagged], key=repr
    )
