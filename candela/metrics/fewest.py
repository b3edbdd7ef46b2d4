"""Of how many samples a ratio is worth showing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["FEWEST"]

FEWEST: Final[Mapping[str, tuple[str, int]]] = {
    "win_rate": ("trades", 5),
    "profit_factor": ("trades", 10),
    "expectancy_ratio": ("trades", 5),
    "average_win": ("wins", 3),
    "average_loss": ("losses", 3),
    "total_return": ("days", 1),
    "max_drawdown": ("days", 2),
    "volatility": ("days", 20),
    "sharpe": ("days", 20),
    "sortino": ("days", 20),
}
"""By figure: the count that it rests on, and how many of it are needed."""
