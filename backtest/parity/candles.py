"""The candles of a proof: each as it was known when it was decided on, and as it is known today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from candela.candles.read import read_candles
from candela.db.connect import Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from strategies.bars import Bars

if TYPE_CHECKING:
    from backtest.parity.reading import BotTime, Seen
    from backtest.parity.words import Evidence
    from candela.db.connect import Database

__all__ = ["SeenCandles", "with_differences"]

_MARGIN_BARS: Final = 5
_SECOND: Final = 1_000_000
_REVISIONS: Final = """
SELECT DISTINCT b.known_at
FROM market.candle_revisions AS r
INNER JOIN market.instruments AS i USING (instrument_id)
INNER JOIN market.batches AS b ON b.batch_id = r.replaced_by
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND r.timeframe_s = %(timeframe)s
    AND r.time >= %(since)s
ORDER BY b.known_at
"""


class SeenCandles:
    """The candles of a bot's time, with those before it that its evaluations read.

    Parameters
    ----------
    seen
        By bar.
    until
        Candles from then on are left out.
    """

    def __init__(
        self, database: Database, bot: BotTime, seen: Mapping[datetime, Seen], until: datetime
    ) -> None:
        self._database = database
        self._seen = seen
        self._until = until
        self._instrument = Instrument.parse(bot.instrument)
        self._timeframe = Timeframe.parse(bot.timeframe)
        before = timedelta(seconds=self._timeframe.seconds * (bot.warm_up + _MARGIN_BARS))
        read = (one.first_bar_at for one in seen.values() if one.first_bar_at is not None)
        self._since = self._timeframe.floor(min(bot.since - before, *read))

    def known_by(self, as_of: datetime | None) -> Bars:
        """Return all of them as of an instant; None: as of now."""
        return Bars.from_frame(self._frame(as_of), self._timeframe, str(self._instrument))

    def as_seen(self) -> Bars:
        """Return each as it was known when it was decided on.

        They are read once for each time between two corrections, of which there are few.
        """
        with self._database.connect(Role.PIPELINES) as connection:
            rows = connection.execute(
                _REVISIONS,
                {
                    "venue": self._instrument.venue,
                    "symbol": self._instrument.symbol,
                    "timeframe": self._timeframe.seconds,
                    "since": self._since,
                },
            ).fetchall()
        if not rows:
            return self.known_by(None)
        frames: list[pl.DataFrame] = []
        reads = _readings([row[0] for row in rows], self._seen)
        for number, (as_of, bars) in enumerate(reads):
            whole = self._frame(as_of)
            if number > 0:
                whole = whole.filter(pl.col("time") >= min(bars))
            if number < len(reads) - 1:
                whole = whole.filter(pl.col("time") < min(reads[number + 1][1]))
            frames.append(whole)
        return Bars.from_frame(pl.concat(frames), self._timeframe, str(self._instrument))

    def _frame(self, as_of: datetime | None) -> pl.DataFrame:
        return read_candles(
            self._database,
            self._instrument,
            self._timeframe,
            self._since,
            self._until,
            as_of=as_of,
            role=Role.PIPELINES,
        ).frame


def _readings(
    corrected: Sequence[datetime], seen: Mapping[datetime, Seen]
) -> list[tuple[datetime, list[datetime]]]:
    """Group bars by the corrections known at their decision; each group is one reading."""
    groups: dict[int, list[datetime]] = {}
    for bar, one in sorted(seen.items()):
        groups.setdefault(sum(at <= one.known_at for at in corrected), []).append(bar)
    return [(max(seen[bar].known_at for bar in bars), bars) for _, bars in sorted(groups.items())]


def with_differences(
    evidence: Mapping[datetime, Evidence], seen: Mapping[datetime, Seen], bars: Bars
) -> dict[datetime, Evidence]:
    """Say of each bar whether its evaluation saw fewer candles than the replay, or other values."""
    rows = {int(time): row for row, time in enumerate(bars.time)}
    found: dict[datetime, Evidence] = {}
    for bar, known in evidence.items():
        found[bar] = known
        one = seen.get(bar)
        if one is None or one.first_bar_at is None:
            continue
        first, last = rows.get(_micros(one.first_bar_at)), rows.get(_micros(bar))
        if first is None or last is None:
            found[bar] = replace(known, differs=True)
        elif last + 1 - first > one.bars:
            found[bar] = replace(known, lacks=True)
        elif bars[first : last + 1].digest != one.bars_digest:
            found[bar] = replace(known, differs=True)
    return found


def _micros(at: datetime) -> int:
    return round(at.timestamp()) * _SECOND
