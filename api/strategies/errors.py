"""What can be wrong with a strategy's name or parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.errors import StrategyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.kit.problems import Fault

__all__ = ["ParametersRefused"]


class ParametersRefused(StrategyError):
    """Parameters of a strategy that it does not take; each with its reason.

    Parameters
    ----------
    faults
        Each field and its reason.
    """

    code = "parameters_refused"

    def __init__(self, message: str, hint: str | None, faults: Sequence[Fault]) -> None:
        super().__init__(message, hint)
        self.faults = tuple(faults)
