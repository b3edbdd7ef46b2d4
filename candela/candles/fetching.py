"""Fetching: candles of a venue, judged and stored page by page, resumable, exactly once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from candela.candles.cursors import is_answered, open_cursor, stored_around, unanswered
from candela.candles.gaps import record_gaps
from candela.candles.pages import PageReader
from candela.candles.series import Series
from candela.candles.spans import BadSpan
from candela.candles.store import Batch, Source, Written
from candela.quality.judge import judge
from candela.quality.neighbours import CONTEXT
from candela.venues.client import never
from candela.venues.errors import Interrupted
from candela.venues.server_clock import CLOSE_MARGIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from candela.candles.pages import Piece
    from candela.candles.store import CandleStore
    from candela.clock import Clock
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.venues.client import VenueClient

__all__ = ["FetchProgress", "FetchReport", "fetch_candles", "write_piece"]

# Candles before the edge of an earlier fetch are read again: late trades may have changed them.
_REREAD: Final = 2
_CONTEXT_SCHEMA: Final = {
    "time": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64()),
}


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is."""

    rows: int
    pages: int
    at: datetime
    since: datetime
    until: datetime

    @property
    def share(self) -> float:
        """The part of the span that is done, 0..1."""
        whole = (self.until - self.since).total_seconds()
        return (self.at - self.since).total_seconds() / whole if whole > 0 else 1.0


@dataclass(slots=True)
class FetchReport:
    """What a fetch did; rows are candles, spans are [from, to).

    Parameters
    ----------
    done_to
        Everything from `since` to here has been asked for and stored.
    withheld
        Spans for which the venue gave no candles though it traded: nothing is known of them.
    is_stopped
        Whether the caller stopped it; a new run goes on from there.
    requests, retries, waited_s
        What the venue was asked, repeats among it, and seconds spent waiting for its limits.
    budget_mode
        ``shared``, or ``local`` if Redis was lost on the way.
    """

    instrument: Instrument
    timeframe: Timeframe
    since: datetime
    until: datetime
    done_to: datetime
    pages: int = 0
    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    flagged: int = 0
    gaps_new: int = 0
    checks: Counter[str] = field(default_factory=Counter[str])
    withheld: list[tuple[datetime, datetime]] = field(
        default_factory=list["tuple[datetime, datetime]"]
    )
    is_stopped: bool = False
    requests: int = 0
    retries: int = 0
    waited_s: float = 0.0
    budget_mode: str = "shared"

    def add(self, piece: Piece, written: Written, refused: int, flagged: int) -> None:
        """Count one stored piece."""
        self.pages += 1
        self.rows += written.new + written.changed + written.unchanged
        self.new += written.new
        self.changed += written.changed
        self.unchanged += written.unchanged
        self.refused += refused
        self.flagged += flagged
        if piece.withheld is not None:
            self.withheld.append(piece.withheld)


def fetch_candles(
    store: CandleStore,
    client: VenueClient,
    instrument: Instrument,
    timeframe: Timeframe,
    since: datetime,
    until: datetime | None = None,
    *,
    connection: psycopg.Connection,
    clock: Clock,
    progress: Callable[[FetchProgress], None] | None = None,
    should_stop: Callable[[], bool] = never,
    again: bool = False,
    run_id: str | None = None,
) -> FetchReport:
    """Fetch the closed candles of a span that the venue has not answered for yet.

    Killed at any moment it leaves whole pages; a new run goes on after the last of them. Two runs
    at once are safe: what both bring is stored once.

    Parameters
    ----------
    connection
        The store's own, as candela_pipelines; not in a transaction.
    since, until
        [since, until); without `until` up to the last candle that is closed by the venue's clock,
        which is also the end where `until` lies in the future.
    again
        Ask for what was answered before too, for values that the venue has revised.

    Raises
    ------
    BadSpan
        `since` is not before `until`.
    UnknownSymbol, TimeframeNotOffered, UnknownVenue
        The venue does not have it.
    VenueUnavailable, VenueAnswerInvalid, VenueThrottled, VenueRefused, BudgetExhausted
        The venue could not be brought to answer; what came before is stored.
    """
    if until is not None and since >= until:
        message = f"There is nothing from {since:%Y-%m-%dT%H:%MZ} to {until:%Y-%m-%dT%H:%MZ}."
        raise BadSpan(message, "Give a --since before --until.")
    report = FetchReport(instrument, timeframe, since, until or since, since)
    if until is not None and not again:
        span = (timeframe.floor(since), _ceil(timeframe, until))
        if is_answered(connection, instrument, timeframe, *span):
            # Known without the venue, and without the seconds that ccxt takes to load.
            report.since, report.until = span
            report.done_to = report.until
            return report
    asked_before, client.should_stop = client.should_stop, should_stop
    before = (client.requests, client.retries, client.waited_s)
    try:
        client.require(instrument.symbol, timeframe)
        edge = timeframe.floor(client.server_now() - CLOSE_MARGIN)
        since = timeframe.floor(since)
        wanted = edge if until is None else _ceil(timeframe, until)
        report.since, report.until, report.done_to = since, min(wanted, edge), since
        if since < report.until:
            kind = client.kind_of(instrument.symbol)
            series_id = store.ensure_instrument(instrument, "exchange", kind)
            series = Series(instrument, series_id, timeframe)
            run = _Run(store, client, series, report, connection, clock, run_id)
            run.go(wanted, progress, should_stop, again=again, is_open=until is None)
    except Interrupted:
        report.is_stopped = True
    finally:
        client.should_stop = asked_before
        report.requests = client.requests - before[0]
        report.retries = client.retries - before[1]
        report.waited_s = client.waited_s - before[2]
        report.budget_mode = client.budget_mode
    return report


