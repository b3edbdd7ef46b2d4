"""The fill model once more, in plain Python, straight from docs/concepts/fills.md: slow and plain.

It shares nothing with the compiled simulation but the model and the names of the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from candela.fills.model import FillModel
from candela.fills.records import Reason
from tests.candela.fills.plain_sizes import (
    Position,
    Wish,
    given,
    grid,
    kelly_of,
    snap,
    volatility_of,
    wanted_units,
)


class PlainSimulation:
    """Simulate; the results are ``fills``, ``trades``, ``equity``, ``position``, ``rejected``."""

    def __init__(
        self,
        bars: Sequence[tuple[float, float, float, float, float]],
        wishes: dict[str, Sequence[Any]],
        model: FillModel,
        cash: float,
        *,
        legs: int = 1,
        funding: Sequence[float] | None = None,
        finer: Sequence[Sequence[tuple[float, float, float, float]]] | None = None,
        bars_per_year: float = 365.0,
    ) -> None:
        self.bars, self.wishes, self.model, self.cash = bars, wishes, model, cash
        self.legs, self.funding, self.finer = legs, funding, finer
        self.bars_per_year = bars_per_year
        self.position: Position | None = None
        self.wish: Wish | None = None
        self.fills: list[tuple[int, int, int, float, float, float]] = []
        self.trades: list[dict[str, float]] = []
        self.equity: list[float] = []
        self.held: list[float] = []
        self.rejected = 0
        self.ladder = 0
        for bar in range(len(bars)):
            self.one_bar(bar)

    # --- one bar, in the order of section 2 -------------------------------------------------------
    def one_bar(self, bar: int) -> None:
        self.bar = bar
        open_, high, low, close, self.volume = self.bars[bar]
        if self.funding is not None and self.funding[bar] != 0 and self.position:
            place = self.position
            paid = place.side * place.units * open_ * self.funding[bar]
            self.cash -= paid
            place.flow -= paid
            place.funding -= paid
        self.at_open(open_)
        rows: Sequence[tuple[float, float, float, float]] = self.finer[bar] if self.finer else ()
        covers = bool(rows) and (
            min(row[2] for row in rows) == low and max(row[1] for row in rows) == high
        )
        if self.model.execution.intrabar == "minutes" and covers:
            for row in rows:
                self.at_open(row[0])
                self.inside(*row)
        else:
            self.inside(open_, high, low, close)
        self.wish = None
        self.decide(bar)
        if self.wish and self.wish.limit is None and self.model.execution.fill == "close":
            self.execute(close)
        units = self.position.side * self.position.units if self.position else 0.0
        self.held.append(units)
        self.equity.append(max(self.cash + units * close, 0.0))

    def at_open(self, open_: float) -> None:
        place, wish = self.position, self.wish
        if place:
            level, reason = self.stop_level()
            if level is not None and (open_ - level) * place.side <= 0:
                self.leave(place.units, open_, reason)
                self.wish = None
                return
            if wish and wish.what == "exit":
                self.execute(open_)
            if wish and wish.what == "reverse" and self.fills_at(open_):
                self.execute(open_)
                return
            target = self.target_level() if self.position else None
            if target is not None and (open_ - target) * place.side >= 0:
                self.leave(place.units, open_, Reason.TARGET, resting=True)
                self.wish = None
                return
        if self.wish and self.wish.what == "enter" and self.fills_at(open_):
            self.execute(open_)

    def fills_at(self, open_: float) -> bool:
        assert self.wish is not None
        limit = self.wish.limit
        return limit is None or (open_ <= limit if self.wish.side > 0 else open_ >= limit)

    def inside(self, open_: float, high: float, low: float, close: float) -> None:
        start, fresh, born = open_, False, False
        wish = self.wish
        if wish and wish.what == "enter":
            limit = wish.limit
            assert limit is not None
            reached = low <= limit if wish.side > 0 else high >= limit
            level = self.stop_level()[0] if self.position else None
            stop_first = level is not None and (limit - level) * wish.side <= 0
            if reached and not stop_first:
                was_flat = self.position is None
                if self.execute(limit):
                    start, fresh, born = limit, True, was_flat
        if self.position and self.stopped(start, high, low):
            return
        wish = self.wish
        if self.position and wish and wish.what == "reverse":
            limit, target = wish.limit, self.target_level()
            assert limit is not None
            away = self.position.side
            extreme = high if away > 0 else low
            reached = (extreme - limit) * away >= 0
            target_first = target is not None and (target - limit) * away <= 0
            if reached and not target_first:
                self.execute(limit)
                fresh = born = True
                if self.position and self.stopped(limit, high, low):
                    return
        place = self.position
        if not place:
            return
        extreme = high if place.side > 0 else low
        target = self.target_level()
        if target is not None and ((close if fresh else extreme) - target) * place.side >= 0:
            self.leave(place.units, target, Reason.TARGET, resting=True)
            self.wish = None
            return
        seen = close if born else extreme
        place.best = max(place.best, seen) if place.side > 0 else min(place.best, seen)

    def stopped(self, start: float, high: float, low: float) -> bool:
        place = self.position
        assert place is not None
        level, reason = self.stop_level()
        if level is None:
            return False
        if place.side > 0 and low <= level:
            self.leave(place.units, min(level, start), reason)
        elif place.side < 0 and high >= level:
            self.leave(place.units, max(level, start), reason)
        else:
            return False
        self.wish = None
        return True

    # --- levels, section 3 ------------------------------------------------------------------------
    def is_shielded(self) -> bool:
        assert self.position is not None
        return not self.model.execution.entry_bar_stops and self.position.opened == self.bar

    def stop_level(self) -> tuple[float | None, Reason]:
        place, rules = self.position, self.model.rules
        assert place is not None
        found: list[tuple[float, Reason]] = []
        if not self.is_shielded():
            if place.stop is not None:
                level = place.mean * (1 - place.side * place.stop)
                found.append((snap(level, rules.tick), Reason.STOP))
            if place.trailing is not None:
                level = place.best * (1 - place.side * place.trailing)
                found.append((snap(level, rules.tick), Reason.TRAILING))
        if place.side < 0:
            level = self.cash / (place.units * (1 + rules.maintenance_ratio))
            found.append((level, Reason.LIQUIDATION))
        elif self.cash < 0:
            level = -self.cash / (place.units * (1 - rules.maintenance_ratio))
            found.append((level, Reason.LIQUIDATION))
        if not found:
            return None, Reason.STOP
        # The nearest; max and min keep the first of equals.
        pick = max if place.side > 0 else min
        return pick(found, key=lambda one: one[0])

    def target_level(self) -> float | None:
        place = self.position
        assert place is not None
        if place.target is None or self.is_shielded():
            return None
        level = place.mean * (1 + place.side * place.target)
        return grid(level, self.model.rules.tick, up=place.side > 0)

    # --- prices, section 4 ------------------------------------------------------------------------
    def taken(self, raw: float, side: int, units: float) -> float:
        costs = self.model.costs
        share = min(units / self.volume, 1.0) if self.volume > 0 else 1.0
        bps = costs.slippage_bps + costs.spread_bps / 2 + costs.impact_bps * share
        price = grid(raw * (1 + side * bps / 10_000), self.model.rules.tick, up=side > 0)
        return max(price, 0.0)

    def leave(self, units: float, raw: float, reason: Reason, *, resting: bool = False) -> None:
        place, costs = self.position, self.model.costs
        assert place is not None
        price = raw if resting else self.taken(raw, -place.side, units)
        rate = (costs.maker_bps if resting else costs.taker_fee_bps) / 10_000
        self.fills.append((self.bar, -place.side, reason, units, price, units * price * rate))
        self.book_exit(units, price, units * price * rate, reason)

    def book_exit(self, units: float, price: float, fee: float, reason: Reason) -> None:
        place = self.position
        assert place is not None
        flow = place.side * units * price - fee
        self.cash += flow
        place.flow += flow
        place.fees += fee
        place.left.append((units, price))
        if units < place.units:
            place.units -= units
            return
        if self.cash < 0:
            place.flow -= self.cash
            self.cash = 0.0
        self.end_trade(self.bar, reason, place.flow)
        sizing = self.model.sizing
        lost = place.flow < 0
        self.ladder = self.ladder + 1 if lost and self.ladder + 1 < sizing.steps else 0
        self.position = None

    def end_trade(self, bar: int, reason: Reason, pnl: float) -> None:
        place = self.position
        assert place is not None
        units = sum(one for one, _ in place.entered)
        value = sum(one * price for one, price in place.entered)
        self.trades.append(
            {
                "entry_bar": place.opened,
                "exit_bar": bar,
                "direction": place.side,
                "reason": reason,
                "legs": place.legs,
                "units": units,
                "entry_price": value / units,
                "exit_price": sum(one * price for one, price in place.left) / units,
                "fees": place.fees,
                "funding": place.funding,
                "pnl": pnl,
                "return_ratio": pnl / value,
            }
        )

    # --- orders and sizes, section 5 --------------------------------------------------------------
    def execute(self, raw: float) -> bool:
        wish, self.wish = self.wish, None
        assert wish is not None
        if wish.what == "exit":
            assert self.position is not None
            held = units = self.position.units
            if wish.fraction < 1:
                units = grid(held * wish.fraction, self.model.rules.lot, up=False)
                dust = sum(one for one, _ in self.position.entered) / 1000
                units = held if units > 0 and held - units < dust else units
            if units > 0:
                self.leave(min(units, held), raw, Reason.SIGNAL)
            return True
        costs, resting = self.model.costs, wish.limit is not None
        rate = (costs.maker_bps if resting else costs.taker_fee_bps) / 10_000
        if wish.what == "reverse":
            assert self.position is not None
            closed = self.position.units
            price = raw if resting else self.taken(raw, wish.side, 2 * closed)
            self.book_exit(closed, price, closed * price * rate, Reason.REVERSAL)
            units = self.sized(wish, self.cash, 0.0, price, rate)
            if not self.is_enough(units, price):
                self.rejected += 1
                units = 0.0
            both = closed + units
            self.fills.append(
                (self.bar, wish.side, Reason.REVERSAL, both, price, both * price * rate)
            )
            if units > 0:
                self.book_entry(wish, units, price, units * price * rate)
            return True
        place = self.position
        equity = self.cash + (place.side * place.units * raw if place else 0.0)
        value = place.units * raw if place else 0.0
        price = raw if resting else self.without_impact(raw, wish.side)
        units = self.sized(wish, equity, value, price, rate)
        if not resting and costs.impact_bps > 0 and units > 0:
            price = self.taken(raw, wish.side, units)
            units = self.lot(min(units, self.power(equity, value) / (price * (1 + rate))))
        if not self.is_enough(units, price):
            self.rejected += 1
            return False
        reason = Reason.LIMIT if resting else Reason.SIGNAL
        self.fills.append((self.bar, wish.side, reason, units, price, units * price * rate))
        self.book_entry(wish, units, price, units * price * rate)
        return True

    def without_impact(self, raw: float, side: int) -> float:
        costs = self.model.costs
        bps = costs.slippage_bps + costs.spread_bps / 2
        price = grid(raw * (1 + side * bps / 10_000), self.model.rules.tick, up=side > 0)
        return max(price, 0.0)

    def power(self, equity: float, value: float) -> float:
        return max(self.model.rules.leverage * equity - value, 0.0)

    def lot(self, units: float) -> float:
        return grid(units, self.model.rules.lot, up=False)

    def is_enough(self, units: float, price: float) -> bool:
        return units > 0 and units * price >= self.model.rules.minimum_notional

    def sized(self, wish: Wish, equity: float, held: float, price: float, rate: float) -> float:
        limit = self.model.costs.volume_share_limit
        if equity <= 0 or price <= 0:
            return 0.0
        units = wanted_units(self.model.sizing, wish, self.ladder, equity, price, rate)
        units = min(units, self.power(equity, held) / (price * (1 + rate)))
        if limit is not None:
            units = min(units, limit * self.volume if self.volume > 0 else 0.0)
        return self.lot(units)

    def book_entry(self, wish: Wish, units: float, price: float, fee: float) -> None:
        flow = -wish.side * units * price - fee
        self.cash += flow
        if self.position is None:
            self.position = Position(
                wish.side, self.bar, price, price, wish.stop, wish.target, wish.trailing
            )
        place = self.position
        place.mean = (place.units * place.mean + units * price) / (place.units + units)
        place.units += units
        place.legs += 1
        place.entered.append((units, price))
        place.fees += fee
        place.flow += flow

    # --- decisions, section 1 ---------------------------------------------------------------------
    def decide(self, bar: int) -> None:
        enter, leave = (
            {
                side: bool(self.wishes[name + what][bar])
                for side, name in ((1, "long"), (-1, "short"))
            }
            for what in ("_entry", "_exit")
        )
        for side in (1, -1):
            if enter[side] and leave[side]:
                enter[side] = leave[side] = False
        if enter[1] and enter[-1]:
            enter[1] = enter[-1] = False
        place = self.position
        if place is None:
            if enter[1] or enter[-1]:
                self.want(bar, "enter", 1 if enter[1] else -1)
        elif enter[-place.side]:
            self.want(bar, "reverse", -place.side)
        elif leave[place.side]:
            self.want(bar, "exit", place.side)
        elif enter[place.side] and place.legs < self.legs:
            self.want(bar, "enter", place.side)

    def want(self, bar: int, what: str, side: int) -> None:
        sizing = self.model.sizing
        window = sizing.window
        row = {name: values[bar] for name, values in self.wishes.items()}
        limit = given(row["limit_price"]) if what != "exit" else None
        if limit is not None:
            limit = grid(limit, self.model.rules.tick, up=side < 0)
        fraction = row["exit_fraction"]
        self.wish = Wish(
            what,
            side,
            limit,
            row["size"],
            given(row["stop_loss"]),
            given(row["take_profit"]),
            given(row["trailing_stop"]),
            1.0 if math.isnan(fraction) else fraction,
            volatility_of([row[3] for row in self.bars[: bar + 1]], window, self.bars_per_year),
            kelly_of([trade["return_ratio"] for trade in self.trades], window, sizing.cap),
        )

    def finish(self) -> PlainSimulation:
        """Add the trade still open, and return the simulation."""
        place = self.position
        if place is not None:
            close = self.bars[-1][3]
            place.left.append((place.units, close))
            self.end_trade(-1, Reason.STILL_OPEN, place.flow + place.side * place.units * close)
        return self
