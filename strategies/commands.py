"""The commands `candela strategy new|list|show|check`; loads nothing heavy by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candela.commands.output import JsonFlag, Output, table

if TYPE_CHECKING:
    from candela.settings import Settings
    from strategies.bars import Bars
    from strategies.definition import Strategy
    from strategies.equivalence.report import EquivalenceReport

__all__ = ["app"]

app = typer.Typer(help="Strategies: write, list, show, check.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="STRATEGY", help="A name, file.py, or file.py:name.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Folder of your own strategies.")
]


def _folder(folder: Path | None) -> Path:
    return folder if folder is not None else _settings().strategies_dir


def _settings() -> Settings:
    from candela.settings import load_settings

    return load_settings()


@app.command("new")
def new_strategy(
    name: Annotated[str, typer.Argument(help="Small letters, digits and _.")],
    folder: FolderOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the file of a new strategy that runs as it is, to be changed."""
    from strategies.template import write_template

    path = write_template(name, _folder(folder))
    Output(as_json=as_json).result(
        {"name": name, "file": path},
        f"{path}\nEdit it, then: candela strategy check {name if folder is None else path}",
    )


@app.command("list")
def list_strategies(folder: FolderOption = None, as_json: JsonFlag = False) -> None:
    """List the strategies that ship and your own. Exit code 1 where a file cannot be used."""
    from candela.errors import CandelaError
    from strategies.registry import in_file, in_folder, shipped, strategy_files

    output = Output(as_json=as_json)
    place = _folder(folder)
    found = [(one, "shipped") for one in shipped()]
    broken: list[CandelaError] = []
    for path in strategy_files(place):
        try:
            found += [(one, path.name) for one in in_file(path)]
        except CandelaError as error:
            broken.append(error)
    if not broken:
        try:
            in_folder(place)
        except CandelaError as error:  # two of a name, which no file shows alone
            broken.append(error)
    data = [
        {
            "name": one.name,
            "from": where,
            "kind": one.kind,
            "warm_up": one.warm_up(one.with_values()),
            "summary": one.summary,
        }
        for one, where in found
    ]
    text = table(list(data[0]), [list(row.values()) for row in data])
    text += f"\n\nYour own are read from {place}."
    for error in broken:
        text += f"\nnot usable: {error}"
    output.result(
        {"strategies": data, "folder": place, "errors": [one.as_dict() for one in broken]}, text
    )
    raise typer.Exit(1 if broken else 0)


@app.command("show")
def show_strategy(
    name: NameArgument, folder: FolderOption = None, as_json: JsonFlag = False
) -> None:
    """Show a strategy's parameters, source and digest; --json holds the JSON schema."""
    from strategies.registry import find

    found = find(name, folder=_folder(folder))
    warm_up = found.warm_up(found.with_values())
    rows = [
        [
            field,
            schema.get("type", "choice"),
            _plain(schema.get("default")),
            _plain(schema.get("minimum")),
            _plain(schema.get("maximum")),
            schema.get("unit", ""),
            _meaning(schema),
        ]
        for field, schema in found.schema.get("properties", {}).items()
    ]
    text = f"{found.name} ({found.kind}): {found.summary}\n"
    if found.source:
        text += f"Source: {found.source}\n"
    text += f"Warm-up at defaults: {warm_up:,} bars\nFile: {found.file}\n{found.source_digest}\n\n"
    text += table(["parameter", "type", "default", "least", "most", "unit", "meaning"], rows)
    Output(as_json=as_json).result(
        {
            "name": found.name,
            "kind": found.kind,
            "summary": found.summary,
            "source": found.source,
            "file": found.file,
            "source_digest": found.source_digest,
            "warm_up": warm_up,
            "schema": found.schema,
        },
        text,
    )


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _meaning(schema: dict[str, Any]) -> str:
    words = str(schema.get("description", ""))
    return f"{words} One of {', '.join(schema['enum'])}." if "enum" in schema else words


@app.command("check")
def check_strategy(
    name: NameArgument,
    value: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter, such as fast=20.")
    ] = None,
    instrument: Annotated[
        str | None, typer.Option("--instrument", "-i", help="exchange:SYMBOL; else the sample.")
    ] = None,
    timeframe: Annotated[
        str | None, typer.Option("--timeframe", "-t", help="Such as 1h; with --instrument.")
    ] = None,
    folder: FolderOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Prove on real candles that a strategy decides live what it decides in a backtest.

    Exit code 1 where it does not, with the bar, the column, the likely cause and the remedy.
    """
    from strategies.equivalence.check import check_equivalence
    from strategies.registry import find
    from strategies.values import read_values

    output = Output(as_json=as_json)
    found = find(name, folder=_folder(folder))
    parameters = read_values(found, value or [])
    bars = _bars(output, instrument, timeframe, found.reads(parameters))
    with output.progress(f"Checking {found.name}") as update:
        report = check_equivalence(
            found, parameters, bars, progress=lambda share, _: update(share, 0)
        )
    output.result(
        {
            "strategy": found.name,
            "source_digest": found.source_digest,
            "parameters": parameters.model_dump(),
            "instrument": bars.instrument,
            "timeframe": str(bars.timeframe),
            "bars": len(bars),
            "data_digest": bars.digest,
            **_as_data(report),
        },
        _in_words(found, bars, report),
    )
    raise typer.Exit(0 if report.ok else 1)


def _bars(
    output: Output, instrument: str | None, timeframe: str | None, also: tuple[str, ...]
) -> Bars:
    """Return the bars to check on, with the further instruments that the strategy reads."""
    from candela.commands.fileoptions import BadOption
    from strategies.alignment import beside
    from strategies.sample import sample_bars

    if instrument is None:
        if timeframe is not None:
            message = f"--timeframe {timeframe} says nothing without --instrument."
            raise BadOption(
                message, "Name the instrument too, or neither: then the sample is read."
            )
        return beside(sample_bars(), {name: sample_bars(name) for name in also})

    from candela.candles.read import read_candles
    from candela.commands.places import open_command
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from strategies.bars import Bars

    wanted = Timeframe.parse(timeframe or "1h")
    _, places = open_command(output)

    def stored(name: str) -> Bars:
        candles = read_candles(places.database, Instrument.parse(name), wanted)
        return Bars.from_frame(candles.frame, wanted, name)

    return beside(stored(instrument), {name: stored(name) for name in also})


def _as_data(report: EquivalenceReport) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(report)


def _in_words(found: Strategy[Any], bars: Bars, report: EquivalenceReport) -> str:
    looked = (
        f"{len(bars):,} bars of {bars.instrument} {bars.timeframe}, {report.decisions:,} with a"
        f" decision; compared on {report.prefixes:,} beginnings, {report.windows:,} stretches and"
        f" {report.futures:,} other continuations in {report.seconds:.1f} s"
    )
    lines = [f"{found.name}: {'passed' if report.ok else 'FAILED'} ({looked})."]
    for one in report.findings:
        lines += ["", f"{one.kind}: {one.words}", f"  {one.remedy}"]
    lines += [f"Note: {note}" for note in report.notes]
    return "\n".join(lines)
