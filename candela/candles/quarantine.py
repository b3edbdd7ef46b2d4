"""The quarantine: every refused row with its file, line, check and value; nothing disappears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from candela.candles.batch import Source
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.quality.finding import Finding

__all__ = ["quarantine"]

_STAGE: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS quarantine_stage (
    source text, source_digest text, instrument text, timeframe_s integer, row_number bigint,
    line_number bigint, check_name text, column_name text, value text, message text,
    time timestamptz, run_id text
) ON COMMIT DELETE ROWS
"""
_COLUMNS: Final = (
    "source, source_digest, instrument, timeframe_s, row_number, line_number, check_name,"
    " column_name, value, message, time, run_id"
)


def quarantine(
    cursor: psycopg.Cursor,
    source: Source,
    findings: Iterable[Finding],
    instrument: Instrument | None = None,
    timeframe: Timeframe | None = None,
) -> int:
    """Keep refused rows in the caller's transaction; the same entry is kept once.

    Returns
    -------
    int
        How many entries are new.
    """
    cursor.execute(_STAGE)
    with cursor.copy(f"COPY quarantine_stage ({_COLUMNS}) FROM STDIN") as copy:
        for finding in findings:
            copy.write_row(
                (
                    source.name,
                    source.digest,
                    str(instrument) if instrument else None,
                    timeframe.seconds if timeframe else None,
                    finding.row or 0,
                    finding.line,
                    finding.check,
                    finding.column,
                    # PostgreSQL's text holds no NUL.
                    finding.value.replace("\x00", "\\0"),
                    finding.message.replace("\x00", "\\0"),
                    finding.time,
                    source.run_id,
                )
            )
    return cursor.execute(
        f"INSERT INTO market.quarantine ({_COLUMNS}) SELECT {_COLUMNS} FROM quarantine_stage"  # noqa: S608 - constant column list
        " ON CONFLICT ON CONSTRAINT uq_quarantine_entry DO NOTHING"
    ).rowcount
