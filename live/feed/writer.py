"""The writer of live bars: judged, stored and told in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from candela.candles.cursors import stored_around
from candela.candles.gaps import record_gaps
from candela.candles.series import Series
from candela.candles.store import Batch, CandleStore, Source
from candela.db.connect import Role
from candela.quality.judge import judge
from candela.quality.neighbours import CONTEXT
from live.streams.events import OutboxEvent
from live.streams.outbox import append_sync

if TYPE_CHECKING:
    import psycopg

    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from live.streams.events import StreamEvent

__all__ = ["BarStatus", "BarWriter", "Page", "StoredBars"]

BarStatus = Literal["ok", "missing", "quarantined", "stale"]
_SCHEMA: Final = {
    "time": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64()),
}


@dataclass(frozen=True, slots=True)
class Page:
    """What a source says of a span.

    Parameters
    ----------
    frame
        (n,) rows of PAGE_SCHEMA, oldest first, unjudged.
    covered_from, covered_to
        The span [from, to) that it answers for.
    closed_until
        The instant up to which bars are closed for good.
    """

    frame: pl.DataFrame
    covered_from: datetime
    covered_to: datetime
    closed_until: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class StoredBars:
    """What became of the bars of a page: their status, and the events to publish."""

    statuses: Mapping[datetime, BarStatus]
    events: tuple[StreamEvent, ...]


class BarWriter:
    """Write what sources say, one series after the other; a connection of its own.

    Not asynchronous, and for one thread at a time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._connection = database.connect(
            Role.PIPELINES, autocommit=True, application_name="candela feed"
        )
        self._clock = clock
        self.store = CandleStore(self._connection, clock)

    @property
    def connection(self) -> psycopg.Connection:
        """The writer's connection, as candela_pipelines."""
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def write(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        page: Page,
        expected: Sequence[datetime],
        *,
        kind: str | None = None,
    ) -> StoredBars:
        """Judge and store a page, and tell of the bars that were waited for, all or nothing.

        Parameters
        ----------
        expected
            Starts of the bars to tell of, all within the covered span.
        kind
            Of the instrument, such as spot, where the caller knows.
        """
        series_id = self.store.ensure_instrument(instrument, "exchange", kind)
        series = Series(instrument, series_id, timeframe)
        before = stored_around(self._connection, series, page.covered_from, CONTEXT, before=True)
        verdict = judge(
            page.frame,
            timeframe,
            page.closed_until,
            before=pl.DataFrame(before, schema=_SCHEMA, orient="row"),
            after=pl.DataFrame(schema=_SCHEMA),
        )
        accepted = {at.astimezone(UTC) for at in verdict.accepted["time"].to_list()}
        refused = {one.time for one in verdict.refused}
        statuses: dict[datetime, BarStatus] = {
            at: "ok" if at in accepted else "quarantined" if at in refused else "missing"
            for at in expected
        }
        batch = Batch(
            instrument=instrument,
            timeframe=timeframe,
            frame=verdict.accepted,
            covered_from=page.covered_from,
            covered_to=page.covered_to,
            source=Source("live", f"{instrument.venue} live {instrument.symbol}", page.digest),
            rows_read=page.frame.height,
            refused=tuple(verdict.refused),
            flagged_count=len({one.row for one in verdict.flagged}),
        )
        told: list[StreamEvent] = []

        def tell(cursor: psycopg.Cursor) -> None:
            # The store may begin the transaction anew.
            told[:] = append_sync(cursor, self._events(instrument, timeframe, statuses))

        self.store.write(batch, also=tell)
        grid = round((page.covered_to - page.covered_from) / timeframe.delta)
        if len(accepted) < grid:
            record_gaps(
                self._connection,
                series,
                page.covered_from,
                page.covered_to,
                now=self._clock.now(),
            )
        return StoredBars(statuses, tuple(told))

    def tell(
        self, instrument: Instrument, timeframe: Timeframe, statuses: Mapping[datetime, BarStatus]
    ) -> StoredBars:
        """Tell of bars of which nothing was stored: the venue did not answer, or had none."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            events = append_sync(cursor, self._events(instrument, timeframe, statuses))
        return StoredBars(statuses, events)

    def _events(
        self, instrument: Instrument, timeframe: Timeframe, statuses: Mapping[datetime, BarStatus]
    ) -> list[OutboxEvent]:
        known_at = self._clock.now().isoformat()
        return [
            OutboxEvent(
                "bars",
                f"{instrument} {timeframe} {at:%Y-%m-%dT%H:%M:%SZ}",
                {
                    "instrument": str(instrument),
                    "timeframe": str(timeframe),
                    "bar_at": at.isoformat(),
                    "status": status,
                    "known_at": known_at,
                },
            )
            for at, status in sorted(statuses.items())
        ]
