"""What can be wrong with what is asked of figures."""

from __future__ import annotations

from candela.errors import StrategyError

__all__ = ["BadSpan", "WhichSeries"]


class WhichSeries(StrategyError):
    """Figures of a bot and of an account were asked for at once."""

    code = "which_series"


class BadSpan(StrategyError):
    """The span of days ends before it begins."""

    code = "bad_span"
