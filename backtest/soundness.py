"""A strategy of somebody's own is checked for looking ahead before its first result is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backtest.ledger.refusals import NoStrategySource
from strategies.registry import SHIPPED

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from strategies.bars import Bars
    from strategies.definition import Parameters, Strategy

__all__ = ["require_sound"]

# Enough to find what there is to find, and a few seconds at most.
_MOST_BARS: Final = 20_000
_FEWEST_BARS: Final = 16


def require_sound(
    ledger: Ledger,
    strategy: Strategy[Any],
    parameters: Parameters,
    bars: Bars,
    *,
    record: bool = True,
) -> None:
    """Refuse a strategy that decides otherwise bar by bar than on all bars at once.

    What ships is checked where it is made. The text of another is checked once, on the first bars
    that it runs on, and kept with the result.

    Parameters
    ----------
    record
        Whether the text and the result are kept.

    Raises
    ------
    NotEquivalent
        Names the bar, the column, the likely cause and the remedy.
    """
    if strategy.name in SHIPPED and strategy.function.__module__ == f"strategies.{strategy.name}":
        return
    if len(bars) < _FEWEST_BARS or _is_known(ledger, strategy):
        return
    from strategies.equivalence.check import check_equivalence

    report = check_equivalence(strategy, parameters, bars[:_MOST_BARS])
    report.require_ok(strategy.name)
    if record:
        ledger.save_source(strategy.source_digest, strategy.name, strategy.source_text)
        ledger.record_check(
            strategy.source_digest,
            {
                "ok": True,
                "bars": min(len(bars), _MOST_BARS),
                "data_digest": bars.digest,
                "parameters": parameters.model_dump(mode="json"),
                "notes": list(report.notes),
            },
        )


def _is_known(ledger: Ledger, strategy: Strategy[Any]) -> bool:
    try:
        kept = ledger.source(strategy.source_digest)
    except NoStrategySource:
        return False
    return bool((kept.check_result or {}).get("ok"))
