"""Benchmarks of whole processes: peak memory of an import, start of the command line."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.candles import timed
from bench.minutes import long_file

if TYPE_CHECKING:
    from bench.candles import Bench

__all__ = ["run_memory", "run_start"]


def run_memory(bench: Bench, folder: Path, rows: int) -> None:
    """Peak memory of importing many rows, in a process of its own."""
    path = long_file(folder, bench.minutes, rows)
    bench.empty()
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pydantic import SecretStr\n"
        "from candela.candles.importing import import_file\n"
        "from candela.clock import SystemClock\n"
        "from candela.db.connect import Database, Role\n"
        "from candela.files.options import ReadOptions\n"
        "database = Database(SecretStr(sys.stdin.read()), roles_log_in=sys.argv[2] == 'True')\n"
        "with database.connect(Role.PIPELINES, autocommit=True) as connection:\n"
        "    path = Path(sys.argv[1])\n"
        "    report = import_file(connection, path, ReadOptions(), clock=SystemClock())\n"
        # Not ru_maxrss, which a process inherits from the one that started it.
        "status = Path('/proc/self/status').read_text()\n"
        "print(report.rows, status.split('VmHWM:')[1].split()[0])\n"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(bench.database.roles_log_in)],
        input=bench.database.admin_url.get_secret_value(),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    count, peak = map(int, done.stdout.split())
    bench.add(
        f"import of {count:,} rows, peak memory",
        f"{peak / 1024:,.0f} MB in {time.perf_counter() - started:.0f} s",
        "<= 600 MB",
    )


def run_start(bench: Bench, turns: int) -> None:
    """Start of the command line, and what importing the kernel loads."""
    program = Path(sys.executable).with_name("candela")
    environment = {**os.environ, "COLUMNS": "100"}
    seconds = [
        timed(
            lambda: subprocess.run(
                [program, "--help"], capture_output=True, check=True, env=environment
            )
        )
        for _ in range(turns + 4)
    ]
    bench.add("candela --help", f"{statistics.median(seconds):.2f} s", "<= 0.5 s")
    heavy = "pandas dagster vectorbt great_expectations ccxt"
    code = (
        "import sys, candela, candela.notebook, candela.commands.app\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    bench.add("heavy packages that importing candela loads", loaded.stdout.strip(), "none")
