"""What can go wrong with backtests that are asked for."""

from __future__ import annotations

from candela.errors import Conflict, NotFound, StrategyError

__all__ = ["BacktestOver", "BacktestQueueFull", "BadBacktest", "NoReport", "UnknownBacktest"]


class UnknownBacktest(NotFound):
    """The tenant has no such backtest."""

    code = "unknown_backtest"


class NoReport(NotFound):
    """The backtest has no report, or none yet."""

    code = "no_report"


class BacktestOver(Conflict):
    """The backtest is over and cannot be cancelled."""

    code = "backtest_over"


class BacktestQueueFull(Conflict):
    """The tenant has as many backtests under way as there may be."""

    code = "backtest_queue_full"


class BadBacktest(StrategyError):
    """What was asked of a backtest cannot be."""

    code = "bad_backtest"
