"""Random accounts that the quick simulator can express, for tests beside other simulators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from candela.fills.full import Simulation, simulate
from candela.fills.intents import Intents
from candela.fills.model import Costs, Execution, FillModel, Sizing, VenueRules
from candela.fills.quick import Decisions, Detail, QuickRun, is_quick, simulate_quick
from strategies.bars import Bars
from strategies.definition import Parameters, Strategy, strategy
from strategies.signals import Signals
from tests.fixtures.candles import HOUR

Floats = npt.NDArray[np.float64]
Masks = dict[str, npt.NDArray[np.bool_]]

CASH = 1_000.0
NAMES = ("long_entry", "long_exit", "short_entry", "short_exit")


@dataclass(frozen=True, repr=False)
class Case:
    """One account on random bars; told by the numbers that it was drawn from."""

    drawn: str
    bars: Bars
    masks: Masks
    model: FillModel
    stop: float
    target: float

    def __repr__(self) -> str:
        return f"<{self.drawn}, stop {self.stop}, target {self.target}, {self.model}>"

    def quick(self, detail: Detail = "all", *, with_trades: bool = True) -> QuickRun:
        one, two, three, four = (np.flatnonzero(self.masks[name]) for name in NAMES)
        levels = np.array([self.stop]), np.array([self.target])
        decisions = Decisions(one, two, three, four, *levels)
        return simulate_quick(
            self.bars, decisions, self.model, CASH, with_trades=with_trades, detail=detail
        )

    def full(self) -> Simulation:
        one, two, three, four = (self.masks[name] for name in NAMES)
        intents = Intents(one, two, three, four, stop_loss=self.stop, take_profit=self.target)
        return simulate(self.bars, intents, self.model, CASH)


def bars_of(open_: Floats, high: Floats, low: Floats, close: Floats) -> Bars:
    """Return hourly bars from 1970 on."""
    time = np.arange(len(close), dtype=np.int64) * HOUR.seconds * 1_000_000
    volume = np.ones(len(close))
    return Bars(
        time=time, open=open_, high=high, low=low, close=close, volume=volume, timeframe=HOUR
    )


def random_bars(seed: int, rows: int, step: float, *, on_ticks: bool, with_gaps: bool) -> Bars:
    """Walk by so many ticks a bar, on integer ticks or between them, with gaps or without."""
    random = np.random.default_rng(seed)
    close = 200.0 + random.normal(0.0, step, rows).cumsum()
    open_ = np.concatenate(([200.0], close[:-1]))
    if with_gaps:
        open_ = open_ + random.normal(0.0, step, rows) * (random.random(rows) < 0.3)
    wicks = np.abs(random.normal(0.0, step / 2, (2, rows))) * (random.random((2, rows)) < 0.7)
    if on_ticks:
        open_, close, wicks = np.rint(open_), np.rint(close), np.rint(wicks)
    open_, close = np.maximum(open_, 1.0), np.maximum(close, 1.0)
    high = np.maximum(open_, close) + wicks[0]
    low = np.maximum(np.minimum(open_, close) - wicks[1], 0.5)
    return bars_of(open_, high, low, close)


@st.composite
def quick_models(draw: st.DrawFn) -> FillModel:
    """Draw a model that the quick simulator can express."""
    pick = st.sampled_from
    sizings: list[tuple[Literal["fraction", "fixed_value", "fixed_units"], float]] = [
        ("fraction", 1.0), ("fraction", 0.3), ("fixed_value", 400.0), ("fixed_value", 5e5),
        ("fixed_units", 1.5), ("fixed_units", 1e6),
    ]  # fmt: skip
    kind, value = draw(pick(sizings))
    model = FillModel(
        execution=Execution(
            fill=draw(pick(["next_open", "close"])), entry_bar_stops=draw(st.booleans())
        ),
        costs=Costs(
            taker_fee_bps=draw(pick([0.0, 10.0, 200.0])),
            maker_fee_bps=draw(pick([None, 0.0, 2.0])),
            slippage_bps=draw(pick([0.0, 5.0, 300.0])),
            spread_bps=draw(pick([0.0, 4.0])),
        ),
        rules=VenueRules(maintenance_ratio=draw(pick([0.0, 0.0, 0.05]))),
        sizing=Sizing(kind=kind, value=value),
    )
    assert is_quick(model)
    return model


@st.composite
def quick_cases(draw: st.DrawFn) -> Case:
    """Draw bars, events that may contradict each other, and a model."""
    pick = st.sampled_from
    rows = draw(st.integers(1, 40) | pick([63, 64, 65, 130, 400]))
    seed, step = draw(st.integers(0, 2**32 - 1)), draw(pick([0.2, 2.0, 12.0, 60.0]))
    on_ticks, with_gaps = draw(st.booleans()), draw(st.booleans())
    bars = random_bars(seed, rows, step, on_ticks=on_ticks, with_gaps=with_gaps)
    random = np.random.default_rng(seed + 1)
    shares = [draw(pick([0.0, 0.02, 0.2, 0.6])) for _ in NAMES]
    masks = {name: random.random(rows) < share for name, share in zip(NAMES, shares, strict=True)}
    return Case(
        f"{rows} rows of {seed}, step {step}, ticks {on_ticks}, gaps {with_gaps}, shares {shares}",
        bars,
        masks,
        draw(quick_models()),
        draw(pick([np.nan, 0.01, 0.05, 0.5])),
        draw(pick([np.nan, 0.01, 0.05, 0.5])),
    )


def deciding(**decisions: Any) -> Strategy[Any]:
    """Return a strategy that decides what it was given, whatever the bars."""

    @strategy(name="deciding", parameters=Parameters, warm_up=lambda _: 1)
    def decide(bars: Bars, parameters: Parameters) -> Signals:
        """Decide what was given."""
        return Signals(**decisions)

    return decide
