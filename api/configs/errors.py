"""What can be wrong with a configuration beyond the form of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.errors import RiskHalt, StrategyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.kit.problems import Fault

__all__ = ["ConfigRefused", "NoLadder", "RuinReadOtherwise"]


class NoLadder(StrategyError):
    """The stakes of the configuration do not grow, so there is no ruin to estimate."""

    code = "no_ladder"


class ConfigRefused(StrategyError):
    """A configuration that cannot be used; each field with its reason."""

    code = "config_refused"

    def __init__(self, message: str, hint: str | None, faults: Sequence[Fault]) -> None:
        super().__init__(message, hint)
        self.faults = tuple(faults)


class RuinReadOtherwise(RiskHalt):
    """The probability of ruin that was acknowledged is not the one of this ladder."""

    code = "ruin_read_otherwise"
