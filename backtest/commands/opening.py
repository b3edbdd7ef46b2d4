"""Where the commands of this room work: settings read, database current, a bench to work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.workbench import Workbench
    from candela.commands.output import Output

__all__ = ["open_bench"]


def open_bench(output: Output, folder: Path | None = None) -> Workbench:
    """Return a workbench on the database of the settings, whose runs say they are the terminal's.

    Parameters
    ----------
    folder
        Of own strategies, in the place of the settings'.
    """
    from backtest.workbench import Workbench
    from candela.commands.places import open_command

    settings, places = open_command(output)
    return Workbench(
        places.database,
        surface="cli",
        strategies=folder or settings.strategies_dir,
        cache=settings.state_dir / "bars",
    )
