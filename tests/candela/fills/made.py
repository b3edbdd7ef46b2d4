"""Bars, intents and models for tests of the fill model: written by hand, or drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from candela.fills.full import FinerBars, Funding, Simulation, simulate
from candela.fills.intents import Intents
from candela.fills.model import Costs, Execution, FillModel, Sizing, VenueRules

Floats = npt.NDArray[np.float64]

HOUR_US = 3_600_000_000
NUMBERS = ("size", "stop_loss", "take_profit", "trailing_stop", "limit_price", "exit_fraction")
CONDITIONS = ("long_entry", "long_exit", "short_entry", "short_exit")


@dataclass(frozen=True)
class HourBars:
    """Hourly candles from 1970 on, as the simulation reads them."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def time(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self.close)) * HOUR_US

    def rows(self) -> list[tuple[float, float, float, float, float]]:
        columns = (self.open, self.high, self.low, self.close, self.volume)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def head(self, rows: int) -> HourBars:
        columns = (self.open, self.high, self.low, self.close, self.volume)
        return HourBars(*(column[:rows] for column in columns))


def hours(*rows: tuple[float, float, float, float] | float, volume: float = 1e6) -> HourBars:
    """Return bars from (open, high, low, close); one number is a bar that stands still."""
    table = np.array([row if isinstance(row, tuple) else (row,) * 4 for row in rows], np.float64)
    open_, high, low, close = (np.ascontiguousarray(column) for column in table.T)
    return HourBars(open_, high, low, close, np.full(len(table), volume))


def at(rows: int, *bars: int) -> npt.NDArray[np.bool_]:
    """Return a condition that holds on these bars."""
    out = np.zeros(rows, np.bool_)
    out[list(bars)] = True
    return out


def run(
    bars: HourBars,
    *,
    model: FillModel | None = None,
    cash: float = 1000.0,
    legs: int = 1,
    numbers: dict[str, Any] | None = None,
    funding: Funding | None = None,
    finer: FinerBars | None = None,
    bars_per_year: float | None = None,
    **conditions: tuple[int, ...],
) -> Simulation:
    """Simulate with conditions given as the bars on which they hold."""
    rows = len(bars.close)
    wanted = {name: at(rows, *where) for name, where in conditions.items()}
    return simulate(
        bars,
        Intents(**wanted, **(numbers or {}), legs=legs),
        model or FillModel(),
        cash,
        funding=funding,
        finer=finer,
        bars_per_year=bars_per_year,
    )


def fills_of(simulation: Simulation) -> list[tuple[int, int, int, float, float]]:
    """Return bar, side, reason, units and price of each fill, rounded for reading."""
    names = ("bar", "side", "reason", "units", "price")
    rows = zip(*(simulation.fills[name].tolist() for name in names), strict=True)
    return [(bar, side, reason, round(u, 9), round(p, 9)) for bar, side, reason, u, p in rows]


def model_of(
    execution: dict[str, Any] | None = None,
    costs: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    sizing: dict[str, Any] | None = None,
) -> FillModel:
    """Return a model from the parts that differ from the default."""
    return FillModel(
        execution=Execution(**(execution or {})),
        costs=Costs(**(costs or {})),
        rules=VenueRules(**(rules or {})),
        sizing=Sizing(**(sizing or {})),
    )


