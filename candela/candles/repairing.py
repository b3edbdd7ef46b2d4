"""Repair: recorded gaps of venues are asked for again, and each says what the venue answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal, cast

from candela.candles.fetching import FetchReport, write_piece
from candela.candles.gaps import record_gaps
from candela.candles.pages import PageReader
from candela.candles.series import Series
from candela.errors import CandelaError
from candela.venues.client import never
from candela.venues.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from candela.candles.store import CandleStore
    from candela.clock import Clock
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.venues.client import VenueClient

__all__ = ["GapAnswer", "repair_gaps"]

# Gaps that were never asked for come first, then those tried least and longest ago.
_OPEN: Final = """
SELECT g.from_at, g.to_at, g.candles_missing, g.reason
FROM market.gaps AS g
WHERE g.instrument_id = %(instrument)s AND g.timeframe_s = %(timeframe)s
  AND g.reason IN ('not_fetched', 'source_hole') AND g.repair_attempts < %(attempts)s
ORDER BY g.reason = 'source_hole', g.repair_attempts, g.checked_at NULLS FIRST, g.from_at
LIMIT %(limit)s
"""
_TRIED: Final = """
UPDATE market.gaps SET repair_attempts = repair_attempts + 1, checked_at = %(now)s
WHERE instrument_id = %(instrument)s AND timeframe_s = %(timeframe)s
  AND from_at >= %(since)s AND from_at < %(until)s
"""


@dataclass(frozen=True, slots=True)
class GapAnswer:
    """What a venue said when it was asked for a gap again.

    Parameters
    ----------
    outcome
        ``filled``: every candle is there now. ``partly``: some are. ``none``: the venue has none
        of them. ``withheld``: it traded then, but gives no candles. ``unreachable``: no usable
        answer, see `error`.
    """

    from_at: datetime
    to_at: datetime
    candles_missing: int
    reason: str
    outcome: Literal["filled", "partly", "none", "withheld", "unreachable"]
    found: int
    error: str | None = None


def repair_gaps(
    store: CandleStore,
    client: VenueClient,
    instrument: Instrument,
    timeframe: Timeframe,
    *,
    connection: psycopg.Connection,
    clock: Clock,
    limit: int = 100,
    attempts: int = 5,
    should_stop: Callable[[], bool] = never,
    run_id: str | None = None,
) -> list[GapAnswer]:
    """Ask a venue again for gaps that were not fetched or that it had no candles for.

    Parameters
    ----------
    connection
        The store's own, as candela_pipelines; not in a transaction.
    limit
        How many gaps at most.
    attempts
        How often one gap is tried, over all runs.

    Returns
    -------
    list
        One answer a gap; shorter than the gaps asked for where the caller stopped it or where the
        venue could not be reached.

    Raises
    ------
    UnknownSymbol, TimeframeNotOffered, UnknownVenue
        The venue does not have it.
    """
    asked_before, client.should_stop = client.should_stop, should_stop
    answers: list[GapAnswer] = []
    try:
        client.require(instrument.symbol, timeframe)
        series = Series(instrument, store.ensure_instrument(instrument, "exchange"), timeframe)
        reader = PageReader(client, instrument.symbol, timeframe)
        for gap in _open_gaps(connection, series, limit, attempts):
            if should_stop():
                break
            answer = _repair(store, reader, series, gap, connection, run_id)
            answers.append(answer)
            _remember(connection, series, answer, clock)
            if answer.outcome == "unreachable":
                # The next gap would only meet the same silence.
                break
    except Interrupted:
        return answers
    finally:
        client.should_stop = asked_before
    return answers


@dataclass(frozen=True, slots=True)
class _OpenGap:
    from_at: datetime
    to_at: datetime
    candles_missing: int
    reason: str


def _open_gaps(
    connection: psycopg.Connection, series: Series, limit: int, attempts: int
) -> list[_OpenGap]:
    values = {
        "instrument": series.instrument_id,
        "timeframe": series.timeframe.seconds,
        "limit": limit,
        "attempts": attempts,
    }
    with connection.transaction():
        rows = connection.execute(_OPEN, values).fetchall()
    return [
        _OpenGap(
            cast("datetime", start).astimezone(UTC),
            cast("datetime", end).astimezone(UTC),
            cast("int", missing),
            cast("str", reason),
        )
        for start, end, missing, reason in rows
    ]


def _repair(
    store: CandleStore,
    reader: PageReader,
    series: Series,
    gap: _OpenGap,
    connection: psycopg.Connection,
    run_id: str | None,
) -> GapAnswer:
    report = FetchReport(series.instrument, series.timeframe, gap.from_at, gap.to_at, gap.from_at)
    at, error = gap.from_at, None
    try:
        while at < gap.to_at:
            piece = reader.read(at, gap.to_at)
            if piece.next_at <= at:
                break
            write_piece(
                store,
                series,
                piece,
                report,
                connection=connection,
                kind="repair",
                run_id=run_id,
                also=lambda _: None,
            )
            at = piece.next_at
    except Interrupted:
        raise
    except CandelaError as failure:
        if not failure.retryable:
            raise
        error = failure.message
    found = report.new
    if found >= gap.candles_missing:
        outcome = "filled"
    elif error is not None:
        outcome = "unreachable"
    elif found > 0:
        outcome = "partly"
    else:
        outcome = "withheld" if report.withheld else "none"
    return GapAnswer(gap.from_at, gap.to_at, gap.candles_missing, gap.reason, outcome, found, error)


def _remember(
    connection: psycopg.Connection, series: Series, answer: GapAnswer, clock: Clock
) -> None:
    record_gaps(connection, series, answer.from_at, answer.to_at, now=clock.now())
    if answer.outcome == "unreachable":
        # A venue that was down has not been asked: the try does not count.
        return
    with connection.transaction():
        connection.execute(
            _TRIED,
            {
                "instrument": series.instrument_id,
                "timeframe": series.timeframe.seconds,
                "since": answer.from_at,
                "until": answer.to_at,
                "now": clock.now(),
            },
        )
