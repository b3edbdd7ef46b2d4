"""The one writer of candles: a batch is a transaction, versioned, idempotent, under one lock."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final, Literal, LiteralString, cast

import psycopg

from candela.candles.batch import Batch, Source, Written
from candela.candles.copyrows import COPY_COLUMNS, encode
from candela.candles.digest import candle_digest
from candela.candles.quarantine import quarantine
from candela.candles.turns import wait_for_turn
from candela.errors import DataError
from candela.market.instrument import likely_kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import polars as pl

    from candela.clock import Clock
    from candela.market.instrument import Instrument

__all__ = ["Batch", "BatchOutOfSpan", "CandleStore", "Source", "Written"]

_TRIES: Final = 5
_STAGE: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS candle_stage (
    time timestamptz NOT NULL, open float8 NOT NULL, high float8 NOT NULL, low float8 NOT NULL,
    close float8 NOT NULL, batch_id bigint NOT NULL, instrument_id integer NOT NULL,
    timeframe_s integer NOT NULL, flags integer NOT NULL, volume float8
) ON COMMIT DELETE ROWS
"""
# Equal rows stay untouched, so that a second import writes nothing; a flag is the remark of the
# judgement that first took the value and does not make a new version.
_KEEP_WHAT_DIFFERS: Final = """
DELETE FROM candle_stage AS s USING market.candles AS c
WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s
  AND c.time BETWEEN %(first)s AND %(last)s AND c.time = s.time
  AND (c.open, c.high, c.low, c.close) = (s.open, s.high, s.low, s.close)
  AND c.volume IS NOT DISTINCT FROM s.volume
"""
_KEEP_PREDECESSORS: Final = """
INSERT INTO market.candle_revisions
    (time, open, high, low, close, volume, batch_id, instrument_id, timeframe_s, flags, replaced_by)
SELECT c.time, c.open, c.high, c.low, c.close, c.volume, c.batch_id, c.instrument_id,
    c.timeframe_s, c.flags, %(batch)s
FROM candle_stage AS s
INNER JOIN market.candles AS c
    ON c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s AND c.time = s.time
WHERE c.time BETWEEN %(first)s AND %(last)s
"""
_UPSERT: Final = f"""
INSERT INTO market.candles ({COPY_COLUMNS})
SELECT {COPY_COLUMNS} FROM candle_stage ORDER BY time
ON CONFLICT (instrument_id, timeframe_s, time) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, flags = excluded.flags, batch_id = excluded.batch_id
"""  # noqa: S608 - the column list is a constant of this package
# One writer a series: its batches commit in the order of their known_at, without which a read
# "as of" an instant could change later. The first batch of a series also waits for, and then shuts
# out, all others of its instrument, whose candles may have answered for it until then.
_ONE_WRITER: Final = "SELECT pg_advisory_xact_lock(%(instrument)s, %(timeframe)s)"
_ORDER: Final = """
SELECT CASE
    WHEN EXISTS (
        SELECT 1 FROM market.batches AS b
        WHERE b.instrument_id = %(instrument)s AND b.timeframe_s = %(timeframe)s
    ) THEN pg_advisory_xact_lock_shared(%(instrument)s, 0)
    ELSE pg_advisory_xact_lock(%(instrument)s, 0)
END
"""
_NEW_BATCH: Final = """
INSERT INTO market.batches
    (instrument_id, timeframe_s, kind, source, source_digest, payload_digest, from_at, to_at,
     rows_read, rows_refused, rows_flagged, run_id, known_at)
SELECT %(instrument)s, %(timeframe)s, %(kind)s, %(source)s, %(source_digest)s, %(payload)s,
    %(from)s, %(to)s, %(read)s, %(refused)s, %(flagged)s, %(run)s,
    greatest(%(now)s, (
        SELECT max(b.known_at) + interval '1 microsecond' FROM market.batches AS b
        WHERE b.instrument_id = %(instrument)s
    ))
RETURNING batch_id
"""
_LAST_PAYLOAD: Final = """
SELECT b.batch_id, b.from_at, b.to_at, b.payload_digest
FROM market.batches AS b
WHERE b.instrument_id = %(instrument)s AND b.timeframe_s = %(timeframe)s
  AND b.from_at < %(to)s AND b.to_at > %(from)s
ORDER BY b.batch_id DESC LIMIT 1
"""


class BatchOutOfSpan(DataError):
    """A batch holds candles outside the span that it says to cover, or not in order."""

    code = "batch_out_of_span"


