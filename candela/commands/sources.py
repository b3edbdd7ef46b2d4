"""Commands on candle sources: what the pipelines keep complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candela.commands.instants import SinceOption, instant
from candela.commands.output import JsonFlag, Output, table

__all__ = ["app"]

app = typer.Typer(
    help="Sources: which files and venues the pipelines keep complete.", no_args_is_help=True
)


@app.command("list")
def show_sources(
    stopped: Annotated[bool, typer.Option("--all", help="Also those that were stopped.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the sources."""
    from candela.candles.sources import list_sources
    from candela.commands.places import open_command
    from candela.db.connect import Role

    output = Output(as_json=as_json)
    _, places = open_command(output)
    with places.database.connect(Role.ANALYST, autocommit=True) as connection:
        found = list_sources(connection, stopped=stopped)
    rows = [
        {
            "source_id": one.source_id,
            "instrument": str(one.instrument),
            "timeframe": str(one.timeframe),
            "kind": one.kind,
            "location": one.location,
            "since": one.since_at,
            "until": one.until_at,
            "is_active": one.is_active,
        }
        for one in found
    ]
    names = ["source_id", "instrument", "timeframe", "kind", "location", "since", "until"]
    text = table(names, [[row[name] for name in names] for row in rows])
    output.result(
        {"sources": rows}, text if rows else "No sources. `candela sources add` adds one."
    )


@app.command("add")
def add_venue_source(
    exchange: Annotated[str, typer.Argument(help="ccxt id of the venue, such as kraken.")],
    symbol: Annotated[str, typer.Argument(help="Such as BTC/USD.")],
    timeframe: Annotated[str, typer.Argument(help="Such as 1m.")],
    since: SinceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep the candles of a venue's market complete from an instant on."""
    from candela.candles.sources import add_source
    from candela.candles.store import CandleStore
    from candela.clock import SystemClock
    from candela.commands.places import open_command, pipelines_connection
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.venues.known import require_venue

    output = Output(as_json=as_json)
    instrument, length = Instrument(exchange.lower(), symbol), Timeframe.parse(timeframe)
    require_venue(instrument.venue)
    clock = SystemClock()
    start = instant(since) or length.floor(clock.now())
    _, places = open_command(output)
    with pipelines_connection(places) as connection:
        number = add_source(
            connection,
            CandleStore(connection, clock),
            instrument,
            length,
            kind="exchange",
            location=instrument.venue,
            since_at=start,
        )
    output.result(
        {"source_id": number, "instrument": str(instrument), "timeframe": str(length)},
        f"Source {number}: {instrument} {length} from {start:%Y-%m-%d %H:%M} UTC on.",
    )


@app.command("add-file")
def add_file_source(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files.")],
    instrument: Annotated[str | None, typer.Option("--instrument", "-i")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep what files give complete: the pipelines import them, and again when they change."""
    from candela.candles.filesources import add_file
    from candela.clock import SystemClock
    from candela.commands.places import open_command, pipelines_connection
    from candela.files.options import ReadOptions
    from candela.market.instrument import Instrument

    output = Output(as_json=as_json)
    options = ReadOptions(instrument=Instrument.parse(instrument) if instrument else None)
    _, places = open_command(output)
    added: list[dict[str, str | int]] = []
    with pipelines_connection(places) as connection:
        for file in files:
            added += [
                {
                    "file": str(file),
                    "instrument": str(name),
                    "timeframe": str(length),
                    "source_id": key,
                }
                for name, length, key in add_file(connection, file, options, clock=SystemClock())
            ]
    output.result(
        {"sources": added},
        "\n".join(
            f"Source {one['source_id']}: {one['instrument']} {one['timeframe']}" for one in added
        ),
    )


@app.command("stop")
def stop_feeding(
    source_id: Annotated[int, typer.Argument(help="Number from `candela sources list`.")],
    as_json: JsonFlag = False,
) -> None:
    """Stop feeding from a source; its candles stay."""
    from candela.candles.sources import stop_source
    from candela.commands.places import open_command, pipelines_connection

    output = Output(as_json=as_json)
    _, places = open_command(output)
    with pipelines_connection(places) as connection:
        stop_source(connection, source_id)
    output.result({"stopped": source_id}, f"Source {source_id} is stopped.")
