"""What `candela up` says: what came in, what was refused, what is absent, what was rolled up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from psycopg import sql

from candela.candles.gaps import list_gaps
from candela.commands.output import table
from candela.market.timeframe import ROLLUPS, Timeframe

if TYPE_CHECKING:
    import psycopg

    from pipelines.up.materialise import Done, SpanDone

__all__ = ["as_dict", "describe"]

_LONGEST: Final = 5
_RUN: Final = """
SELECT coalesce(sum(b.rows_new), 0)::bigint, coalesce(sum(b.rows_changed), 0)::bigint
FROM market.batches AS b WHERE b.run_id = %s
"""
_SERIES: Final = """
SELECT i.venue || ':' || i.symbol, s.timeframe_s, f.rows, f.first_at, f.last_at, f.flagged
FROM (SELECT DISTINCT instrument_id, timeframe_s FROM market.candle_sources) AS s
INNER JOIN market.instruments AS i USING (instrument_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS rows, min(c.time) AS first_at, max(c.time) AS last_at,
        count(*) FILTER (WHERE c.flags <> 0) AS flagged
    FROM market.candles AS c
    WHERE c.instrument_id = s.instrument_id AND c.timeframe_s = s.timeframe_s
) AS f
ORDER BY 1, 2
"""
_REFUSED: Final = """
SELECT coalesce(q.instrument, q.source), q.check_name, count(*), min(q.message)
FROM market.quarantine AS q GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


def as_dict(connection: psycopg.Connection, done: Done) -> dict[str, Any]:
    """Return the result for scripts; counts are rows, spans half open, instants UTC."""
    series = [
        dict(zip(("instrument", "timeframe", "rows", "from", "to", "flagged"), row, strict=True))
        for row in connection.execute(_SERIES).fetchall()
    ]
    for one in series:
        one["timeframe"] = str(Timeframe(one["timeframe"]))
    gaps = list_gaps(connection)
    by_reason: dict[str, dict[str, int]] = {}
    for gap in gaps:
        count = by_reason.setdefault(gap.reason, {"gaps": 0, "candles": 0})
        count["gaps"] += 1
        count["candles"] += gap.candles_missing
    return {
        "partitions": {
            "done": sum(len(one.span.months) for one in done.spans if one.succeeded),
            "failed": sum(len(one.span.months) for one in done.spans if not one.succeeded),
            "current": done.plan.done,
            "waiting": done.waiting,
        },
        "runs": [_run(connection, one) for one in done.spans],
        "series": series,
        "refused": [
            {"from": row[0], "check": row[1], "rows": row[2], "example": row[3]}
            for row in connection.execute(_REFUSED).fetchall()
        ],
        "unreadable": [error.as_dict() for error in done.unreadable],
        "missing_files": sorted({one.location for one in done.plan.missing_files}),
        "gaps": {
            "by_reason": by_reason,
            "longest": [
                {
                    "instrument": gap.instrument,
                    "timeframe": str(Timeframe(gap.timeframe_s)),
                    "from": gap.from_at,
                    "to": gap.to_at,
                    "candles": gap.candles_missing,
                    "reason": gap.reason,
                }
                for gap in sorted(gaps, key=lambda gap: gap.from_at - gap.to_at)[:_LONGEST]
            ],
        },
        "rollups": _rollups(connection, done),
    }


def _run(connection: psycopg.Connection, one: SpanDone) -> dict[str, Any]:
    row = connection.execute(_RUN, (one.run_id,)).fetchone()
    new, changed = cast("tuple[int, int]", row)
    return {
        "series": str(one.span.series),
        "from": one.span.start,
        "to": one.span.end,
        "partitions": len(one.span.months),
        "new": new,
        "changed": changed,
        "seconds": round(one.seconds, 2),
        "error": one.error,
        "run_id": one.run_id,
    }


def _rollups(connection: psycopg.Connection, done: Done) -> dict[str, Any]:
    if done.rollups_error is not None:
        return {"error": done.rollups_error}
    if not done.rollups:
        return {"error": None, "changed_ranges": 0}
    counts: dict[str, int] = {}
    for timeframe in ROLLUPS:
        relation = sql.Identifier("market", f"candles_{timeframe}")
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(relation)).fetchone()
        counts[str(timeframe)] = cast("int", row[0]) if row else 0
    return {
        "error": None,
        "variant": done.rollups["variant"],
        "changed_ranges": done.rollups["changed_ranges"],
        "seconds": round(float(done.rollups["seconds"]), 3),
        "candles": counts,
    }


def describe(data: dict[str, Any]) -> str:
    """Return the result for people."""
    parts = data["partitions"]
    if not data["runs"]:
        lines = [f"Nothing to do: all {parts['current']} partitions are as their sources are."]
    else:
        lines = ["Came in", _indent(_runs_table(data["runs"]))]
    lines += [f"  failed: {one['series']}: {one['error']}" for one in data["runs"] if one["error"]]
    lines += ["", "Stored", _indent(_series_table(data["series"]))]
    lines += ["", "Refused: nothing" if not data["refused"] else "Refused (kept in the quarantine)"]
    lines += [
        f"  {one['rows']:,} x {one['check']}, {one['from']}: {one['example']}"
        for one in data["refused"]
    ]
    lines += [f"  cannot be read: {error['message']}" for error in data["unreadable"]]
    lines += [f"  file is gone, its candles stay: {path}" for path in data["missing_files"]]
    lines += ["", *_gap_lines(data["gaps"])]
    rollups = data["rollups"]
    if rollups.get("error"):
        lines += ["", f"Rollups failed: {rollups['error']}"]
    elif "candles" in rollups:
        counts = ", ".join(f"{count:,} of {name}" for name, count in rollups["candles"].items())
        how = (
            "views over the candles, always current"
            if rollups["variant"] == "plain"
            else "continuous aggregates"
        )
        lines += [
            "",
            (
                f"Rolled up: {rollups['changed_ranges']} changed ranges in"
                f" {rollups['seconds']:.2f} s ({how}): {counts}"
            ),
        ]
    if parts["waiting"]:
        lines += [
            "",
            f"{parts['waiting']} months of venues are left to the schedules, next to the pages.",
        ]
    return "\n".join(lines)


def _runs_table(runs: list[dict[str, Any]]) -> str:
    return table(
        ["series", "from", "to", "months", "new", "changed", "seconds"],
        [
            [
                one["series"],
                f"{one['from']:%Y-%m}",
                f"{one['to']:%Y-%m}",
                one["partitions"],
                one["new"],
                one["changed"],
                one["seconds"],
            ]
            for one in runs
        ],
    )


def _series_table(series: list[dict[str, Any]]) -> str:
    names = ["instrument", "timeframe", "rows", "from", "to", "flagged"]
    return table(names, [[one[name] for name in names] for one in series])


def _gap_lines(gaps: dict[str, Any]) -> list[str]:
    if not gaps["by_reason"]:
        return ["Gaps: none"]
    total = sum(one["gaps"] for one in gaps["by_reason"].values())
    reasons = ", ".join(
        f"{one['gaps']:,} {reason.replace('_', ' ')} ({one['candles']:,} candles)"
        for reason, one in sorted(gaps["by_reason"].items())
    )
    lines = [f"Gaps: {total:,}; {reasons}. The longest:"]
    lines.append(
        _indent(
            table(
                ["instrument", "timeframe", "from", "to", "candles", "reason"],
                [
                    [one[name] for name in ("instrument", "timeframe", "from", "to", "candles")]
                    + [one["reason"].replace("_", " ")]
                    for one in gaps["longest"]
                ],
            )
        )
    )
    return lines


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
