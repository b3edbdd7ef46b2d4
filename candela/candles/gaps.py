"""Gaps: candles that the grid has and the store has not, each with the reason it is absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from psycopg import sql

from candela.candles.turns import wait_for_turn

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from candela.candles.series import Series

__all__ = ["Gap", "GapChange", "list_gaps", "record_gaps", "sum_gaps"]

_QUIET_CANDLES: Final = 60
"""A hole up to this many candles of five minutes or less is taken for a market without trades."""
_FINE_S: Final = 300
_OUTAGE_CANDLES: Final = 5
"""From so many fine candles on, absent from the whole venue, it is an outage; fewer are chance."""

# A run that was killed between its last batch and its look leaves batches that nobody searched: the
# next look at the series reaches over them too. Batches of a series commit in the order of their
# numbers, so none with a lower number can appear later.
_REACH: Final = """
SELECT least(%(since)s, min(b.from_at)), greatest(%(until)s, max(b.to_at)), max(b.batch_id)
FROM market.batches AS b
WHERE b.instrument_id = %(instrument)s AND b.timeframe_s = %(timeframe)s
  AND b.batch_id > coalesce((
      SELECT l.batch_id FROM market.gap_looks AS l
      WHERE l.instrument_id = %(instrument)s AND l.timeframe_s = %(timeframe)s
  ), 0)
"""
_LOOKED: Final = """
INSERT INTO market.gap_looks (instrument_id, timeframe_s, batch_id)
VALUES (%(instrument)s, %(timeframe)s, %(batch)s)
ON CONFLICT (instrument_id, timeframe_s) DO UPDATE SET batch_id = excluded.batch_id
"""
# One recorder a venue and timeframe: it judges by what is stored of all of them, and what a slower
# one saw before must not be written over what a faster one saw after. The second half of the
# key is negative, so that it meets no lock of a series.
_ONE_RECORDER: Final = """
SELECT pg_advisory_xact_lock(hashtext('candela:gaps:' || i.venue), -%(timeframe)s)
FROM market.instruments AS i WHERE i.instrument_id = %(instrument)s
"""
_FIND: Final = """
CREATE TEMPORARY TABLE gaps_found ON COMMIT DROP AS
SELECT
    step.previous_at + make_interval(secs => %(timeframe)s) AS from_at,
    step.time AS to_at,
    (extract(epoch FROM step.time - step.previous_at) / %(timeframe)s)::integer - 1
        AS candles_missing
FROM (
    SELECT c.time, lag(c.time) OVER (ORDER BY c.time) AS previous_at
    FROM market.candles AS c
    WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s
      AND c.time >= coalesce((
          SELECT max(e.time) FROM market.candles AS e
          WHERE e.instrument_id = %(instrument)s AND e.timeframe_s = %(timeframe)s
            AND e.time < %(since)s
      ), %(since)s)
      AND c.time <= coalesce((
          SELECT min(e.time) FROM market.candles AS e
          WHERE e.instrument_id = %(instrument)s AND e.timeframe_s = %(timeframe)s
            AND e.time >= %(until)s
      ), %(until)s)
) AS step
WHERE step.time - step.previous_at > make_interval(secs => %(timeframe)s)
"""
# What is known about each hole, in the order in which it decides. Nobody asked the source for it:
# not fetched. The source gave a candle that was refused: refused. The market was shut: closed.
# Everything else stored of the venue lacks it too: an outage. A venue that was asked and answered
# around it, or a short hole between minutes: no trades. The rest: the source has a hole.
_CLASSIFY: Final = """
CREATE TEMPORARY TABLE gaps_judged ON COMMIT DROP AS
SELECT g.from_at, g.to_at, g.candles_missing,
    CASE
        WHEN NOT asked.is_asked THEN 'not_fetched'
        WHEN EXISTS (
            SELECT 1 FROM refusals AS r WHERE r.time >= g.from_at AND r.time < g.to_at
        ) THEN 'refused'
        WHEN i.kind IN ('fx', 'metal', 'equity') AND shut.is_shut THEN 'closed'
        WHEN others.is_outage THEN 'outage'
        WHEN asked.is_answered THEN 'no_trades'
        WHEN g.candles_missing <= %(quiet)s AND %(timeframe)s <= %(fine)s THEN 'no_trades'
        ELSE 'source_hole'
    END AS reason
