"""Configurations: bounds, what is said twice, and what a backtest makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.spec import spec_of
from candela.bots.checks import (
    BadOrder,
    TooManyBars,
    check_bot,
    check_order,
    largest_entry,
    ruin_of,
)
from candela.bots.config import BadBotConfig, BotConfig, config_from, config_schema
from candela.errors import CandelaError
from candela.market.instrument import BadInstrument
from candela.market.timeframe import Timeframe, UnknownTimeframe
from candela.risk.hours import BadTradingHours
from candela.risk.martingale import RuinNotAcceptable, acknowledge
from strategies.defining import define
from strategies.registry import find
from strategies.template import write_template
from tests.fixtures.desk import config_of, definition_of, market_of

BASE = {
    "strategy": "ma_cross",
    "instrument": "Binance:BTC/USDT",
    "timeframe": "60m",
    "capital": "100",
}
LADDER = {"first_stake": "5", "factor": "2", "steps": 3, "ruin_cap_ratio": 0.5}
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_config_when_read_then_names_are_in_one_form() -> None:
    config = config_from(BASE)
    assert (config.instrument, config.timeframe) == ("binance:BTC/USDT", "1h")
    assert (config.venue, config.symbol, config.data_policy) == ("binance", "BTC/USDT", "skip")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"capital": "0"}, BadBotConfig, "capital=0"),
        ({"capital": "nan"}, BadBotConfig, "capital=nan"),
        ({"capital": "1e-19"}, BadBotConfig, "capital"),
        ({"strategy": ""}, BadBotConfig, "strategy"),
        ({"colour": "red"}, BadBotConfig, "colour"),
        ({"stop_loss": "1"}, BadBotConfig, "stop_loss=1"),
        ({"take_profit": "0"}, BadBotConfig, "take_profit=0"),
        ({"order": "stop"}, BadBotConfig, "order=stop"),
        ({"sizing": {"kind": "martingale", "value": 5}}, BadBotConfig, "limits.martingale"),
        ({"payout": {"sizing": {"kind": "martingale"}}}, BadBotConfig, "limits.martingale"),
        ({"sizing": {"kind": "fraction", "value": 0}}, BadBotConfig, "sizing.value=0"),
        ({"limits": {"daily_los": "5"}}, BadBotConfig, "limits.daily_los"),
        (
            {"stop_loss": "0.02", "limits": {"stop_loss_ratio": "0.03"}},
            BadBotConfig,
            "both given",
        ),
        (
            {"stop_loss": "0.02", "limits": {"dca": [{"drop_ratio": "0.02"}]}},
            BadBotConfig,
            "beyond the stop_loss",
        ),
        ({"instrument": "BTC/USDT"}, BadInstrument, "BTC/USDT"),
        ({"timeframe": "soon"}, UnknownTimeframe, "soon"),
        ({"limits": {"trading_hours": {"windows": ["at night"]}}}, BadTradingHours, "at night"),
    ],
)
def test_config_when_wrong_then_names_the_value(
    fields: dict[str, Any], error: type[CandelaError], words: str
) -> None:
    with pytest.raises(error) as caught:
        config_from(BASE | fields)
    assert words in caught.value.message
    assert caught.value.hint


@given(
    capital=st.decimals("0.01", "1e15", places=8),
    stop=st.none() | st.decimals("0.0001", "0.9999", places=4),
    fee=st.floats(0, 100),
    kind=st.sampled_from(["fraction", "fixed_value", "fixed_units", "risk"]),
    value=st.floats(0.0001, 1),
    policy=st.sampled_from(["skip", "hold", "flatten"]),
)
def test_config_when_kept_as_json_then_the_same_comes_back(
    capital: Decimal, stop: Decimal | None, fee: float, kind: str, value: float, policy: str
) -> None:
    config = config_from(
        BASE
        | {
            "capital": capital,
            "stop_loss": stop,
            "costs": {"taker_fee_bps": fee},
            "sizing": {"kind": kind, "value": value},
            "limits": {"bad_bar": policy},
        }
    )
    again = config_from(config.as_json())
    assert again == config
    assert again.capital == capital
    spec = spec_of(config.to_backtest())
    assert (spec.cash, spec.costs, spec.sizing) == (float(capital), config.costs, config.sizing)
    assert spec.protection.stop_loss == (None if stop is None else float(stop))
    room = largest_entry(config)
    assert room is None or room <= capital


def test_schema_when_read_then_every_field_says_what_it_is() -> None:
    schema = config_schema()
    fields = dict(schema["properties"])
    assert set(fields) == set(BotConfig.model_fields)
    assert all(one.get("description") for one in fields.values())


def test_backtest_when_stakes_grow_then_its_sizing_does() -> None:
    config = config_from(BASE | {"limits": {"martingale": LADDER}})
    sizing = spec_of(config.to_backtest()).sizing
    assert (sizing.kind, sizing.value, sizing.factor, sizing.steps) == ("martingale", 5.0, 2.0, 3)


def test_ladder_when_acknowledged_then_usable_and_not_after_a_change() -> None:
    config = config_from(BASE | {"limits": {"martingale": LADDER}})
    ladder = config.martingale
    assert ladder is not None
    estimate = ruin_of(
        ladder, payout_ratio=Decimal("0.9"), bankroll=config.capital, win_rate=0.58, rounds=100
    )
    word = acknowledge(estimate, ladder.ruin_cap_ratio, rounds=100, at=NOW)
    read = config_from(
        BASE | {"limits": {"martingale": LADDER | {"acknowledgement": word.model_dump()}}}
    )
    check_bot(read, definition_of(read), market_of(read), "USDT")
    other = LADDER | {"steps": 4, "acknowledgement": word.model_dump()}
    changed = config_from(BASE | {"limits": {"martingale": other}})
    with pytest.raises(CandelaError) as caught:
        check_bot(changed, definition_of(changed), market_of(changed), "USDT")
    assert caught.value.code == "ruin_not_read"


def test_ladder_when_ruin_is_above_the_cap_then_not_acceptable() -> None:
    config = config_from(BASE | {"limits": {"martingale": LADDER | {"ruin_cap_ratio": 0.01}}})
    ladder = config.martingale
    assert ladder is not None
    estimate = ruin_of(
        ladder, payout_ratio=Decimal("0.8"), bankroll=config.capital, win_rate=0.45, rounds=1_000
    )
    with pytest.raises(RuinNotAcceptable):
        acknowledge(estimate, ladder.ruin_cap_ratio, rounds=1_000, at=NOW)


def test_definition_when_anything_in_it_differs_then_its_id_does() -> None:
    first = definition_of(config_of())
    assert first.definition_id == definition_of(config_of(capital="77")).definition_id
    others = [
        replace(first, parameters={"fast": 11, "slow": 30}),
        replace(first, timeframe=Timeframe(300)),
        replace(first, instrument=config_of(instrument="binance:ETH/USDT").traded),
        replace(first, source_digest="sha256:1"),
        replace(first, strategy="other"),
    ]
    ids = {one.definition_id for one in (first, *others)}
    assert len(ids) == 6


@pytest.mark.parametrize(("name", "timeframes"), [("ma_cross", 1), ("mtf_trend", 2)])
def test_define_when_a_strategy_reads_longer_bars_then_it_counts(
    name: str, timeframes: int
) -> None:
    found = find(name)
    config = config_of(strategy=name)
    made = define(found, found.with_values(), config.traded, config.interval)
    assert (made.timeframes, made.source, made.kind) == (timeframes, None, "spot")
    assert made.parameters == found.with_values().model_dump(mode="json")


@given(
    quantity=st.decimals("0.00001", "10", places=5),
    price=st.none() | st.decimals("1", "100000", places=2),
)
def test_order_when_taken_then_on_the_grid_and_large_enough(
    quantity: Decimal, price: Decimal | None
) -> None:
    market = market_of(config_of())
    rules = market.rules
    try:
        check_order(market, "market" if price is None else "limit", quantity, price)
    except CandelaError:
        assert price is not None
        assert quantity * price < rules.minimum_notional
    else:
        assert quantity % rules.lot == 0
        assert price is None or quantity * price >= rules.minimum_notional


def test_bot_when_its_strategy_looks_back_too_far_then_refused() -> None:
    config = config_of()
    definition = definition_of(config)
    check_bot(config, replace(definition, warm_up=50_000), market_of(config), "USDT")
    with pytest.raises(TooManyBars, match="50,001"):
        check_bot(config, replace(definition, warm_up=50_001), market_of(config), "USDT")


def test_order_when_price_and_kind_disagree_then_refused() -> None:
    market = market_of(config_of())
    with pytest.raises(BadOrder):
        check_order(market, "limit", Decimal(1), None)
    with pytest.raises(BadOrder):
        check_order(market, "market", Decimal(1), Decimal(1))


def test_define_when_a_strategy_is_of_a_file_then_its_text_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    write_template("mine", tmp_path)
    found = find(str(path))
    config = config_of(strategy="mine")
    made = define(found, found.with_values(), config.traded, config.interval)
    assert made.source == path.read_text("utf-8")
