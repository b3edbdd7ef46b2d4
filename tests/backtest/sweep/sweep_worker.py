"""A process that sweeps into the ledger of a test's database, to be killed."""

from __future__ import annotations

import sys

from pydantic import SecretStr

from backtest.ledger import Ledger
from backtest.sweep.journal import LedgerJournal
from backtest.sweep.parallel import Crew
from backtest.sweep.run import run_sweep
from backtest.sweep.spec import SweepSpec
from candela.clock import SystemClock
from candela.db.connect import Database
from strategies.ma_cross import ma_cross
from tests.backtest.sweep.making import spec, walk

BARS = 4_000


def killed_spec(method: str) -> SweepSpec:
    """Return the sweep that is killed again and again."""
    if method == "optuna":
        return spec("fast=5:60:1", "slow=70:300:5", method="optuna", trials=160, chunk=8)
    return spec("fast=5:64:1", "slow=70:300:5", chunk=40)


def main() -> None:
    """Sweep with so many workers, saying when the first chunk begins."""
    ledger = Ledger(Database(SecretStr(sys.stdin.readline().strip())), SystemClock())
    with Crew(int(sys.argv[2])) as crew:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        run_sweep(
            ma_cross,
            walk(BARS),
            killed_spec(sys.argv[1]),
            journal=LedgerJournal(ledger, surface="cli"),
            crew=crew,
        )


if __name__ == "__main__":
    main()
