"""The kernel stays light: what importing it may load (ADR 0001)."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import candela
from tests.architecture.tree import ROOT

HEAVY = {"ccxt", "dagster", "great_expectations", "matplotlib", "pandas", "vectorbt"}
# The command line answers --help with these alone unloaded too: each costs a fifth of a second.
HEAVY_FOR_HELP = HEAVY | {"duckdb", "numpy", "polars", "pyarrow"}


def loaded_after(code: str) -> set[str]:
    """Run the code in a new interpreter; return the top-level modules that it then holds."""
    script = (
        f"import sys\n{code}\nprint('loaded:', *{{name.split('.')[0] for name in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


def kernel_modules() -> list[str]:
    return [
        module.name
        for module in pkgutil.walk_packages(candela.__path__, "candela.")
        if not module.name.startswith("candela.venues")
    ]


def test_kernel_when_imported_whole_loads_no_heavy_library() -> None:
    modules = kernel_modules()
    assert "candela.candles.store" in modules
    assert loaded_after("\n".join(f"import {name}" for name in modules)) & HEAVY == set()


def test_command_line_when_asked_for_help_loads_no_heavy_library() -> None:
    code = (
        "import contextlib\n"
        "from candela.commands.app import build\n"
        "with contextlib.suppress(SystemExit):\n"
        "    build()(['--help'])\n"
    )
    assert loaded_after(code) & HEAVY_FOR_HELP == set()
