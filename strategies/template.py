"""The file that `candela strategy new` writes: a strategy that runs and passes its check."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Final

from strategies.definition import BadParameters
from strategies.registry import SHIPPED, StrategyNameTaken

__all__ = ["template", "write_template"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

_TEXT: Final = '''"""{title}: long while the close lies above its mean."""

from __future__ import annotations

from strategies.bars import Bars
from strategies.conditions import TIES, Cross
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals


class {group}(Parameters):
    """What can be set; a form, a JSON schema and a sweep are made from it."""

    window: int = parameter(50, "Bars of the mean.", ge=2, le=1_000, unit="bars", step=1)
    stop: float = parameter(0.05, "Stop-loss.", ge=0.001, le=0.5, unit="ratio", step=0.005)


@strategy(name="{name}", parameters={group}, warm_up=lambda p: p.window + TIES)
def {name}(bars: Bars, parameters: {group}) -> Signals:
    """Buy when the close crosses above its mean, sell when it crosses below."""
    level = sma(bars.close, parameters.window)
    cross = Cross(bars.close, level)
    return Signals(
        long_entries=cross.above,
        long_exits=cross.below,
        stop_loss=parameters.stop,
        panes={{"mean": level}},
    )
'''


def template(name: str) -> str:
    """Return the text of a new strategy.

    Raises
    ------
    BadParameters
        The name is no name of a function.
    StrategyNameTaken
        A shipped strategy has it.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        message = f"{name!r} cannot name a strategy."
        raise BadParameters(message, "Take small letters, digits and _, such as my_cross.")
    if name in SHIPPED:
        message = f"{name} ships with Candela."
        raise StrategyNameTaken(message, "Give yours another name.")
    words = name.split("_")
    group = "".join(word.capitalize() for word in words) + "Parameters"
    return _TEXT.format(name=name, group=group, title=" ".join(words).capitalize())


def write_template(name: str, folder: Path) -> Path:
    """Write the file of a new strategy into a folder and return it; none is overwritten.

    Raises
    ------
    StrategyNameTaken
        The file is there already.
    """
    text = template(name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{path} is there already."
        raise StrategyNameTaken(message, "Edit that file, or choose another name.") from None
    return path