@st.composite
def models(draw: st.DrawFn) -> FillModel:
    """Draw any fill model."""
    pick = st.sampled_from
    kind = draw(
        pick(
            ["fraction"] * 3
            + ["fixed_value", "fixed_units", "risk", "kelly"]
            + ["volatility_target", "martingale"]
        )
    )
    value = {
        "fixed_value": 300.0,
        "fixed_units": 2.5,
        "martingale": 100.0,
        "risk": 0.02,
        "volatility_target": 0.6,
    }.get(kind, draw(pick([1.0, 0.4, 8.0])))
    return model_of(
        {
            "fill": draw(pick(["next_open", "close"])),
            "entry_bar_stops": draw(st.booleans()),
            "intrabar": draw(pick(["worst_case", "worst_case", "minutes"])),
        },
        {
            "taker_fee_bps": draw(pick([0.0, 10.0])),
            "maker_fee_bps": draw(pick([None, 2.0])),
            "slippage_bps": draw(pick([0.0, 5.0, 300.0])),
            "spread_bps": draw(pick([0.0, 4.0])),
            "impact_bps": draw(pick([0.0, 50.0])),
            "volume_share_limit": draw(pick([None, None, 0.1])),
            "funding": draw(st.booleans()),
        },
        {
            "lot": draw(pick([0.0, 0.001, 0.25])),
            "tick": draw(pick([0.0, 0.01, 0.5])),
            "minimum_notional": draw(pick([0.0, 0.0, 50.0])),
            "leverage": draw(pick([1.0, 1.0, 3.0, 20.0])),
            "maintenance_ratio": draw(pick([0.0, 0.05])),
        },
        {"kind": kind, "value": value, "cap": draw(pick([1.0, 0.5, 3.0])), "window": 3, "steps": 3},
    )


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Draw bars on integer ticks, finer bars inside them, intents, funding and a model."""
    rows = draw(st.integers(2, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    step = draw(st.sampled_from([1.0, 3.0, 12.0]))
    # Prices on a grid of a quarter, so that levels are touched exactly and gaps happen.
    walk = np.maximum(
        100 + np.rint(random.normal(0, step, (rows, 4)).cumsum() * 4).reshape(rows, 4) / 4, 5.0
    )
    finer = np.empty((rows, 2, 4))
    for bar in range(rows):
        for half in range(2):
            first, last = walk[bar, 2 * half], walk[bar, 2 * half + 1]
            high = max(first, last) + random.integers(0, 8) / 4
            low = min(first, last) - random.integers(0, 8) / 4
            finer[bar, half] = first, high, max(low, 1.0), last
    bars = HourBars(
        open=finer[:, 0, 0].copy(),
        high=finer[:, :, 1].max(axis=1),
        low=finer[:, :, 2].min(axis=1),
        close=finer[:, 1, 3].copy(),
        volume=random.integers(0, 200, rows).astype(np.float64),
    )
    if draw(st.booleans()):
        bars.volume[random.random(rows) < 0.2] = np.nan
    density = draw(st.sampled_from([0.1, 0.4]))
    conditions = {name: random.random(rows) < density for name in CONDITIONS}
    if draw(st.booleans()):
        conditions["short_entry"][:] = False
    numbers = {
        "size": np.full(rows, np.nan),
        "stop_loss": random.choice([0.01, 0.03, 0.1], rows),
        "take_profit": random.choice([0.01, 0.04, 0.2], rows),
        "trailing_stop": random.choice([0.02, 0.08], rows),
        "limit_price": bars.close + random.integers(-12, 12, rows) / 4 + 0.1,
        "exit_fraction": random.choice([0.3, 0.5, 1.0], rows),
    }
    for name in NUMBERS:
        share = draw(st.sampled_from([0.0, 0.5, 1.0]))
        numbers[name][random.random(rows) >= share] = np.nan
    numbers["limit_price"] = np.maximum(numbers["limit_price"], 1.0)
    model = draw(models())
    if model.sizing.kind == "risk":
        lacking = np.isnan(numbers["stop_loss"])
        numbers["stop_loss"][lacking] = 0.05
    rates = np.where(random.random(rows) < 0.3, random.normal(0, 0.002, rows), 0.0)
    return {
        "bars": bars,
        "finer": finer,
        "conditions": conditions,
        "numbers": numbers,
        "model": model,
        "rates": rates,
        "legs": draw(st.sampled_from([1, 1, 3])),
    }


def simulated(case: dict[str, Any], rows: int | None = None) -> Simulation:
    """Simulate a drawn case, or its first bars."""
    bars: HourBars = case["bars"]
    rows = rows or len(bars.close)
    finer = case["finer"][:rows].reshape(-1, 4)
    model: FillModel = case["model"]
    return simulate(
        bars.head(rows),
        Intents(
            **{name: values[:rows] for name, values in case["conditions"].items()},
            **{name: values[:rows] for name, values in case["numbers"].items()},
            legs=case["legs"],
        ),
        model,
        1000.0,
        funding=Funding(bars.time[:rows] + 1, case["rates"][:rows]),
        finer=FinerBars(
            np.arange(len(finer)) * (HOUR_US // 2),
            *(np.ascontiguousarray(column) for column in finer.T),
        ),
        bars_per_year=365.0,
    )
