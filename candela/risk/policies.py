"""What happens to a position when nobody asked for an order: bad bars and kill switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from candela.risk.facts import BarSeen, Halt
    from candela.risk.limits import BadBarPolicy

__all__ = ["BarAction", "bar_action", "wants_flatten"]

BarAction = Literal["decide", "skip", "hold", "flatten"]


def bar_action(bar: BarSeen, policy: BadBarPolicy) -> BarAction:
    """Return what a bot does with a bar.

    ``decide``: obeys the strategy. ``skip``: nothing is decided on this bar. ``hold``: nor on the
    next ones, until the strategy looks back on good bars only. ``flatten``: sells what it holds.
    Stops, targets and orders by hand go on in every case.
    """
    if bar.status != "ok":
        return policy
    is_behind = bar.bars_since_bad is None or bar.bars_since_bad >= bar.lookback
    return "decide" if policy != "hold" or is_behind else "hold"


def wants_flatten(halts: Iterable[Halt]) -> bool:
    """Return whether a kill switch that is on asks to sell what is held."""
    return any(halt.flatten for halt in halts)
