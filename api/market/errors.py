"""What can go wrong with market data."""

from __future__ import annotations

from candela.errors import DataError

__all__ = ["EmptySpan"]


class EmptySpan(DataError):
    """A span ends before it begins."""

    code = "empty_span"
