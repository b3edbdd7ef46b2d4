"""The one reading path: candles of any instrument, timeframe and span, now or as of then."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from psycopg import sql

from candela.candles.arrow import ArrowSession
from candela.candles.digest import candle_digest
from candela.candles.series import Route, route
from candela.candles.spans import BadSpan
from candela.db.connect import Role

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl
    import psycopg

    from candela.db.connect import Database
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

__all__ = ["Candles", "known_at", "read_candles"]


@dataclass(frozen=True)
class Candles:
    """Candles that were read, and what it takes to read just these again.

    Parameters
    ----------
    frame
        (n,) columns time, open, high, low, close, volume, flags; rolled up also ``candles``, the
        number of source candles in each. Oldest first, ``time`` the start in UTC.
    as_of
        Reading the same span with this instant gives the same candles for ever; None where
        nothing is stored.
    relation
        What answered: ``candles``, a rollup such as ``candles_1h``, or ``computed``.
    """

    frame: pl.DataFrame
    instrument: Instrument
    timeframe: Timeframe
    source_timeframe: Timeframe
    since: datetime | None
    until: datetime | None
    as_of: datetime | None
    relation: str

    @cached_property
    def digest(self) -> str:
        """The sha256 of times and values, equal for equal candles."""
        return candle_digest(self.frame)


_STORED: Final = sql.SQL(
    "SELECT time, open, high, low, close, volume, flags FROM market.candles"
    " WHERE instrument_id = {instrument} AND timeframe_s = {source} AND {span}"
)
# A version was current at batch B if a batch up to B brought it and none up to B replaced it.
_STORED_AS_OF: Final = sql.SQL(
    "SELECT time, open, high, low, close, volume, flags FROM market.candles"
    " WHERE instrument_id = {instrument} AND timeframe_s = {source} AND {span}"
    " AND batch_id <= {batch}"
    " UNION ALL"
    " SELECT time, open, high, low, close, volume, flags FROM market.candle_revisions"
    " WHERE instrument_id = {instrument} AND timeframe_s = {source} AND {span}"
    " AND batch_id <= {batch} AND replaced_by > {batch}"
)
# The function reads the rollup, and computes what changed since its last refresh.
_ROLLED_UP: Final = sql.SQL(
    "SELECT time, open, high, low, close, volume::double precision AS volume, candles"
    " FROM {read}({instrument}, {source}, {since}::timestamptz, {until}::timestamptz)"
)
_COMPUTED: Final = sql.SQL(
    "SELECT date_bin(make_interval(secs => {seconds}), time, to_timestamp({origin})) AS time,"
    " (array_agg(open ORDER BY time))[1] AS open, max(high) AS high, min(low) AS low,"
    " (array_agg(close ORDER BY time))[count(*)::integer] AS close,"
    " sum(volume::numeric)::double precision AS volume, count(*) AS candles"
    " FROM ({stored}) AS stored GROUP BY 1"
)
_SETTLE: Final = """
SELECT pg_advisory_xact_lock_shared(i.instrument_id, %(timeframe)s)
FROM market.instruments AS i
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s
  AND %(as_of)s >= coalesce(
      (SELECT max(b.known_at) FROM market.batches AS b WHERE b.instrument_id = i.instrument_id),
      '-infinity'
  )
