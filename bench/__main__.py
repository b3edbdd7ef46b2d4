"""All benchmarks: ``make bench``.

Every ratio is of medians of turns that were interleaved in this run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from pydantic import SecretStr

from bench.api_start import run_api_start
from bench.backtests import run_backtests
from bench.candles import Bench, as_query
from bench.density import run_density
from bench.luck import run_luck
from bench.minutes import find_minutes
from bench.orders import run_orders
from bench.parity import run_parity
from bench.processes import run_memory, run_start
from bench.sockets import run_sockets
from candela.db.connect import Database
from candela.db.migrate import migrate
from candela.embedded import open_places, stop_servers
from candela.embedded.bootstrap import create_database
from candela.settings import load_settings

_KINDS = ("candles", "backtests", "luck", "orders", "density", "parity", "api")


def _density(turns: int) -> None:
    run_density(bars=turns)


def _api(turns: int) -> None:
    run_api_start(turns)
    run_sockets()


# On servers of their own; density takes half an hour.
_APART = {"density": _density, "api": _api}


def main() -> None:
    """Measure everything on the embedded server, or on the one CANDELA_TEST_DATABASE_URL names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--long-rows", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=_KINDS)
    given = parser.parse_args()
    if given.only in _APART:
        _APART[given.only](given.turns)
        return
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    named = settings.test_database_url
    try:
        server = (
            Database(SecretStr(named.get_secret_value()))
            if named
            else open_places(settings).database
        )
        if given.only == "parity":
            run_parity(server)
            return
        database = create_database(server, f"candela_bench_{os.getpid()}", owner=None)
        report = migrate(database)
        minutes = find_minutes(folder, given.rows)
        with database.connect() as connection:
            row = connection.execute("SELECT version()").fetchone()
        kind = "real" if minutes.is_real else "the shipped day repeated"
        print(row[0] if row else "", f"variant {report.variant}", sep="\n")
        print(f"{minutes.frame.height:,} minutes, {kind}; {given.turns} turns\n")
        bench = Bench(database, minutes, given.turns)
        if given.only in {None, "candles"}:
            bench.run_import(folder)
            bench.run_read()
            bench.run_rollups()
            bench.run_compression()
            run_memory(bench, folder, given.long_rows)
            run_start(bench, given.turns)
        if given.only in {None, "backtests"}:
            bench.empty()
            bench.imported(minutes.path)
            run_backtests(bench, folder, database)
        if given.only in {None, "luck"}:
            run_luck(200, 1_000)
        if given.only in {None, "orders"}:
            run_orders(1_000)
        if given.json:
            given.json.write_text(json.dumps(bench.lines, indent=1))
        with server.connect(autocommit=True) as connection:
            connection.execute(as_query(f"DROP DATABASE {database.name} WITH (FORCE)"))
    finally:
        if named is None:
            stop_servers(settings.state_dir)
        shutil.rmtree(folder, ignore_errors=True)


main()
