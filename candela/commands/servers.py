"""Commands on the whole installation: what runs, what is stored, and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from candela.commands.output import JsonFlag, Output, table

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["down", "status"]

_SERIES = """
SELECT i.venue || ':' || i.symbol, b.timeframe_s, min(b.from_at), max(b.to_at),
    sum(b.rows_new)::bigint, sum(b.rows_changed)::bigint, sum(b.rows_refused)::bigint,
    sum(b.rows_flagged)::bigint, max(b.known_at),
    (SELECT count(*) FROM market.gaps AS g
     WHERE g.instrument_id = i.instrument_id AND g.timeframe_s = b.timeframe_s)
FROM market.batches AS b INNER JOIN market.instruments AS i USING (instrument_id)
GROUP BY i.instrument_id, i.venue, i.symbol, b.timeframe_s
ORDER BY 1, 2
"""


def status(as_json: JsonFlag = False) -> None:
    """Say which servers run, and for each stored series its span, rows, gaps and last change."""
    from candela.commands.places import open_command
    from candela.db.connect import Role
    from candela.embedded import server_status
    from candela.market.timeframe import Timeframe

    output = Output(as_json=as_json)
    settings, places = open_command(output)
    with places.database.connect(Role.ANALYST, autocommit=True) as connection:
        rows = connection.execute(_SERIES).fetchall()
        row = connection.execute(
            "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension"
            " WHERE extname = 'timescaledb'), (SELECT count(*) FROM market.quarantine)"
        ).fetchone()
    version, timescale, quarantined = cast("tuple[str, str | None, int]", row)
    names = ("instrument", "timeframe", "from", "to", "rows", "changed", "refused", "flagged")
    series = [
        {
            **dict(
                zip(names, (one[0], str(Timeframe(cast("int", one[1]))), *one[2:8]), strict=True)
            ),
            "known_at": cast("datetime", one[8]),
            "gaps": one[9],
        }
        for one in rows
    ]
    data = {
        "database": places.database.address,
        "is_embedded": places.is_embedded,
        "postgresql": version,
        "timescaledb": timescale,
        "servers": server_status(settings.state_dir) if places.is_embedded else [],
        "series": series,
        "quarantined": quarantined,
    }
    lines = [
        f"PostgreSQL {version}, "
        + (f"TimescaleDB {timescale}" if timescale else "without TimescaleDB (plain views)")
        + (" (embedded)" if places.is_embedded else "")
        + f" at {places.database.address}",
        f"{quarantined:,} refused rows in quarantine",
        "",
        table(
            ["instrument", "timeframe", "from", "to", "rows", "gaps", "refused", "flagged"],
            [
                [one[name] for name in names[:5]] + [one["gaps"], one["refused"], one["flagged"]]
                for one in series
            ],
        )
        if series
        else "No candles are stored. `candela candles import FILE` brings some.",
    ]
    output.result(data, "\n".join(lines))


def down(as_json: JsonFlag = False) -> None:
    """Stop the embedded servers; what is stored stays."""
    from candela.embedded import stop_servers
    from candela.settings import load_settings

    output = Output(as_json=as_json)
    stopped = stop_servers(load_settings().state_dir)
    names = [str(name) for name in stopped or ()]
    output.result(
        {"stopped": names}, f"Stopped: {', '.join(names)}." if names else "Nothing was running."
    )
