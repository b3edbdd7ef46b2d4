"""The step of one bar, as a paper account takes it: state kept as bytes between bars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings

from candela.fills.book import write_open_trade
from candela.fills.decide import decide, fill_at_close, instruct
from candela.fills.loop import post
from candela.fills.model import FillModel
from candela.fills.sizing import kelly_share, volatility_at
from candela.fills.state import SLIP, STATE, new_book, new_state, packed_terms
from candela.fills.step import step
from tests.candela.fills.made import CONDITIONS, NUMBERS, cases, simulated

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def stepped(case: dict[str, Any], model: FillModel) -> tuple[Any, Any, list[float], int]:
    """Take a case bar by bar; return fills, trades, equity and rejected entries."""
    bars = case["bars"]
    rows = len(bars.close)
    terms = packed_terms(model, case["legs"], 365.0)[0]
    slip = np.zeros(1, SLIP)[0]
    book = new_book(4 * rows, 4 * rows)
    kept, equity = new_state(1000.0).tobytes(), list[float]()
    for bar in range(rows):
        state = np.frombuffer(bytearray(kept), STATE)[0]
        open_, high, low, close, volume = bars.rows()[bar]
        rate = case["rates"][bar] if model.costs.funding else 0.0
        step(state, terms, slip, bar, open_, high, low, close, volume, rate)
        post(slip, bar, 0, book)
        if decide(state, terms, *(bool(case["conditions"][name][bar]) for name in CONDITIONS)):
            row = {name: float(case["numbers"][name][bar]) for name in NUMBERS}
            window = model.sizing.window
            closed = book.trades[: book.counts[1]]
            instruct(
                state,
                terms,
                row["limit_price"],
                row["size"],
                row["stop_loss"],
                row["take_profit"],
                row["trailing_stop"],
                row["exit_fraction"],
                volatility_at(bars.close, bar, window, 365.0),
                kelly_share(
                    closed["return_ratio"],
                    closed["instrument"],
                    len(closed),
                    0,
                    window,
                    model.sizing.cap,
                ),
            )
            if model.execution.fill == "close":
                fill_at_close(state, terms, slip, bar, close, volume)
                post(slip, bar, 0, book)
        equity.append(max(float(state["cash"] + state["units"] * close), 0.0))
        kept = state.tobytes()
    state = np.frombuffer(bytearray(kept), STATE)[0]
    if state["units"]:
        write_open_trade(state, slip, float(bars.close[-1]))
        post(slip, rows - 1, 0, book)
    fills, trades = book.fills[: book.counts[0]], book.trades[: book.counts[1]]
    return fills, trades, equity, int(slip["rejected"])


@SOME
@given(cases())
def test_steps_with_the_state_put_away_between_bars_equal_the_simulation(
    case: dict[str, Any],
) -> None:
    given_model: FillModel = case["model"]
    execution = given_model.execution.model_copy(update={"intrabar": "worst_case"})
    case["model"] = given_model.model_copy(update={"execution": execution})
    whole = simulated(case)
    fills, trades, equity, rejected = stepped(case, case["model"])
    assert fills.tobytes() == whole.fills.tobytes()
    assert trades.tobytes() == whole.trades.tobytes()
    assert equity == whole.equity.tolist()
    assert rejected == whole.sums["rejected"][0]


def test_new_state_of_an_account_is_flat_and_asks_for_nothing() -> None:
    state = new_state(250.0, 2)
    assert state["cash"].tolist() == [250.0, 250.0]
    assert state["units"].tolist() == [0.0, 0.0]
    assert state["order"].tolist() == [0, 0]


def test_terms_of_a_model_without_a_volume_limit_say_so() -> None:
    terms = packed_terms(FillModel())[0]
    assert math.isnan(terms["share_limit"])
    assert terms["maker"] == terms["taker"] == 0.0