FROM gaps_found AS g
INNER JOIN market.instruments AS i ON i.instrument_id = %(instrument)s
CROSS JOIN LATERAL (
    SELECT
        coalesce(range_agg(tstzrange(b.from_at, b.to_at)), '{}'::tstzmultirange)
            @> tstzrange(g.from_at, g.to_at) AS is_asked,
        coalesce(range_agg(tstzrange(b.from_at, b.to_at)) FILTER (WHERE b.kind <> 'file'),
            '{}'::tstzmultirange) @> tstzrange(g.from_at, g.to_at) AS is_answered
    FROM spans AS b
    WHERE b.from_at < g.to_at AND b.to_at > g.from_at
) AS asked
CROSS JOIN LATERAL (
    SELECT
        (extract(isodow FROM g.from_at) = 6
            OR (extract(isodow FROM g.from_at) = 5 AND extract(hour FROM g.from_at) >= 20)
            OR extract(isodow FROM g.from_at) = 7)
        AND g.to_at - g.from_at <= interval '3 days'
        OR (i.kind = 'metal' AND g.to_at - g.from_at <= interval '75 minutes'
            AND extract(hour FROM g.from_at) BETWEEN 20 AND 23)
        OR (i.kind = 'equity' AND g.to_at - g.from_at <= interval '4 days 20 hours'
            AND (extract(hour FROM g.from_at) >= 17 OR %(timeframe)s >= 86400)) AS is_shut
) AS shut
CROSS JOIN LATERAL (
    SELECT g.candles_missing >= %(least)s
        AND EXISTS (
            SELECT 1 FROM peers AS p
            WHERE p.instrument_id <> %(instrument)s
              AND p.first_at < g.from_at AND p.last_at >= g.to_at
        )
        -- The first peer that trades ends the search; LIMIT keeps it one look into the index each.
        AND NOT EXISTS (
            SELECT 1 FROM peers AS p
            CROSS JOIN LATERAL (
                SELECT 1 FROM market.candles AS c
                WHERE c.instrument_id = p.instrument_id AND c.timeframe_s = %(timeframe)s
                  AND c.time >= g.from_at AND c.time < g.to_at
                LIMIT 1
            ) AS traded
            WHERE p.instrument_id <> %(instrument)s
              AND p.first_at < g.from_at AND p.last_at >= g.to_at
        ) AS is_outage
) AS others
"""
_SPANS: Final = """
CREATE TEMPORARY TABLE spans ON COMMIT DROP AS
SELECT b.kind, lower(span.one) AS from_at, upper(span.one) AS to_at
FROM (
    SELECT b.kind, unnest(range_agg(tstzrange(b.from_at, b.to_at))) AS one
    FROM market.batches AS b
    WHERE b.instrument_id = %(instrument)s AND b.timeframe_s = %(timeframe)s
    GROUP BY b.kind
) AS span
CROSS JOIN LATERAL (SELECT span.kind) AS b
"""
_REFUSALS: Final = """
CREATE TEMPORARY TABLE refusals ON COMMIT DROP AS
SELECT q.time
FROM market.quarantine AS q
INNER JOIN market.instruments AS i ON q.instrument = i.venue || ':' || i.symbol
WHERE i.instrument_id = %(instrument)s AND q.timeframe_s = %(timeframe)s
  AND q.time >= %(since)s AND q.time < %(until)s
"""
_PEERS: Final = """
CREATE TEMPORARY TABLE peers ON COMMIT DROP AS
SELECT b.instrument_id, min(b.from_at) AS first_at, max(b.to_at) AS last_at
FROM market.batches AS b
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE b.timeframe_s = %(timeframe)s
  AND i.venue = (
      SELECT m.venue FROM market.instruments AS m WHERE m.instrument_id = %(instrument)s
  )
GROUP BY b.instrument_id
"""
_FORGET_FILLED: Final = """
DELETE FROM market.gaps AS g
WHERE g.instrument_id = %(instrument)s AND g.timeframe_s = %(timeframe)s
  AND g.from_at < %(until)s AND g.to_at > %(since)s
  AND NOT EXISTS (SELECT 1 FROM gaps_judged AS j WHERE j.from_at = g.from_at)
