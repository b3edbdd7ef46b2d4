"""Commands on candles: check and import files, fetch from venues, show gaps, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from candela.commands.fetch import fetch
from candela.commands.fileoptions import (
    ColumnsOption,
    DecimalOption,
    InstrumentOption,
    TimeframeOption,
    UnitOption,
    VenueOption,
    file_options,
)
from candela.commands.instants import SinceOption, UntilOption, instant, ordered
from candela.commands.output import JsonFlag, Output, table
from candela.commands.quarantine import show_quarantine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.candles.importing import ImportReport

__all__ = ["app"]

app = typer.Typer(help="Candles: check, import, fetch, gaps, export.", no_args_is_help=True)
app.command("fetch")(fetch)
app.command("quarantine")(show_quarantine)

_SHOWN = 20

_NOBODY = 0

GapReason = Literal["not_fetched", "refused", "no_trades", "source_hole", "outage", "closed"]


@app.command("check")
def check_candles(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet, also compressed.")],
    instrument: InstrumentOption = None,
    venue: VenueOption = None,
    timeframe: TimeframeOption = None,
    unit: UnitOption = None,
    columns: ColumnsOption = None,
    decimal: DecimalOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Check a file against the data contract without storing anything.

    Exit code 0: clean; 1: findings; 2: the file cannot be read at all.
    """
    from candela.clock import SystemClock
    from candela.files.report import check_file

    output = Output(as_json=as_json)
    options = file_options(
        instrument=instrument,
        venue=venue,
        timeframe=timeframe,
        unit=unit,
        columns=columns,
        decimal=decimal,
    )
    with output.progress(file.name) as update:
        report = check_file(
            file,
            options,
            SystemClock(),
            progress=lambda done, total: update(done / total if total else 1.0, 0),
        )
    data = report.as_dict()
    output.result(data, _describe_check(file, data))
    raise typer.Exit(report.exit_code)


def _describe_check(file: Path, data: dict[str, Any]) -> str:
    error = data["error"]
    if error is not None:
        hint = f"\n  {error['hint']}" if error.get("hint") else ""
        return f"{file.name}: unreadable ({error['check']})\n  {error['message']}{hint}"
    lines = [
        (
            f"{file.name}: {data['rows']:,} rows, {data['accepted']:,} accepted,"
            f" {len(data['refused']):,} refused, {len(data['flagged']):,} flagged,"
            f" {len(data['gaps']):,} gaps"
        )
    ]
    for title in ("refused", "flagged", "gaps"):
        found: Sequence[dict[str, Any]] = data[title]
        if not found:
            continue
        lines += [
            "",
            title.capitalize(),
            table(
                ["row", "line", "column", "check", "message"],
                [
                    [
                        str(one["row"]),
                        str(one["line"] or "-"),
                        one["column"],
                        one["check"],
                        one["message"],
                    ]
                    for one in found[:_SHOWN]
                ],
            ),
        ]
        if len(found) > _SHOWN:
            lines.append(f"... and {len(found) - _SHOWN:,} more; --json lists all")
    return "\n".join(lines)