class CandleStore:
    """Write candles of any series, each batch in a transaction of its own.

    Parameters
    ----------
    connection
        As candela_pipelines; not in a transaction, and not shared with another thread.
    """

    def __init__(self, connection: psycopg.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._ids: dict[Instrument, int] = {}

    def ensure_instrument(
        self,
        instrument: Instrument,
        venue_kind: Literal["file", "exchange"] = "file",
        kind: str | None = None,
    ) -> int:
        """Return the instrument's id, adding instrument and venue where they are new.

        Parameters
        ----------
        kind
            What it is, where the caller knows; else what its symbol looks like.
        """
        if (known := self._ids.get(instrument)) is not None:
            return known
        with self._connection.transaction(), self._connection.cursor() as cursor:
            if venue_kind == "exchange":
                # A venue known from files becomes an exchange as soon as it is asked as one.
                cursor.execute(
                    "INSERT INTO market.venues AS v (venue, kind) VALUES (%s, 'exchange')"
                    " ON CONFLICT (venue) DO UPDATE SET kind = 'exchange' WHERE v.kind = 'file'",
                    (instrument.venue,),
                )
            found = cursor.execute(
                "SELECT instrument_id FROM market.instruments WHERE venue = %s AND symbol = %s",
                (instrument.venue, instrument.symbol),
            ).fetchone()
            if found is None:
                cursor.execute(
                    "INSERT INTO market.venues (venue, kind) VALUES (%s, %s)"
                    " ON CONFLICT (venue) DO NOTHING",
                    (instrument.venue, venue_kind),
                )
                base, _, quote = instrument.symbol.partition(":")[0].partition("/")
                found = cursor.execute(
                    "INSERT INTO market.instruments (venue, symbol, kind, base_ccy, quote_ccy)"
                    " VALUES (%s, %s, %s, %s, %s)"
                    # The empty update makes a racing insert of the same name return its row.
                    " ON CONFLICT (venue, symbol) DO UPDATE SET venue = excluded.venue"
                    " RETURNING instrument_id",
                    (
                        instrument.venue,
                        instrument.symbol,
                        kind or likely_kind(instrument.symbol),
                        base,
                        quote or None,
                    ),
                ).fetchone()
        assert found is not None  # noqa: S101 - RETURNING always gives the row
        self._ids[instrument] = cast("int", found[0])
        return self._ids[instrument]

    def write(
        self, batch: Batch, *, also: Callable[[psycopg.Cursor], None] | None = None
    ) -> Written:
        """Write a batch in one transaction and say what it changed.

        Parameters
        ----------
        also
            Done in the same transaction, after the rows: a cursor that may only move with them.
            Done again where the server made the transaction begin anew.

        Raises
        ------
        BatchOutOfSpan
            A candle lies outside the covered span, or times are not strictly ascending.
        """
        _refuse_disorder(batch)
        instrument_id = self.ensure_instrument(batch.instrument)
        for _ in range(_TRIES - 1):
            try:
                return self._write(batch, instrument_id, also)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                # TimescaleDB was moving the chunk to its columnstore; nothing has been written.
                continue
        return self._write(batch, instrument_id, also)

    def _write(
        self, batch: Batch, instrument_id: int, also: Callable[[psycopg.Cursor], None] | None
    ) -> Written:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            keys = {"instrument": instrument_id, "timeframe": batch.timeframe.seconds}
            wait_for_turn(cursor, (_ONE_WRITER, _ORDER), keys)
            written = self._write_rows(cursor, batch, instrument_id)
            if batch.refused:
                quarantine(cursor, batch.source, batch.refused, batch.instrument, batch.timeframe)
            if also is not None:
                also(cursor)
        return written

    def _write_rows(self, cursor: psycopg.Cursor, batch: Batch, instrument_id: int) -> Written:
        frame = batch.frame
        payload = candle_digest(frame)
        values: dict[str, object] = {
            "instrument": instrument_id,
            "timeframe": batch.timeframe.seconds,
            "from": batch.covered_from,
            "to": batch.covered_to,
            "kind": batch.source.kind,
            "source": batch.source.name,
            "source_digest": batch.source.digest,
            "payload": payload,
            "read": batch.rows_read,
            "refused": len(batch.refused),
            "flagged": batch.flagged_count,
            "run": batch.source.run_id,
            "now": self._clock.now(),
        }
        last = cursor.execute(_LAST_PAYLOAD, values).fetchone()
        if last is not None and last[1:] == (batch.covered_from, batch.covered_to, payload):
            return Written(None, 0, 0, frame.height)
        if frame.height == 0:
            batch_id = self._open_batch(cursor, values)
            return Written(batch_id, 0, 0, 0)
        values["first"], values["last"] = frame["time"][0], frame["time"][-1]
        is_fresh = not self._has_rows(cursor, values)
        batch_id = self._open_batch(cursor, values)
        values["batch"] = batch_id
        if is_fresh:
            self._copy(cursor, "market.candles", frame, values)
            written = Written(batch_id, frame.height, 0, 0)
            span = (values["first"], values["last"])
        else:
            written, span = self._merge(cursor, frame, values)
        self._close_batch(cursor, batch, written, span)
        return written

    @staticmethod
    def _has_rows(cursor: psycopg.Cursor, values: dict[str, object]) -> bool:
        found = cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM market.candles WHERE instrument_id = %(instrument)s"
            " AND timeframe_s = %(timeframe)s AND time BETWEEN %(first)s AND %(last)s)",
            values,
        ).fetchone()
        return found is not None and bool(found[0])

    @staticmethod
    def _open_batch(cursor: psycopg.Cursor, values: dict[str, object]) -> int:
        row = cursor.execute(_NEW_BATCH, values).fetchone()
        assert row is not None  # noqa: S101 - INSERT ... SELECT of one row returns it
        return cast("int", row[0])

    @staticmethod
    def _copy(
        cursor: psycopg.Cursor, table: LiteralString, frame: pl.DataFrame, values: dict[str, object]
    ) -> None:
        statement = f"COPY {table} ({COPY_COLUMNS}) FROM STDIN (FORMAT BINARY)"
        with cursor.copy(statement) as copy:
            for piece in encode(
                frame,
                batch_id=cast("int", values["batch"]),
                instrument_id=cast("int", values["instrument"]),
                timeframe_s=cast("int", values["timeframe"]),
            ):
                copy.write(piece)

    def _merge(
        self, cursor: psycopg.Cursor, frame: pl.DataFrame, values: dict[str, object]
    ) -> tuple[Written, tuple[object, object]]:
        """Upsert through a staging table, keeping the predecessor of each changed value."""
        cursor.execute(_STAGE)
        self._copy(cursor, "candle_stage", frame, values)
        unchanged = cursor.execute(_KEEP_WHAT_DIFFERS, values).rowcount
        changed = cursor.execute(_KEEP_PREDECESSORS, values).rowcount
        span = cursor.execute("SELECT min(time), max(time) FROM candle_stage").fetchone()
        touched = cursor.execute(_UPSERT).rowcount
        if touched != frame.height - unchanged:
            # An upsert that touches fewer rows than it was given is TimescaleDB's silent loss
            # (reliability D01); the transaction is given up rather than believed.
            message = f"The store took {touched} of {frame.height - unchanged} candles."
            raise DataError(message, "Update TimescaleDB to 2.25 or later and import again.")
        written = Written(cast("int", values["batch"]), touched - changed, changed, unchanged)
        return written, cast("tuple[object, object]", span)

    @staticmethod
    def _close_batch(
        cursor: psycopg.Cursor, batch: Batch, written: Written, span: tuple[object, object]
    ) -> None:
        cursor.execute(
            "UPDATE market.batches SET rows_new = %s, rows_changed = %s, rows_unchanged = %s"
            " WHERE batch_id = %s",
            (written.new, written.changed, written.unchanged, written.batch_id),
        )
        if written.new or written.changed:
            first, last = cast("tuple[datetime, datetime]", span)
            cursor.execute(
                "INSERT INTO market.rollup_ranges (from_at, to_at, batch_id) VALUES (%s, %s, %s)",
                (first, last + timedelta(seconds=batch.timeframe.seconds), written.batch_id),
            )


def _refuse_disorder(batch: Batch) -> None:
    times = batch.frame["time"]
    if not batch.covered_from < batch.covered_to:
        message = f"A batch must cover a span, not {batch.covered_from} to {batch.covered_to}."
        raise BatchOutOfSpan(message)
    if times.len() == 0:
        return
    steps = times.to_physical().diff()
    if times.null_count() or (steps.min() is not None and cast("int", steps.min()) <= 0):
        message = f"The candles of {batch.instrument} {batch.timeframe} are not in strict order."
        raise BatchOutOfSpan(message, "Sort them by time and drop what stands twice.")
    first, last = cast("datetime", times[0]), cast("datetime", times[-1])
    if first < batch.covered_from.astimezone(UTC) or last >= batch.covered_to.astimezone(UTC):
        message = (
            f"Candles of {batch.instrument} from {first} to {last} lie outside the span"
            f" {batch.covered_from} to {batch.covered_to} that the batch covers."
        )
        raise BatchOutOfSpan(message)
