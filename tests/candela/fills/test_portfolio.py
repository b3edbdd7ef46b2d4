"""Many instruments on one pool of cash: who is served, what is counted, and what stays alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.fills.full import Funding, NoSimulation, simulate
from candela.fills.intents import BadIntents, Intents
from candela.fills.model import FillModel
from candela.fills.pool_intents import Events, PoolIntents
from candela.fills.portfolio import PortfolioSimulation, simulate_portfolio
from candela.fills.records import Reason
from tests.candela.fills.made import CONDITIONS, HOUR_US, HourBars, cases, model_of

Floats = npt.NDArray[np.float64]

SIGNAL, STOP, LIQUIDATION = int(Reason.SIGNAL), int(Reason.STOP), int(Reason.LIQUIDATION)
MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAN = float("nan")


@dataclass(frozen=True)
class PoolTable:
    """Hourly candles of several instruments."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def time(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self.close[0])) * HOUR_US


def table(*closes: list[float]) -> PoolTable:
    """Return bars that stand still at these prices."""
    prices = np.array(closes, np.float64)
    return PoolTable(prices, prices, prices, prices, np.full(prices.shape, 1e6))


def on(bars: PoolTable, *where: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return a condition that holds at these (instrument, bar)."""
    out = np.zeros(bars.close.shape, np.bool_)
    for place, bar in where:
        out[place, bar] = True
    return out


def fills_of(simulation: PortfolioSimulation) -> list[tuple[int, int, int, float]]:
    names = ("bar", "instrument", "side", "units")
    rows = zip(*(simulation.fills[name].tolist() for name in names), strict=True)
    return [(bar, place, side, round(units, 9)) for bar, place, side, units in rows]


STAKE = model_of(sizing={"kind": "fixed_value", "value": 700.0})


@pytest.mark.parametrize("stop", [None, 0.5])  # by events, and bar by bar
def test_scarce_cash_serves_instruments_in_their_order(stop: float | None) -> None:
    bars = table([10, 10, 10, 10], [10, 10, 10, 10], [10, 10, 10, 10])
    wanted = PoolIntents(on(bars, (2, 0), (1, 0), (0, 0)), stop_loss=stop)
    simulation = simulate_portfolio(bars, wanted, STAKE, 1000.0)
    assert fills_of(simulation) == [(1, 0, 1, 70.0), (1, 1, 1, 30.0)]
    assert simulation.sums["rejected"][0] == 1
    assert simulation.cash.tolist() == [1000, 0, 0, 0]
    assert simulation.held.tolist() == [0, 2, 2, 2]


@pytest.mark.parametrize("fill", ["next_open", "close"])
@pytest.mark.parametrize("stop", [None, 0.9])
def test_cash_of_an_exit_serves_the_entries_of_the_same_moment(
    fill: str, stop: float | None
) -> None:
    bars = table([10, 10, 10, 10], [10, 10, 10, 10])
    wanted = PoolIntents(on(bars, (1, 0), (0, 1)), on(bars, (1, 1)), stop_loss=stop)
    model = model_of({"fill": fill}, sizing={"kind": "fixed_value", "value": 1000.0})
    simulation = simulate_portfolio(bars, wanted, model, 1000.0)
    late = 1 if fill == "next_open" else 0
    assert fills_of(simulation) == [
        (late, 1, 1, 100.0),
        (late + 1, 1, -1, 100.0),
        (late + 1, 0, 1, 100.0),
    ]


def test_fraction_is_of_the_equity_of_the_whole_account() -> None:
    bars = table([10, 10, 20, 20], [10, 10, 10, 10])
    wanted = PoolIntents(on(bars, (0, 0), (1, 1)))
    model = model_of(sizing={"kind": "fraction", "value": 0.5})
    simulation = simulate_portfolio(bars, wanted, model, 1000.0)
    # 50 units bought for 500 are worth 1000 at the open of bar 2: half of 1500 is more than 500.
    assert fills_of(simulation) == [(1, 0, 1, 50.0), (2, 1, 1, 50.0)]
    leveraged = model_of(rules={"leverage": 2}, sizing={"kind": "fraction", "value": 0.5})
    simulation = simulate_portfolio(bars, wanted, leveraged, 1000.0)
    assert fills_of(simulation)[1] == (2, 1, 1, 75.0)


def test_reversal_is_sized_by_the_equity_of_the_whole_account() -> None:
    bars = table([10] * 4, [10] * 4)
    wanted = PoolIntents(on(bars, (0, 0), (1, 0)), short_entry=on(bars, (1, 1)))
    model = model_of(sizing={"kind": "fraction", "value": 0.5})
    simulation = simulate_portfolio(bars, wanted, model, 1000.0)
    assert fills_of(simulation) == [(1, 0, 1, 50.0), (1, 1, 1, 50.0), (2, 1, -1, 100.0)]


def test_instrument_without_a_bar_neither_decides_nor_fills() -> None:
    bars = table([10, 12, NAN, 14, 15], [10, 10, 10, 10, 10])
    wanted = PoolIntents(on(bars, (0, 1), (0, 2)), on(bars, (0, 2), (0, 3)))
    simulation = simulate_portfolio(bars, wanted, STAKE, 1000.0)
    # Decided on bar 1, filled when it trades again; what is said of bar 2 is not heard.
    assert fills_of(simulation) == [(3, 0, 1, 50.0), (4, 0, -1, 50.0)]


def test_instrument_without_a_bar_is_valued_at_its_last_close() -> None:
    bars = table([10, 10, 12, NAN, NAN], [10, 10, 10, 10, 10])
    simulation = simulate_portfolio(bars, PoolIntents(on(bars, (0, 0))), STAKE, 1000.0)
    assert simulation.equity.tolist() == [1000, 1000, 1140, 1140, 1140]
    assert simulation.trades["exit_price"].tolist() == [12.0]
    assert simulation.trades["pnl"].tolist() == [140.0]


def test_trades_come_in_order_of_entry_with_their_instrument() -> None:
    bars = table([10] * 6, [10] * 6)
    wanted = PoolIntents(on(bars, (0, 0), (1, 1), (1, 3)), on(bars, (0, 4), (1, 2)), stop_loss=0.5)
    model = model_of(sizing={"kind": "fixed_units", "value": 1.0})
    trades = simulate_portfolio(bars, wanted, model, 1000.0).trades
    assert trades["entry_bar"].tolist() == [1, 2, 4]
    assert trades["instrument"].tolist() == [0, 1, 1]
    assert trades["exit_bar"].tolist() == [5, 3, -1]


def test_martingale_climbs_by_the_trades_of_its_own_instrument() -> None:
    bars = table([100, 100, 90, 90, 90], [10] * 5)
    entries = on(bars, (0, 0), (0, 2), (1, 2))
    model = model_of(sizing={"kind": "martingale", "value": 90.0})
    simulation = simulate_portfolio(bars, PoolIntents(entries, on(bars, (0, 1))), model, 1000.0)
    assert fills_of(simulation)[2:] == [(3, 0, 1, 2.0), (3, 1, 1, 9.0)]


def test_kelly_looks_at_the_trades_of_its_own_instrument() -> None:
    bars = table([100] * 7, [100, 100, 90, 100, 90, 100, 100])
    entries = on(bars, (1, 0), (1, 2), (0, 4), (1, 4))
    model = model_of(sizing={"kind": "kelly", "value": 0.1, "window": 2})
    wanted = PoolIntents(entries, on(bars, (1, 1), (1, 3)))
    simulation = simulate_portfolio(bars, wanted, model, 1000.0)
    # Two lost trades leave instrument 1 no edge, and tell nothing about instrument 0.
    assert [fill[:3] for fill in fills_of(simulation)][4:] == [(5, 0, 1)]
    assert simulation.sums["rejected"][0] == 1


def test_account_is_liquidated_as_a_whole_at_the_worst_prices() -> None:
    bars = table([100, 100, 50, 50], [100, 100, 100, 100])
    wanted = PoolIntents(on(bars, (0, 0), (1, 0)))
    model = model_of(rules={"leverage": 4}, sizing={"kind": "fixed_value", "value": 2000.0})
    simulation = simulate_portfolio(bars, wanted, model, 1000.0)
    # 20 units each, 3000 owed: at 50 and 100 they are worth just that, at less they are not.
    assert simulation.equity.tolist() == [1000, 1000, 0, 0]
    deeper = table([100, 100, 40, 40], [100, 100, 100, 100])
    simulation = simulate_portfolio(deeper, wanted, model, 1000.0)
    assert simulation.fills["reason"].tolist() == [SIGNAL, SIGNAL, LIQUIDATION, LIQUIDATION]
    assert simulation.equity.tolist() == [1000, 1000, 0, 0]
    assert simulation.trades["pnl"].sum() == -1000.0


def test_short_in_a_pool_is_liquidated_at_its_maintenance() -> None:
    bars = table([100, 100, 130, 150, 150])
    model = model_of(rules={"maintenance_ratio": 0.5}, sizing={"kind": "fixed_units", "value": 10})
    wanted = PoolIntents(short_entry=on(bars, (0, 0)))
    simulation = simulate_portfolio(bars, wanted, model, 1000.0)
    # 2000 in cash: at 130 the 700 left are 54 % of the 1300 owed, at 150 500 are 33 % of 1500.
    assert simulation.fills["reason"].tolist() == [SIGNAL, LIQUIDATION]
    assert simulation.equity.tolist() == [1000, 1000, 700, 500, 500]


def test_funding_is_paid_by_the_instrument_that_has_it() -> None:
    bars = table([100] * 4, [100] * 4)
    rates = [None, Funding(np.array([2 * HOUR_US]), np.array([0.01]))]
    model = model_of(costs={"funding": True}, sizing={"kind": "fixed_units", "value": 1.0})
    wanted = PoolIntents(on(bars, (0, 0), (1, 0)))
    simulation = simulate_portfolio(bars, wanted, model, 1000.0, funding=rates)
    assert simulation.trades["funding"].tolist() == [0.0, -1.0]
    # Settled while the instrument had no bar: paid at its next one.
    late = table([100] * 4, [100, 100, NAN, 110])
    simulation = simulate_portfolio(late, wanted, model, 1000.0, funding=rates)
    assert simulation.trades["funding"].tolist() == pytest.approx([0.0, -1.1])
    with pytest.raises(NoSimulation, match="2 instruments"):
        simulate_portfolio(bars, wanted, model, 1000.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"long_entry": np.zeros((2, 3), np.bool_)}, r"shape \(2, 3\)"),
        ({"long_entry": Events(np.array([2, 1]), np.array([0, 2, 2]))}, "no rising bars"),
        ({"long_entry": Events(np.array([2, 4]), np.array([0, 2, 2]))}, "within 4 bars"),
        ({"long_entry": Events(np.array([1, 2]), np.array([0, 1]))}, "no rising bars"),
        ({"stop_loss": np.array([[0.1], [-0.1]])}, "stop_loss of instrument 1 is -0.1 at bar 0"),
        ({"size": np.zeros(3)}, r"size has the shape \(1, 3\)"),
        ({"legs": 0}, "0 legs"),
    ],
)
def test_pool_intents_that_cannot_be_used_are_refused(given: dict[str, Any], words: str) -> None:
    bars = table([10] * 4, [10] * 4)
    wanted: dict[str, Any] = {"long_entry": on(bars, (0, 0)), **given}
    with pytest.raises(BadIntents, match=words):
        simulate_portfolio(bars, PoolIntents(**wanted), FillModel(), 1000.0)


def test_pool_risk_without_a_stop_names_instrument_and_bar() -> None:
    bars = table([10] * 4, [10] * 4)
    model = model_of(sizing={"kind": "risk", "value": 0.01})
    stops = np.array([[0.1], [NAN]])
    with pytest.raises(BadIntents, match="instrument 1 at bar 2"):
        simulate_portfolio(
            bars, PoolIntents(on(bars, (0, 0), (1, 2)), stop_loss=stops), model, 1000.0
        )


@pytest.mark.parametrize("stop", [None, 0.5])
def test_pool_price_that_nothing_can_fill_at_is_refused(stop: float | None) -> None:
    bars = table([10, 10, 10], [10, 0, 10])
    wanted = PoolIntents(on(bars, (1, 0)), stop_loss=stop)
    with pytest.raises(NoSimulation, match="instrument 1 at bar 1"):
        simulate_portfolio(bars, wanted, STAKE, 1000.0)


def test_pool_of_shapes_that_differ_is_refused() -> None:
    bars = table([10, 10], [10, 10])
    odd = PoolTable(bars.open[:1], bars.high, bars.low, bars.close, bars.volume)
    with pytest.raises(NoSimulation, match="open has the shape"):
        simulate_portfolio(odd, PoolIntents(), STAKE, 1000.0)
    with pytest.raises(NoSimulation, match="Finer bars"):
        simulate_portfolio(bars, PoolIntents(), model_of({"intrabar": "minutes"}), 1000.0)


# --- what many instruments do is what each does alone ---------------------------------------------


def alone(case: dict[str, Any], model: FillModel, cash: float, keep: Any) -> Any:
    """Simulate one instrument by itself, on the bars it has."""
    columns = ("open", "high", "low", "close", "volume")
    bars = HourBars(*(getattr(case["bars"], name)[keep] for name in columns))
    numbers = {name: values[keep] for name, values in case["numbers"].items()}
    numbers["limit_price"] = None
    conditions = {name: values[keep] for name, values in case["conditions"].items()}
    wanted = Intents(**conditions, **numbers, legs=case["legs"])
    return simulate(bars, wanted, model, cash, bars_per_year=365.0)


def pooled(
    some: list[dict[str, Any]], model: FillModel, cash: float, keeps: list[Any], legs: int
) -> PortfolioSimulation:
    rows = min(len(case["bars"].close) for case in some)
    columns: dict[str, Floats] = {}
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = np.array([getattr(case["bars"], name)[:rows] for case in some])
        columns[name][~np.array(keeps)] = NAN
    conditions = {
        name: np.array([case["conditions"][name][:rows] for case in some]) for name in CONDITIONS
    }
    names = ("size", "stop_loss", "take_profit", "trailing_stop", "exit_fraction")
    numbers = {name: np.array([case["numbers"][name][:rows] for case in some]) for name in names}
    wanted = PoolIntents(**conditions, **numbers, legs=legs)
    return simulate_portfolio(PoolTable(**columns), wanted, model, cash, bars_per_year=365.0)


@MANY
@given(st.lists(cases(), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_instruments_with_cash_in_plenty_do_what_they_do_alone(
    some: list[dict[str, Any]], seed: int
) -> None:
    given_model: FillModel = some[0]["model"]
    model = given_model.model_copy(
        update={
            "costs": given_model.costs.model_copy(update={"funding": False}),
            "execution": given_model.execution.model_copy(update={"intrabar": "worst_case"}),
            "sizing": model_of(sizing={"kind": "fixed_units", "value": 2.5}).sizing,
        }
    )
    rows = min(len(case["bars"].close) for case in some)
    random = np.random.default_rng(seed)
    keeps = [random.random(rows) < 0.9 for _ in some]
    for keep in keeps:
        keep[:2] = True
    legs = some[0]["legs"]
    together = pooled(some, model, 1e7, keeps, legs)
    for place, (case, keep) in enumerate(zip(some, keeps, strict=True)):
        head = {
            "bars": case["bars"].head(rows),
            "numbers": {name: values[:rows] for name, values in case["numbers"].items()},
            "conditions": {name: values[:rows] for name, values in case["conditions"].items()},
            "legs": legs,
        }
        single = alone(head, model, 1e7, keep)
        mine = together.fills[together.fills["instrument"] == place]
        assert mine["bar"].tolist() == np.flatnonzero(keep)[single.fills["bar"]].tolist()
        for name in ("side", "reason", "units", "price", "fee", "slippage"):
            assert mine[name].tolist() == single.fills[name].tolist(), name
        trades = together.trades[together.trades["instrument"] == place]
        for name in ("direction", "reason", "legs", "units", "entry_price", "exit_price", "pnl"):
            wanted = single.trades[name]
            np.testing.assert_allclose(trades[name], wanted, rtol=1e-9, atol=1e-7, err_msg=name)


@MANY
@given(cases())
def test_one_instrument_in_a_pool_does_what_it_does_alone(case: dict[str, Any]) -> None:
    case["conditions"]["short_entry"][:] = False
    given_model: FillModel = case["model"]
    model = given_model.model_copy(
        update={
            "costs": given_model.costs.model_copy(update={"funding": False}),
            "execution": given_model.execution.model_copy(update={"intrabar": "worst_case"}),
            "rules": given_model.rules.model_copy(update={"leverage": 1.0}),
        }
    )
    keep = np.ones(len(case["bars"].close), np.bool_)
    single = alone(case, model, 1000.0, keep)
    together = pooled([case], model, 1000.0, [keep], case["legs"])
    assert together.fills.tobytes() == single.fills.tobytes()
    assert together.trades.tobytes() == single.trades.tobytes()
    assert together.equity.tobytes() == single.equity.tobytes()
    assert together.sums["rejected"] == single.sums["rejected"]


@MANY
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.02, 0.3]),
    st.sampled_from([300.0, 2000.0, 1e6]),
    st.sampled_from(["next_open", "close"]),
    st.sampled_from(["fixed_value", "fixed_units"]),
    st.booleans(),
)
def test_pool_by_events_does_what_it_does_bar_by_bar(
    seed: int,
    density: float,
    cash: float,
    fill: str,
    kind: str,
    gaps: bool,  # noqa: FBT001
) -> None:
    random = np.random.default_rng(seed)
    count, rows = int(random.integers(1, 6)), int(random.integers(1, 60))
    prices = 100 * np.exp(random.normal(0, 0.02, (2, count, rows)).cumsum(axis=2))
    if gaps:
        prices[:, random.random((count, rows)) < 0.05] = NAN
    open_, close = prices
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    bars = PoolTable(open_, high, low, close, np.full((count, rows), 1e9))
    entries, exits = random.random((2, count, rows)) < density
    model = model_of(
        {"fill": fill},
        {"taker_fee_bps": 10, "slippage_bps": 5, "spread_bps": 2},
        {"minimum_notional": 150.0},
        {"kind": kind, "value": 250.0 if kind == "fixed_value" else 2.0},
    )
    quick = simulate_portfolio(bars, PoolIntents(Events.of(entries), Events.of(exits)), model, cash)
    slow = simulate_portfolio(bars, PoolIntents(entries, exits, stop_loss=NAN), model, cash)
    for name in ("bar", "instrument", "side", "reason"):
        assert quick.fills[name].tolist() == slow.fills[name].tolist()
    for name in ("units", "price", "fee", "slippage"):
        np.testing.assert_allclose(quick.fills[name], slow.fills[name], rtol=1e-12, atol=1e-12)
    for name in slow.trades.dtype.names or ():
        wanted = slow.trades[name]
        np.testing.assert_allclose(quick.trades[name], wanted, rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(quick.equity, slow.equity, rtol=1e-12)
    np.testing.assert_allclose(quick.cash, slow.cash, rtol=1e-12, atol=1e-9)
    assert quick.held.tolist() == slow.held.tolist()
    assert (quick.cash > -1e-9).all()
    np.testing.assert_allclose(cash + quick.trades["pnl"].sum(), quick.equity[-1], rtol=1e-12)
    for name in ("rejected", "orders", "exposed"):
        assert quick.sums[name] == slow.sums[name]