@app.command("import")
def import_candles(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files.")],
    instrument: InstrumentOption = None,
    venue: VenueOption = None,
    timeframe: TimeframeOption = None,
    unit: UnitOption = None,
    columns: ColumnsOption = None,
    decimal: DecimalOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read files anew that were imported before.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check files and store their candles; refused rows go to the quarantine.

    Ctrl-C stops between months; the same command goes on. Exit code 1 where rows were refused,
    2 where a file cannot be read at all.
    """
    from candela.candles.importing import ImportProgress, import_file
    from candela.candles.rollups import refresh_rollups
    from candela.clock import SystemClock
    from candela.commands.places import open_command, pipelines_connection
    from candela.files.unreadable import FileUnreadable

    output = Output(as_json=as_json)
    options = file_options(
        instrument=instrument,
        venue=venue,
        timeframe=timeframe,
        unit=unit,
        columns=columns,
        decimal=decimal,
    )
    _, places = open_command(output)
    reports: list[dict[str, Any]] = []
    texts: list[str] = []
    exit_code = 0
    with pipelines_connection(places) as connection:
        for file in files:
            with output.progress(file.name) as update:

                def show(done: ImportProgress) -> None:
                    update(done.share, done.rows)

                try:
                    report = import_file(
                        connection, file, options, clock=SystemClock(), again=again, progress=show
                    )
                except FileUnreadable as error:
                    exit_code = 2
                    told = {**error.as_dict(), **error.error_dict()}
                    reports.append({"file": str(file), "error": told, "series": []})
                    texts.append(f"{file.name}: not imported\n  {error}")
                    continue
            if report.refused:
                exit_code = max(exit_code, 1)
            data, text = _describe_import(file, report)
            reports.append(data)
            texts.append(text)
    refreshed = refresh_rollups(places.database)
    texts.append(
        f"Rollups: {len(refreshed.spans)} changed spans"
        + (
            f" refreshed in {refreshed.seconds:.1f} s."
            if refreshed.variant == "timescale"
            else ", current (plain views)."
        )
    )
    output.result({"files": reports, "rollups": {"variant": refreshed.variant}}, "\n".join(texts))
    raise typer.Exit(exit_code)


def _describe_import(file: Path, report: ImportReport) -> tuple[dict[str, Any], str]:
    series: list[dict[str, Any]] = [
        {
            "instrument": str(one.instrument),
            "timeframe": str(one.timeframe),
            "from": one.first_at,
            "to": one.last_at,
            "read": one.read,
            "new": one.new,
            "changed": one.changed,
            "unchanged": one.unchanged,
            "refused": one.refused,
            "flagged": one.flagged,
            "gaps": one.gaps_new,
            "checks": dict(one.checks),
        }
        for one in report.series.values()
    ]
    data = {
        "file": str(file),
        "sha256": report.digest,
        "was_imported": report.was_imported,
        "series": series,
        "error": None,
    }
    if report.was_imported:
        return data, f"{file.name}: imported before, nothing to do (--again reads it anew)"
    names = (
        "instrument",
        "timeframe",
        "from",
        "to",
        "new",
        "changed",
        "unchanged",
        "refused",
        "flagged",
        "gaps",
    )
    text = f"{file.name}:\n" + table(list(names), [[one[name] for name in names] for one in series])
    for one in series:
        for check, count in sorted(one["checks"].items()):
            text += f"\n  {one['instrument']} {one['timeframe']}: {count:,} x {check}"
    return data, text


@app.command("gaps")
def show_gaps(
    instrument: Annotated[
        str | None, typer.Argument(help="exchange:SYMBOL; all where left out.")
    ] = None,
    timeframe: TimeframeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    reason: Annotated[GapReason | None, typer.Option(help="Only gaps of that reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List the gaps in what is stored, each with its reason, and sum them up."""
    from candela.candles.gaps import list_gaps, sum_gaps
    from candela.candles.series import find_series
    from candela.commands.places import open_command
    from candela.db.connect import Role
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

    output = Output(as_json=as_json)
    wanted = Timeframe.parse(timeframe) if timeframe else None
    name = Instrument.parse(instrument) if instrument else None
    span = ordered(instant(since), instant(until))
    _, places = open_command(output)
    with places.database.connect(Role.ANALYST, autocommit=True) as connection:
        stored = find_series(connection, name) if name else []
        # An instrument without candles has no gaps; no number would mean those of all.
        key = (stored[0].instrument_id if stored else _NOBODY) if name else None
        sums = [
            one
            for one in sum_gaps(connection, instrument_id=key)
            if (wanted is None or one[1] == wanted.seconds) and reason in {None, one[2]}
        ]
        gaps = list_gaps(
            connection,
            instrument_id=key,
            timeframe_s=wanted.seconds if wanted else None,
            since=span[0],
            until=span[1],
            reason=reason,
            limit=limit + 1,
        )
    summed: list[dict[str, Any]] = [
        {
            "instrument": one[0],
            "timeframe": str(Timeframe(one[1])),
            "reason": one[2],
            "gaps": one[3],
            "candles_missing": one[4],
        }
        for one in sums
    ]
    found: list[dict[str, Any]] = [
        {
            "instrument": gap.instrument,
            "timeframe": str(Timeframe(gap.timeframe_s)),
            "from": gap.from_at,
            "to": gap.to_at,
            "candles_missing": gap.candles_missing,
            "reason": gap.reason,
        }
        for gap in gaps[:limit]
    ]
    is_cut = len(gaps) > limit
    data = {"sums": summed, "gaps": found, "is_cut": is_cut}
    if not summed:
        output.result(data, "No gaps are recorded.")
        return
    columns = ["instrument", "timeframe", "reason", "gaps", "candles_missing"]
    listed = ["instrument", "timeframe", "from", "to", "candles_missing", "reason"]
    text = table(columns, [[one[name] for name in columns] for one in summed])
    text += "\n\n" + table(listed, [[one[name] for name in listed] for one in found])
    if is_cut:
        text += f"\n... and more than these {limit:,}; --limit lists more"
    output.result(data, text)


@app.command("export")
def export_to_file(
    instrument: Annotated[str, typer.Argument(help="exchange:SYMBOL")],
    timeframe: Annotated[str, typer.Argument(help="Any that is stored or can be rolled up.")],
    file: Annotated[Path, typer.Argument(help="Ends in .parquet, .csv or .csv.gz.")],
    since: SinceOption = None,
    until: UntilOption = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As known at that instant.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write candles to a file and print their digest."""
    from candela.candles.export import export_candles
    from candela.candles.read import read_candles
    from candela.commands.places import open_command
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

    output = Output(as_json=as_json)
    name, length = Instrument.parse(instrument), Timeframe.parse(timeframe)
    span = (instant(since), instant(until), instant(as_of))
    _, places = open_command(output)
    candles = read_candles(places.database, name, length, span[0], span[1], as_of=span[2])
    rows = export_candles(candles, file, overwrite=overwrite)
    output.result(
        {
            "file": str(file),
            "rows": rows,
            "relation": candles.relation,
            "as_of": candles.as_of,
            "digest": candles.digest,
        },
        f"{rows:,} candles of {name} {length} to {file}\n{candles.digest}",
    )