"""
_LAST_BATCH: Final = sql.SQL(
    "SELECT max(batch_id) AS batch_id, max(known_at) AS known_at, max(to_at) AS to_at"
    " FROM market.batches"
    " WHERE instrument_id = {instrument} AND timeframe_s = {source} AND {known}"
)


def read_candles(
    database: Database,
    instrument: Instrument,
    timeframe: Timeframe,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    as_of: datetime | None = None,
    role: Role = Role.ANALYST,
) -> Candles:
    """Read candles whose start lies in [since, until), as known now or at an earlier instant.

    Parameters
    ----------
    timeframe
        Any that is stored, or that whole stored candles fill: the rollups answer 5m, 15m, 1h, 4h
        and 1d; others, and everything as of then, are rolled up while reading. A candle that the
        stored ones do not reach the end of is left out: it is not closed.
    as_of
        What was known at that instant: candles that came later are absent, values that were
        revised later stand as they did. An instant yet to come is like now, and not repeatable.

    Raises
    ------
    NoSuchInstrument, NoSuchSeries
        Nothing stored answers; the message says what is.
    BadSpan
        since is not before until, or an instant has no time zone.
    """
    _refuse_bad_span(since, until, as_of)
    with database.connect(role, autocommit=True) as connection:
        if as_of is not None:
            _settle(connection, instrument, 0, as_of)
        chosen = route(connection, instrument, timeframe, as_of)
        if as_of is not None:
            _settle(connection, instrument, chosen.series.timeframe.seconds, as_of)
    keys = {
        "instrument": sql.Literal(chosen.series.instrument_id),
        "source": sql.Literal(chosen.series.timeframe.seconds),
    }
    known = sql.SQL("true") if as_of is None else _compare("known_at", "<=", as_of)
    with ArrowSession(database.url(role)) as session:
        last = session.frame(_LAST_BATCH.format(**keys, known=known).as_string())
        batch_id, known_at, covered_to = cast(
            "tuple[int | None, datetime | None, datetime | None]", last.row(0)
        )
        closed_until = _closed_until(chosen, until, covered_to)
        if as_of is None:
            query, relation = _query_now(chosen, keys, since, closed_until)
        else:
            stored = _STORED_AS_OF.format(
                **keys,
                span=_span(since, closed_until, chosen),
                batch=sql.Literal(batch_id or 0),
            )
            query, relation = _roll_up(chosen, stored)
        frame = session.frame((query + sql.SQL(" ORDER BY time")).as_string())
    return Candles(
        frame=frame,
        instrument=instrument,
        timeframe=timeframe,
        source_timeframe=chosen.series.timeframe,
        since=since,
        until=until,
        as_of=known_at,
        relation=relation,
    )


def known_at(
    database: Database,
    instrument: Instrument,
    timeframe: Timeframe,
    *,
    as_of: datetime | None = None,
    role: Role = Role.ANALYST,
) -> datetime | None:
    """Return when the newest candles that `read_candles` would give became known.

    The same instant and span give the same candles for ever, so a reader that kept them need not
    read again.

    Raises
    ------
    NoSuchInstrument, NoSuchSeries
        Nothing stored answers; the message says what is.
    """
    with database.connect(role, autocommit=True) as connection:
        if as_of is not None:
            _settle(connection, instrument, 0, as_of)
        chosen = route(connection, instrument, timeframe, as_of)
        row = connection.execute(
            "SELECT max(b.known_at) FROM market.batches AS b"
            " WHERE b.instrument_id = %s AND b.timeframe_s = %s"
            " AND (%s::timestamptz IS NULL OR b.known_at <= %s)",
            (chosen.series.instrument_id, chosen.series.timeframe.seconds, as_of, as_of),
        ).fetchone()
    return row[0] if row else None


def _settle(
    connection: psycopg.Connection, instrument: Instrument, timeframe_s: int, as_of: datetime
) -> None:
    """Wait for writers who were at it at that instant: what they bring is known as of then.

    0 stands for the first batch of any series. Who writes is at a later instant than all that is
    stored, so most reads of the past wait for nobody.
    """
    connection.execute("SET lock_timeout = 0")
    connection.execute(
        _SETTLE,
        {
            "venue": instrument.venue,
            "symbol": instrument.symbol,
            "timeframe": timeframe_s,
            "as_of": as_of,
        },
    )


def _query_now(
    chosen: Route,
    keys: dict[str, sql.Literal],
    since: datetime | None,
    until: datetime | None,
) -> tuple[sql.Composable, str]:
    if chosen.relation not in (None, "candles"):
        query = _ROLLED_UP.format(
            **keys,
            read=sql.Identifier("market", f"read_{chosen.relation}"),
            since=sql.Literal(since.isoformat() if since else None),
            until=sql.Literal(until.isoformat() if until else None),
        )
        return query, chosen.relation
    return _roll_up(chosen, _STORED.format(**keys, span=_span(since, until, chosen)))


def _roll_up(chosen: Route, stored: sql.Composed) -> tuple[sql.Composable, str]:
    if chosen.series.timeframe == chosen.timeframe:
        return stored, "candles"
    query = _COMPUTED.format(
        seconds=sql.Literal(chosen.timeframe.seconds),
        origin=sql.Literal(chosen.timeframe.origin_s),
        stored=stored,
    )
    return query, "computed"


def _closed_until(
    chosen: Route, until: datetime | None, covered_to: datetime | None
) -> datetime | None:
    """Return the end of what may be rolled up: an unfinished candle is not yet a candle."""
    if chosen.series.timeframe == chosen.timeframe or covered_to is None:
        return until
    frontier = chosen.timeframe.floor(covered_to)
    return frontier if until is None else min(until, frontier)


def _span(since: datetime | None, until: datetime | None, chosen: Route) -> sql.Composable:
    """Return the condition on stored candles, widened so that the first and last are whole."""
    if since is not None:
        start = chosen.timeframe.floor(since)
        since = start if start == since else start + chosen.timeframe.delta
    if until is not None:
        end = chosen.timeframe.floor(until)
        until = end if end == until else end + chosen.timeframe.delta
    return _between(since, until)


def _between(since: datetime | None, until: datetime | None) -> sql.Composable:
    parts: list[sql.Composable] = []
    if since is not None:
        parts.append(_compare("time", ">=", since))
    if until is not None:
        parts.append(_compare("time", "<", until))
    return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def _compare(column: str, operator: str, instant: datetime) -> sql.Composable:
    return sql.SQL("{} {} {}").format(
        sql.Identifier(column),
        sql.SQL("<=") if operator == "<=" else sql.SQL("<") if operator == "<" else sql.SQL(">="),
        sql.Literal(instant.isoformat()) + sql.SQL("::timestamptz"),
    )


def _refuse_bad_span(
    since: datetime | None, until: datetime | None, as_of: datetime | None
) -> None:
    for name, instant in (("since", since), ("until", until), ("as_of", as_of)):
        if instant is not None and instant.tzinfo is None:
            message = f"{name}={instant.isoformat()} has no time zone."
            raise BadSpan(message, "Give an instant in UTC, such as 2024-01-01T00:00:00Z.")
    if since is not None and until is not None and since >= until:
        message = f"The span from {since.isoformat()} to {until.isoformat()} is empty."
        raise BadSpan(message, "since must be before until.")
