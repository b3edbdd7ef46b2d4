"""The commands on stored candles: what they print, what they keep, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from backtest.ledger import Ledger
from candela.clock import SystemClock
from tests.architecture.test_imports import loaded_after
from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from candela.db.connect import Database
    from candela.settings import Settings
    from tests.fixtures.command_line import Ran

BTC = ("-i", "bitvavo:BTC/EUR", "-t", "1h")
RUN = ("backtest", "ma_cross", *BTC, "-p", "fast=20", "--fee-bps", "10")
SWEEP = ("sweep", "ma_cross", *BTC, "-a", "fast=10:40:10", "-a", "slow=30:90:30")
HEAVY = {"vectorbt", "pandas", "scipy", "matplotlib", "optuna", "dagster", "jinja2"}


def test_backtest_when_run_then_prints_figures_and_keeps_the_run_with_its_report(
    candela: Callable[..., Ran], hours: Database, tmp_path: Path
) -> None:
    report = tmp_path / "new" / "report.html"
    ran = candela(*RUN, "--report", report, "--plots", tmp_path / "plots")
    assert ran.code == 0, ran.err
    for said in ("Total return", "Sharpe ratio", "15 absent", "sha256:", str(report), "Fees"):
        assert said in ran.out
    assert "1 of ma_cross on bitvavo:BTC/EUR 1h so far" in ran.out
    assert "<html" in report.read_text("utf-8")
    assert (tmp_path / "plots" / "equity.png").stat().st_size > 10_000
    (line,) = Ledger(hours, SystemClock()).runs()
    assert line.surface == "cli"
    assert line.has_report
    exported = tmp_path / "again.html"
    assert candela("runs", "report", line.run_id[:10], exported).code == 0
    assert exported.read_text("utf-8") == report.read_text("utf-8")


def test_backtest_when_json_then_one_object_of_manifest_metrics_and_digest(
    candela: Callable[..., Ran], hours: Database
) -> None:
    one, other = candela(*RUN, "--json").data, candela(*RUN, "--json").data
    assert one["manifest"]["id"] == other["manifest"]["id"]
    assert one["trades_digest"] == other["trades_digest"]
    assert one["manifest"]["gaps"]["missing"] == 15
    assert one["metrics"]["initial_equity"] == 10_000
    assert {"final_equity", "total_return", "max_drawdown", "sharpe", "trades"} <= set(
        one["metrics"]
    )
    assert (one["trials"], other["trials"]) == (1, 1)
    assert candela(*RUN, "-p", "slow=50", "--json").data["trials"] == 2


def test_backtest_when_not_recorded_then_nothing_is_kept(
    candela: Callable[..., Ran], hours: Database
) -> None:
    ran = candela(*RUN, "--no-record", "--json")
    assert ran.data["is_kept"] is False
    assert Ledger(hours, SystemClock()).runs() == []


def test_backtest_when_every_option_is_given_then_the_manifest_has_it(
    candela: Callable[..., Ran],
) -> None:
    ran = candela(
        *("backtest", "ma_cross", *BTC, "--since", "2022-02-01", "--until", "2022-06-01"),
        *("-p", "fast=5", "-p", "kind=exponential", "-p", "short=true", "--cash", "5000"),
        *("--fee-bps", "10", "--maker-fee-bps", "5", "--slippage-bps", "2", "--spread-bps", "1"),
        *("--fill", "close", "--stop-loss", "0.05", "--take-profit", "0.1"),
        *("--trailing-stop", "0.04", "--sizing", "fraction:0.5", "--leverage", "2"),
        *("--lot", "0.001", "--tick", "0.5", "--min-notional", "10", "--seed", "7", "--json"),
    )
    assert ran.code == 0, ran.out
    manifest = ran.data["manifest"]
    assert manifest["parameters"] == {
        "fast": 5, "slow": 100, "kind": "exponential", "short": True,
    }  # fmt: skip
    assert (manifest["cash"], manifest["seed"]) == (5_000, 7)
    assert manifest["execution"]["fill"] == "close"
    assert manifest["costs"]["maker_fee_bps"] == 5
    assert manifest["costs"]["spread_bps"] == 1
    assert manifest["protection"] == {
        "stop_loss": 0.05, "take_profit": 0.1, "trailing_stop": 0.04,
    }  # fmt: skip
    assert manifest["sizing"]["value"] == 0.5
    rules = manifest["rules"]
    assert (rules["lot"], rules["tick"], rules["minimum_notional"], rules["leverage"]) == (
        0.001, 0.5, 10, 2,
    )  # fmt: skip


def test_backtest_again_when_nothing_changed_then_the_same_and_else_what_is_otherwise(
    candela: Callable[..., Ran], hours: Database
) -> None:
    run_id = candela(*RUN, "--json").data["manifest"]["id"]
    again = candela("backtest", run_id[:12], "--again")
    assert again.code == 0
    assert "The same trades" in again.out
    assert "nothing has changed" in again.out
    with hours.connect(autocommit=True) as connection:
        # As if another engine had made other trades then.
        connection.execute(
            "UPDATE research.runs SET trades_digest = 'sha256:00', manifest ="
            " jsonb_set(manifest::jsonb, '{engine,digest}', '\"sha256:00\"')::json"
        )
    other = candela("backtest", run_id[:12], "--again", "--json")
    assert other.code == 1
    assert other.data["again"]["is_same"] is False
    assert other.data["again"]["changed"] == ["engine.digest"]
    told = candela("backtest", run_id[:12], "--again")
    assert "Other trades" in told.out


def test_sweep_when_run_then_shows_the_best_draws_and_is_shown_again_without_computing(
    candela: Callable[..., Ran], hours: Database, tmp_path: Path
) -> None:
    ran = candela(*SWEEP, "--plots", tmp_path)
    assert ran.code == 0, ran.err
    assert "10 of 10 points on 17,505 bars" in ran.out
    assert "2 combinations left out" in ran.out
    assert (tmp_path / "fast_slow.png").stat().st_size > 10_000
    again = candela(*SWEEP, "--workers", "2", "--json").data
    assert again["points"] == {"total": 10, "done": 10, "computed": 0, "skipped": 2}
    assert again["stability"]["shape"] in {"peak", "plateau"}
    kept = candela("runs", "sweeps", "--json").data["sweeps"]
    assert [(one["done"], one["is_done"]) for one in kept] == [(10, True)]
    best = again["best"]
    words = [f"-p{name}={value}" for name, value in best["parameters"].items()]
    alone = candela("backtest", "ma_cross", *BTC, *words, "--json").data
    assert alone["metrics"]["total_return"] == pytest.approx(best["metrics"]["total_return"])
    assert alone["trials"] == 10, "a point of the sweep is no further trial"


def test_sweep_when_stopped_by_a_signal_then_ends_with_130_and_goes_on(
    candela: Callable[..., Ran], hours: Database, server_settings: Settings
) -> None:
    words = ("sweep", "ma_cross", *BTC, "-a", "fast=3:100:1", "-a", "slow=101:300:1")
    environment = os.environ | {
        "CANDELA_STATE_DIR": str(server_settings.state_dir),
        "CANDELA_DATABASE_URL": hours.admin_url.get_secret_value(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "candela.commands.app", *words, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    ledger = Ledger(hours, SystemClock())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(one.done for one in ledger.sweeps()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    (sweep,) = ledger.sweeps()
    assert 0 < sweep.done < sweep.total
    assert ledger.trial_count(sweep.family) == sweep.done


def test_walkforward_when_run_then_shows_windows_and_keeps_the_joined_run(
    candela: Callable[..., Ran], tmp_path: Path
) -> None:
    words = ("walkforward", "ma_cross", *BTC, "-a", "fast=10,20", "-a", "slow=50,100")
    ran = candela(*words, "--train", "240d", "--test", "120d", "--report", tmp_path / "w.html")
    assert ran.code == 0, ran.err
    assert "Out of sample, joined" in ran.out
    assert "5 windows, 20 points in training" in ran.out
    data = candela(*words, "--train", "240d", "--test", "120d", "--json").data
    assert len(data["windows"]) == 5
    (line,) = candela("runs", "list", "--kind", "walkforward", "--json").data["runs"]
    assert line["run_id"] == data["manifest"]["id"]
    judged = candela("verdict", line["run_id"][:12], "--json")
    assert judged.code in {0, 3, 4}
    assert judged.data["family"]["trials_ever"] == 1


def test_verdict_when_asked_then_each_check_has_number_bound_and_the_code_says_the_outcome(
    candela: Callable[..., Ran], tmp_path: Path
) -> None:
    sweep_id = candela(*SWEEP, "--json").data["sweep_id"]
    report = tmp_path / "judged.html"
    ran = candela("verdict", "--sweep", sweep_id[:12], "--report", report, "--json")
    assert ran.code == {"skill": 0, "luck": 3, "too short to tell": 4}[ran.data["outcome"]]
    assert ran.data["passed"] is (ran.code == 0)
    assert {"name", "value", "threshold", "passed", "sentence"} == set(ran.data["checks"][0])
    assert ran.data["family"]["trials_ever"] == ran.data["family"]["trials_seen"] == 10
    assert ran.data["words"] in report.read_text("utf-8").replace("&#39;", "'")
    run_id = candela(*RUN, "--json").data["manifest"]["id"]
    told = candela("verdict", run_id[:12])
    assert told.code in {3, 4}
    assert "11 trials of ma_cross on bitvavo:BTC/EUR 1h ever" in told.out
    assert "bound 0.95" in told.out


def test_runs_when_listed_and_shown_then_figures_are_those_of_the_run(
    candela: Callable[..., Ran],
) -> None:
    assert candela("runs", "list").out.strip() == "No run is kept."
    made = candela(*RUN, "--json").data
    (line,) = candela("runs", "list", "--strategy", "ma_cross", "--json").data["runs"]
    assert line["metrics"]["sharpe"] == made["metrics"]["sharpe"]
    shown = candela("runs", "show", made["manifest"]["id"][:8], "--json").data
    assert shown["manifest"] == made["manifest"]
    assert shown["metrics"] == made["metrics"]
    assert "Sharpe ratio" in candela("runs", "show", made["manifest"]["id"][:8]).out
    assert made["manifest"]["id"][:12] in candela("runs", "list").out


def test_backtest_when_it_computes_then_loads_none_of_the_heavy_libraries() -> None:
    code = (
        "import backtest.commands.backtest, backtest.commands.options\n"
        "import backtest.workbench, backtest.commands.words, backtest.soundness\n"
        "from strategies.registry import find\n"
        "find('ma_cross')\n"
    )
    assert loaded_after(code) & HEAVY == set()
    commands = "\n".join(
        f"import backtest.commands.{name}"
        for name in ("backtest", "sweep", "walkforward", "verdict", "runs", "options")
    )
    assert loaded_after(commands) & {*HEAVY, "numpy", "polars", "numba", "psycopg"} == set()
