"""What a walk-forward is asked to be: a sweep, and the windows it learns and is tested on."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backtest.spec import BadSpec
from backtest.sweep.spec import SweepSpec
from candela.market.timeframe import Timeframe

__all__ = ["WalkForwardSpec", "bars_of", "walk_forward_spec"]

_LENGTH: Final = re.compile(r"(\d+)\s*([smhdw]|bars?)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class WalkForwardSpec(BaseModel):
    """One walk-forward, in words that can be kept, sent and asked for again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep: SweepSpec
    train: str = Field(description="length learned on: 2000 (bars), 90d, 12w")
    test: str = Field(description="length tested on, and from one window to the next")
    anchored: bool = Field(default=False, description="learn from the first bar on")
    embargo: str = Field(default="0", description="left out between learning and testing")
    choose: Literal["best", "plateau"] = Field(
        default="best",
        description="best: the best point; plateau: the best together with its neighbours",
    )

    @property
    def timeframe(self) -> Timeframe:
        """Of the bars."""
        return Timeframe.parse(self.sweep.base.timeframe)

    @property
    def train_bars(self) -> int:
        """Bars learned on."""
        return bars_of(self.train, self.timeframe, "train")

    @property
    def test_bars(self) -> int:
        """Bars tested on."""
        return bars_of(self.test, self.timeframe, "test")

    @property
    def embargo_bars(self) -> int:
        """Bars left out between the two."""
        return bars_of(self.embargo, self.timeframe, "embargo")


def bars_of(text: str, timeframe: Timeframe, name: str) -> int:
    """Return a length in bars; a time is as many bars as fill it where none is absent.

    Raises
    ------
    BadSpec
        The text is no length, or a time is not made of whole bars.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        message = f"{name}={text} is no length."
        raise BadSpec(message, "Write bars, such as 2000, or a time, such as 90d, 12w or 36h.")
    number, unit = int(found[1]), found[2]
    if unit is None or unit.startswith("bar"):
        return number
    seconds = number * _SECONDS[unit]
    if seconds % timeframe.seconds:
        message = f"{name}={text} is not made of whole bars of {timeframe}."
        raise BadSpec(message, "Give a multiple of the timeframe, or a number of bars.")
    return seconds // timeframe.seconds


def walk_forward_spec(sweep: SweepSpec, **values: Any) -> WalkForwardSpec:
    """Return a checked walk-forward around a sweep.

    Raises
    ------
    BadSpec
        Names each value that cannot be, and why.
    """
    texts: dict[str, Any] = {
        name: str(value) if name in {"train", "test", "embargo"} else value
        for name, value in values.items()
    }
    try:
        spec = WalkForwardSpec(sweep=sweep, **texts)
    except ValidationError as error:
        parts = [
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].lower()}"
            for one in error.errors()
        ]
        message = f"The walk-forward cannot be: {'; '.join(parts)}."
        raise BadSpec(message, "See docs/concepts/sweeps.md for every field.") from None
    if min(spec.train_bars, spec.test_bars) < 1:
        message = f"Windows of {spec.train} and {spec.test} hold no bar."
        raise BadSpec(message, "Give lengths of one bar or more.")
    return spec