"""
_RECORD: Final = """
INSERT INTO market.gaps AS g
    (instrument_id, timeframe_s, from_at, to_at, candles_missing, reason, checked_at, found_at)
SELECT %(instrument)s, %(timeframe)s, j.from_at, j.to_at, j.candles_missing, j.reason,
    %(now)s, %(now)s
FROM gaps_judged AS j
ON CONFLICT (instrument_id, timeframe_s, from_at) DO UPDATE SET
    to_at = excluded.to_at, candles_missing = excluded.candles_missing,
    reason = excluded.reason, checked_at = excluded.checked_at
WHERE (g.to_at, g.reason) IS DISTINCT FROM (excluded.to_at, excluded.reason)
RETURNING (xmax = 0)
"""


# A series that arrives can show a neighbour's hole to be the venue's outage, if it is silent then
# and all others too, or not to be one, if it trades. What others say is in the record already.
_JUDGE_NEIGHBOURS: Final = """
SELECT g.instrument_id, g.from_at, g.to_at, g.reason <> 'outage' AS is_outage
FROM market.gaps AS g
INNER JOIN peers AS other ON other.instrument_id = g.instrument_id
INNER JOIN peers AS own
    ON own.instrument_id = %(instrument)s
    AND own.first_at < g.from_at AND own.last_at >= g.to_at
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT 1 FROM market.candles AS c
        WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s
          AND c.time >= g.from_at AND c.time < g.to_at
        OFFSET 0
    ) AS is_trading
) AS this
WHERE g.instrument_id <> %(instrument)s AND g.timeframe_s = %(timeframe)s
  AND g.from_at < %(until)s AND g.to_at > %(since)s AND g.candles_missing >= %(least)s
  AND g.reason IN ('no_trades', 'source_hole', 'outage')
  AND this.is_trading = (g.reason = 'outage')
  AND (
      this.is_trading
      OR NOT EXISTS (
          SELECT 1 FROM peers AS p
          CROSS JOIN LATERAL (
              SELECT 1 FROM market.candles AS c
              WHERE c.instrument_id = p.instrument_id AND c.timeframe_s = %(timeframe)s
                AND c.time >= g.from_at AND c.time < g.to_at
              LIMIT 1
          ) AS traded
          WHERE p.instrument_id <> g.instrument_id
            AND p.first_at < g.from_at AND p.last_at >= g.to_at
      )
  )
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of absent candles, from the first of them up to the next that is there."""

    instrument: str
    timeframe_s: int
    from_at: datetime
    to_at: datetime
    candles_missing: int
    reason: str
    repair_attempts: int


@dataclass(frozen=True, slots=True)
class GapChange:
    """What a look for gaps changed in the record."""

    new: int
    changed: int
    filled: int


def record_gaps(
    connection: psycopg.Connection,
    series: Series,
    since: datetime,
    until: datetime,
    *,
    now: datetime,
) -> GapChange:
    """Find the gaps of a series that touch [since, until) and record them with their reasons.

    Spans that were stored since the last look at the series are looked at too.
    In one transaction: a gap that was filled leaves the record, one that shrank is kept with its
    new bounds. Nothing is written where nothing changed. The gaps of the venue's other series are
    judged again where this one shows that the whole venue was silent, or that it was not.
    """
    with connection.transaction(), connection.cursor() as cursor:
        key = {"instrument": series.instrument_id, "timeframe": series.timeframe.seconds}
        wait_for_turn(cursor, (_ONE_RECORDER,), key)
        since, until = _reach(cursor, key, since, until)
        change = _record(cursor, series.instrument_id, series.timeframe.seconds, since, until, now)
        for other, from_at, to_at in _neighbours(cursor, series, since, until):
            _record(cursor, other, series.timeframe.seconds, from_at, to_at, now)
    return change


def _reach(
    cursor: psycopg.Cursor, key: dict[str, int], since: datetime, until: datetime
) -> tuple[datetime, datetime]:
    """Widen a span to the batches that no look has reached, and note that this one does."""
    row = cursor.execute(_REACH, {**key, "since": since, "until": until}).fetchone()
    first, last, batch_id = cast("tuple[datetime, datetime, int | None]", row)
    if batch_id is not None:
        cursor.execute(_LOOKED, {**key, "batch": batch_id})
    return first, last


def _values(
    instrument_id: int, timeframe_s: int, since: datetime, until: datetime
) -> dict[str, Any]:
    return {
        "instrument": instrument_id,
        "timeframe": timeframe_s,
        "since": since,
        "until": until,
        "quiet": _QUIET_CANDLES,
        "fine": _FINE_S,
        "least": _OUTAGE_CANDLES if timeframe_s <= _FINE_S else 1,
    }


def _record(
    cursor: psycopg.Cursor,
    instrument_id: int,
    timeframe_s: int,
    since: datetime,
    until: datetime,
    now: datetime,
) -> GapChange:
    values = _values(instrument_id, timeframe_s, since, until) | {"now": now}
    for name in ("spans", "refusals", "peers", "gaps_found", "gaps_judged"):
        # Named with their schema: a table of that name may be somebody's own.
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("pg_temp", name)))
    for statement in (_SPANS, _REFUSALS, _PEERS, _FIND, _CLASSIFY):
        cursor.execute(statement, values)
    filled = cursor.execute(_FORGET_FILLED, values).rowcount
    inserted = [is_new for (is_new,) in cursor.execute(_RECORD, values).fetchall()]
    return GapChange(inserted.count(True), inserted.count(False), filled)


def _neighbours(
    cursor: psycopg.Cursor, series: Series, since: datetime, until: datetime
) -> list[tuple[int, datetime, datetime]]:
    """Mark neighbours' gaps that are outages now; return those that no longer are."""
    values = _values(series.instrument_id, series.timeframe.seconds, since, until)
    found = cast(
        "list[tuple[int, datetime, datetime, bool]]",
        cursor.execute(_JUDGE_NEIGHBOURS, values).fetchall(),
    )
    cursor.executemany(
        "UPDATE market.gaps SET reason = 'outage'"
        " WHERE instrument_id = %s AND timeframe_s = %s AND from_at = %s",
        [
            (other, series.timeframe.seconds, from_at)
            for other, from_at, _, is_outage in found
            if is_outage
        ],
    )
    return [(other, from_at, to_at) for other, from_at, to_at, is_out in found if not is_out]


