"""A strategy of somebody's own is checked for looking ahead before its first result is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from backtest.canonical import digest_of
from backtest.ledger.refusals import NoStrategySource
from strategies.registry import SHIPPED

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from strategies.bars import Bars
    from strategies.definition import Parameters, Strategy

__all__ = ["require_sound"]

# Enough to find what there is to find, and a few seconds at most.
_MOST_BARS: Final = 20_000
_BARS_OF_FURTHER: Final = 4_000
_FEWEST_BARS: Final = 16
_MOST_KEPT: Final = 1_000


def require_sound(
    ledger: Ledger,
    strategy: Strategy[Any],
    points: Sequence[Parameters],
    bars: Bars,
    *,
    record: bool = True,
) -> None:
    """Refuse a strategy that decides otherwise bar by bar than on all bars at once.

    What ships is checked where it is made. The text of another is checked at each of these
    parameters once, on the bars that it runs on (the first point on more of them), and kept with
    the points that passed: what does not look ahead at one point may do so at another.

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
    if len(bars) < _FEWEST_BARS:
        return
    known = _known_points(ledger, strategy)
    new = {_digest(point): point for point in points if _digest(point) not in known}
    if not new:
        return
    from strategies.equivalence.check import check_equivalence

    notes: list[str] = []
    for number, point in enumerate(new.values()):
        most = _BARS_OF_FURTHER if known or number else _MOST_BARS
        report = check_equivalence(strategy, point, bars[:most])
        report.require_ok(strategy.name)
        notes += [note for note in report.notes if note not in notes]
    if record:
        ledger.save_source(strategy.source_digest, strategy.name, strategy.source_text)
        ledger.record_check(
            strategy.source_digest,
            {
                "ok": True,
                "bars": min(len(bars), _MOST_BARS),
                "data_digest": bars.digest,
                "points": [*known, *new][-_MOST_KEPT:],
                "notes": notes,
            },
        )


def _digest(point: Parameters) -> str:
    return digest_of(point.model_dump(mode="json"))[:16]


def _known_points(ledger: Ledger, strategy: Strategy[Any]) -> list[str]:
    try:
        kept = ledger.source(strategy.source_digest).check_result or {}
    except NoStrategySource:
        return []
    return list(kept.get("points", ())) if kept.get("ok") else []
