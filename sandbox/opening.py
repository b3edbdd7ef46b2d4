"""When the venue opens and where its candles lie in time, also after it was killed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.bars import BAR_MS
from sandbox.clock import instant, milliseconds
from sandbox.journal import read_journal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from candela.clock import Clock
    from sandbox.bars import Series

__all__ = ["Opening", "plan_opening"]


@dataclass(frozen=True, slots=True)
class Opening:
    """The venue's time as it opens, and the first minute of each symbol's candles."""

    start: datetime
    anchors: dict[str, int]

    def record(self, wall: datetime, speed: float) -> tuple[str, dict[str, Any]]:
        """Return what a journal keeps of it.

        Parameters
        ----------
        wall
            Time of the clock beneath at the opening.
        """
        anchors = " ".join(f"{pair}={value}" for pair, value in self.anchors.items())
        content = {"start": self.start.isoformat(), "wall": wall.isoformat()}
        return "opening", {**content, "speed": speed, "anchors": anchors}


def plan_opening(
    series: Mapping[str, Series],
    *,
    start: datetime | None,
    history: int | None,
    speed: float,
    clock: Clock,
    journal: Path | None,
) -> Opening:
    """Return when the venue opens: as asked, or where it would be now had it never stopped.

    Parameters
    ----------
    series
        Candles by pair; the first one decides.
    history
        Minutes of candles before the opening, where no start is given; None: half of them.
    journal
        Of an earlier run, if it is kept.
    """
    first = next(iter(series.values()))
    past = first.minutes // 2 if history is None else min(history, first.minutes - 1)
    known = _last(journal)
    if known is not None:
        wall, speed_then = known["wall"], float(known["speed"])
        elapsed = clock.now() - datetime.fromisoformat(wall)
        begins = datetime.fromisoformat(known["start"]) + elapsed * speed_then
    elif start is not None:
        begins = start.astimezone(UTC)
    elif speed == 1:
        begins = clock.now()
    else:
        begins = instant(first.first_ms + past * BAR_MS)
    kept = {} if known is None else dict(one.rsplit("=", 1) for one in known["anchors"].split())
    anchors = {
        pair: int(kept[pair]) if pair in kept else _anchor(one, first, begins, past)
        for pair, one in series.items()
    }
    return Opening(begins, anchors)


def _anchor(series: Series, first: Series, begins: datetime, past: int) -> int:
    """Return the venue time of a series' first minute: its own, or moved to hold the opening."""
    now = milliseconds(begins) // BAR_MS * BAR_MS
    if series.first_ms <= now < series.first_ms + series.minutes * BAR_MS:
        return series.first_ms
    if series is not first:
        # Candles of another time begin with those of the first symbol.
        return _anchor(first, first, begins, past)
    return now - past * BAR_MS


def _last(journal: Path | None) -> dict[str, str] | None:
    found: dict[str, str] | None = None
    for kind, content in read_journal(journal) if journal is not None else ():
        if kind == "opening":
            found = {name: str(value) for name, value in content.items()}
    return found
