"""How old a bar may be for anybody to decide on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

__all__ = ["oldest_age"]

_LEAST_AGE: Final = timedelta(seconds=5)


def oldest_age(length: timedelta) -> timedelta:
    """Return the age since its close up to which a bar is decided on: 1.5 times its length.

    Bots may ask for less: `RiskLimits.bar_age_intervals`.
    """
    return max(_LEAST_AGE, length * 3 / 2)
