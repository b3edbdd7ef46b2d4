"""What can go wrong with trades."""

from __future__ import annotations

from candela.errors import NotFound

__all__ = ["UnknownTrade"]


class UnknownTrade(NotFound):
    """The tenant has no such trade."""

    code = "unknown_trade"