_LIST: Final = """
SELECT i.venue || ':' || i.symbol, g.timeframe_s, g.from_at, g.to_at, g.candles_missing, g.reason,
    g.repair_attempts
FROM market.gaps AS g
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE (%(instrument)s::integer IS NULL OR g.instrument_id = %(instrument)s)
  AND (%(timeframe)s::integer IS NULL OR g.timeframe_s = %(timeframe)s)
  AND (%(since)s::timestamptz IS NULL OR g.to_at > %(since)s)
  AND (%(until)s::timestamptz IS NULL OR g.from_at < %(until)s)
  AND (%(reason)s::text IS NULL OR g.reason = %(reason)s)
ORDER BY 1, 2, g.from_at
LIMIT %(limit)s
"""


def list_gaps(
    connection: psycopg.Connection,
    *,
    instrument_id: int | None = None,
    timeframe_s: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    reason: str | None = None,
    limit: int | None = None,
) -> list[Gap]:
    """Return recorded gaps, by instrument, timeframe and time."""
    rows = connection.execute(
        _LIST,
        {
            "instrument": instrument_id,
            "timeframe": timeframe_s,
            "since": since,
            "until": until,
            "reason": reason,
            "limit": limit,
        },
    ).fetchall()
    return [Gap(*cast("tuple[str, int, datetime, datetime, int, str, int]", row)) for row in rows]


def sum_gaps(
    connection: psycopg.Connection, *, instrument_id: int | None = None
) -> list[tuple[str, int, str, int, int]]:
    """Return (instrument, timeframe in seconds, reason, gaps, candles missing), summed."""
    rows = connection.execute(
        "SELECT i.venue || ':' || i.symbol, g.timeframe_s, g.reason, count(*),"
        " sum(g.candles_missing)::bigint"
        " FROM market.gaps AS g INNER JOIN market.instruments AS i USING (instrument_id)"
        " WHERE (%(instrument)s::integer IS NULL OR g.instrument_id = %(instrument)s)"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        {"instrument": instrument_id},
    ).fetchall()
    return [cast("tuple[str, int, str, int, int]", row) for row in rows]
