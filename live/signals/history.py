"""Histories: the newest bars of each series as arrays, read once and extended bar by bar."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import numpy.typing as npt

from live.signals.frames import SeriesRows

if TYPE_CHECKING:
    import psycopg

    from live.signals.definitions import SeriesKey

__all__ = ["History"]

_NEWEST: Final = """
SELECT b.instrument_id, b.batch_id, b.known_at
FROM market.batches AS b
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.venue = %s AND i.symbol = %s AND b.timeframe_s = %s
ORDER BY b.batch_id DESC LIMIT 1
"""
_WHOLE: Final = """
SELECT (extract(epoch FROM c.time) * 1000000)::bigint, c.open, c.high, c.low, c.close,
    coalesce(c.volume, 'NaN')
FROM market.candles AS c
WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s
ORDER BY c.time DESC LIMIT %(limit)s
"""
# What a later batch brought or changed, of the bars at hand and behind them.
_SINCE: Final = """
SELECT (extract(epoch FROM c.time) * 1000000)::bigint, c.open, c.high, c.low, c.close,
    coalesce(c.volume, 'NaN')
FROM market.candles AS c
WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s
    AND c.time >= %(first)s AND c.batch_id > %(batch)s
"""


class History:
    """The newest bars of one stored series, and as of when they are known.

    Parameters
    ----------
    capacity
        Bars that are kept at least.
    """

    def __init__(self, series: SeriesKey, capacity: int) -> None:
        self.series = series
        self.capacity = capacity
        self.known_at: datetime | None = None
        self._batch = 0
        self._time: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._values: npt.NDArray[np.float64] = np.empty((5, 0))

    def __len__(self) -> int:
        return len(self._time)

    async def refresh(self, connection: psycopg.AsyncConnection) -> None:
        """Take in what was stored since the last time: bars that are new and values revised."""
        instrument, timeframe = self.series
        async with connection.transaction(), connection.cursor() as cursor:
            # One snapshot: a revision between the two statements would leave a hole.
            await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await cursor.execute(_NEWEST, (instrument.venue, instrument.symbol, timeframe.seconds))
            newest = await cursor.fetchone()
            if newest is None or newest[1] == self._batch:
                return
            instrument_id, batch_id, known_at = cast("tuple[int, int, datetime]", newest)
            values: dict[str, object] = {
                "instrument": instrument_id,
                "timeframe": timeframe.seconds,
                "limit": self.capacity,
                "batch": self._batch,
            }
            # A short history may have grown at its beginning.
            is_full = len(self._time) >= self.capacity
            if is_full:
                values["first"] = datetime.fromtimestamp(int(self._time[0]) / 1_000_000, UTC)
            await cursor.execute(_SINCE if is_full else _WHOLE, values)
            rows = await cursor.fetchall()
        self._merge(rows)
        self._batch, self.known_at = batch_id, known_at.astimezone(UTC)

    def until(self, bar_at: datetime) -> SeriesRows:
        """Return the bars up to the one that begins then, oldest first."""
        instrument, timeframe = self.series
        stop = int(np.searchsorted(self._time, _micros(bar_at), side="right"))
        return SeriesRows(
            str(instrument), timeframe.seconds, self._time[:stop], self._values[:, :stop]
        )

    def has(self, bar_at: datetime) -> bool:
        """Whether the bar that begins then is stored."""
        at = int(np.searchsorted(self._time, _micros(bar_at)))
        return at < len(self._time) and int(self._time[at]) == _micros(bar_at)

    def _merge(self, rows: list[tuple[object, ...]]) -> None:
        if not rows:
            return
        table = np.array([row[1:] for row in rows], dtype=np.float64).T
        time = np.concatenate([self._time, np.array([row[0] for row in rows], dtype=np.int64)])
        values = np.concatenate([self._values, table], axis=1)
        # Stable, so that of two bars of one time the one that came later is the last.
        order = np.argsort(time, kind="stable")
        time, values = time[order], values[:, order]
        is_last = np.append(time[1:] != time[:-1], True)
        # Some more than needed, so that not every bar moves all of them out and in.
        kept = np.flatnonzero(is_last)[-2 * self.capacity :]
        self._time, self._values = time[kept], np.ascontiguousarray(values[:, kept])


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