@dataclass(slots=True)
class _Run:
    """One fetch under way."""

    store: CandleStore
    client: VenueClient
    series: Series
    report: FetchReport
    connection: psycopg.Connection
    clock: Clock
    run_id: str | None
    first_at: datetime | None = None

    def go(
        self,
        wanted: datetime,
        progress: Callable[[FetchProgress], None] | None,
        should_stop: Callable[[], bool],
        *,
        again: bool,
        is_open: bool,
    ) -> None:
        """Walk over what is unanswered; the gaps found on the way are recorded in any case."""
        report, series = self.report, self.series
        cursor = open_cursor(self.connection, series, report.since, wanted, again=again)
        reader = PageReader(self.client, series.instrument.symbol, series.timeframe)
        spans = [(report.since, report.until)]
        if not again:
            spans = unanswered(
                self.connection, series, max(report.since, cursor.next_at), report.until
            )
        try:
            for start, end in spans:
                at = max(report.since, start - series.timeframe.delta * _REREAD)
                self.first_at = self.first_at or at
                while at < end:
                    if should_stop():
                        report.is_stopped = True
                        return
                    piece = reader.read(at, end)
                    if piece.next_at <= at:
                        # The venue's clock was set back: the rest is open again.
                        return
                    reached = [piece.next_at]

                    def advance(
                        database: psycopg.Cursor,
                        to: datetime = piece.next_at,
                        reached: list[datetime] = reached,
                    ) -> None:
                        reached.append(cursor.advance(database, to))

                    write_piece(
                        self.store,
                        series,
                        piece,
                        report,
                        connection=self.connection,
                        kind="fetch",
                        run_id=self.run_id,
                        also=advance,
                    )
                    # Another fetch of the span may be ahead: go on from where it is.
                    at = max(reached)
                    report.done_to = min(report.until, at)
                    if progress is not None:
                        progress(
                            FetchProgress(
                                report.rows,
                                report.pages,
                                report.done_to,
                                report.since,
                                report.until,
                            )
                        )
            report.done_to = report.until
        finally:
            self._record_gaps()
        if is_open:
            # Its end was the present, which does not come back; batches tell what is answered.
            cursor.drop(self.connection)

    def _record_gaps(self) -> None:
        report = self.report
        # Only what this run touched: a series may hold years before it.
        if report.pages and self.first_at is not None and self.first_at < report.done_to:
            change = record_gaps(
                self.connection, self.series, self.first_at, report.done_to, now=self.clock.now()
            )
            report.gaps_new = change.new


def write_piece(
    store: CandleStore,
    series: Series,
    piece: Piece,
    report: FetchReport,
    *,
    connection: psycopg.Connection,
    kind: Literal["fetch", "repair"],
    run_id: str | None,
    also: Callable[[psycopg.Cursor], None],
) -> None:
    """Judge one piece and store it in one transaction, with whatever must move along with it."""
    before = stored_around(connection, series, piece.covered_from, CONTEXT, before=True)
    after = piece.after
    if after.height == 0:
        rows = stored_around(connection, series, piece.covered_to, CONTEXT, before=False)
        after = pl.DataFrame(rows, schema=_CONTEXT_SCHEMA, orient="row")
    verdict = judge(
        piece.frame,
        series.timeframe,
        piece.server_at - CLOSE_MARGIN,
        before=pl.DataFrame(before, schema=_CONTEXT_SCHEMA, orient="row"),
        after=after,
    )
    report.checks.update(one.check for one in (*verdict.refused, *verdict.flagged))
    refused = len({one.row for one in verdict.refused})
    flagged = len({one.row for one in verdict.flagged})
    if not piece.covered_from < piece.covered_to:
        # Nothing is known of the span, so no batch may say so; the cursor moves all the same.
        with connection.transaction(), connection.cursor() as cursor:
            also(cursor)
        report.add(piece, Written(None, 0, 0, 0), refused, flagged)
        return
    name = f"{series.instrument.venue} candles {series.instrument.symbol} {series.timeframe}"
    batch = Batch(
        instrument=series.instrument,
        timeframe=series.timeframe,
        frame=verdict.accepted,
        covered_from=piece.covered_from,
        covered_to=piece.covered_to,
        source=Source(kind, name, piece.digest, run_id),
        rows_read=piece.rows_read,
        refused=tuple(verdict.refused),
        flagged_count=flagged,
    )
    report.add(piece, store.write(batch, also=also), refused, flagged)


def _ceil(timeframe: Timeframe, at: datetime) -> datetime:
    floor = timeframe.floor(at)
    return floor if floor == at else floor + timeframe.delta
