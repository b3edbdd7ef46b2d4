"""The book of strategies' texts: what the source behind a digest was, and whether it is clean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from backtest.ledger.door import Door
from backtest.ledger.refusals import NoStrategySource
from backtest.ledger.stored import exact_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["SourceBook", "StrategySource"]

_NEW: Final = """
INSERT INTO research.strategy_sources (source_digest, strategy, source, saved_at)
VALUES (%s, %s, %s, %s) ON CONFLICT (source_digest) DO NOTHING
"""
_CHECKED: Final = """
UPDATE research.strategy_sources SET checked_at = %s, check_result = %s WHERE source_digest = %s
"""
_SOURCES: Final = """
SELECT s.source_digest, s.strategy, s.source, s.saved_at, s.checked_at, s.check_result
FROM research.strategy_sources AS s
"""


@dataclass(frozen=True, slots=True)
class StrategySource:
    """The text of a strategy, with the result of its last prefix check."""

    source_digest: str
    strategy: str
    source: str
    saved_at: datetime
    checked_at: datetime | None
    check_result: Mapping[str, Any] | None


class SourceBook(Door):
    """Texts of strategies by their digest."""

    def save_source(self, source_digest: str, strategy: str, source: str) -> bool:
        """Keep the text behind a digest; return whether it was new."""
        with self._transaction() as connection:
            done = connection.execute(_NEW, (source_digest, strategy, source, self.clock.now()))
        return bool(done.rowcount)

    def record_check(self, source_digest: str, result: Mapping[str, Any]) -> None:
        """Keep the result of a prefix check beside the text.

        Raises
        ------
        NoStrategySource
            The text was not saved.
        """
        with self._transaction() as connection:
            done = connection.execute(
                _CHECKED, (self.clock.now(), exact_json(result), source_digest)
            )
        if not done.rowcount:
            _refuse(source_digest)

    def source(self, source_digest: str) -> StrategySource:
        """Return the text behind a digest.

        Raises
        ------
        NoStrategySource
            It was never saved.
        """
        with self._transaction() as connection:
            row = connection.execute(
                _SOURCES + " WHERE s.source_digest = %s", (source_digest,)
            ).fetchone()
        if row is None:
            _refuse(source_digest)
        return StrategySource(*row)

    def sources(self, strategy: str) -> list[StrategySource]:
        """Return the texts that a strategy has had, newest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                _SOURCES + " WHERE s.strategy = %s ORDER BY s.saved_at DESC, s.source_digest",
                (strategy,),
            ).fetchall()
        return [StrategySource(*row) for row in rows]


def _refuse(source_digest: str) -> NoReturn:
    raise NoStrategySource(
        f"No strategy with the source {source_digest} is in the ledger.",
        "A strategy's text is kept when it is checked or first run.",
    )
