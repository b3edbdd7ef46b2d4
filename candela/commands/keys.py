"""The commands `candela keys rotate|status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candela.commands.output import JsonFlag, Output

if TYPE_CHECKING:
    from candela.desk.rotating import RotationReport
    from candela.vault.masterkeys import MasterKeys

__all__ = ["app"]

app = typer.Typer(help="Master keys, and the keys of tenants that they wrap.", no_args_is_help=True)

_EVERY: int = 10


@app.command("rotate")
def rotate(
    reseal: Annotated[
        bool,
        typer.Option("--reseal", help="New keys for tenants as well; all secrets sealed by them."),
    ] = False,
    older_than_hours: Annotated[
        int,
        typer.Option(
            "--older-than-hours",
            min=0,
            help="With --reseal: leave tenants alone whose key is younger; what died goes on.",
        ),
    ] = 24,
    as_json: JsonFlag = False,
) -> None:
    """Wrap the keys of all tenants by the newest master key, while everything runs.

    Add the new master key to CANDELA_MASTER_KEYS of every process first, and restart them; then
    rotate; then take away the old one that this command calls removable. Where it is killed, run it
    again.
    """
    from datetime import timedelta

    from candela.clock import SystemClock
    from candela.commands.keyring import master_keys
    from candela.commands.places import open_command
    from candela.desk.rotating import reseal_all, rewrap_all

    output = Output(as_json=as_json)
    settings, places = open_command(output)
    masters = master_keys(settings)
    tell = _teller(output)
    report = rewrap_all(places.database, masters, tell)
    if reseal:
        age = timedelta(hours=older_than_hours)
        more = reseal_all(places.database, masters, SystemClock(), older_than=age, tell=tell)
        more.keys += report.keys
        report = more
    _answer(output, report, masters)


@app.command("status")
def status(as_json: JsonFlag = False) -> None:
    """Say which master keys are here, and how many keys of tenants each of them wraps."""
    from candela.commands.keyring import master_keys
    from candela.commands.places import open_command
    from candela.desk.rotating import RotationReport, wrapped_by

    output = Output(as_json=as_json)
    settings, places = open_command(output)
    _answer(output, RotationReport(wrapped=wrapped_by(places.database)), master_keys(settings))


def _answer(output: Output, report: RotationReport, masters: MasterKeys) -> None:
    removable = report.removable(masters)
    wrapped = {str(version): count for version, count in sorted(report.wrapped.items())}
    words = ", ".join(f"{count} by master key {version}" for version, count in wrapped.items())
    gone = ", ".join(map(str, removable))
    end = f"Removable: {gone}." if removable else "No master key is removable."
    output.result(
        {
            "keys": report.keys,
            "secrets": report.secrets,
            "destroyed": report.destroyed,
            "wrapped": wrapped,
            "newest": masters.newest,
            "removable": list(removable),
        },
        f"{report.keys} keys and {report.secrets} secrets changed, {report.destroyed} keys"
        f" destroyed; wrapped: {words or 'none'}. {end}",
    )


def _teller(output: Output):  # noqa: ANN202 - a function of two counts
    told = [0]

    def tell(done: int, total: int) -> None:
        tenth = done * _EVERY // max(total, 1)
        if tenth != told[0]:
            told[0] = tenth
            output.note(f"{done} of {total} tenants")

    return tell
