"""The command `candela sandbox` as a process of its own, killed and started again."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from candela.venues.gateway import VenueGateway
from sandbox.clock import VenueClock
from sandbox.journal import read_journal
from sandbox.remote import Remote, SandboxRefused
from sandbox.statefile import NoSandbox, Running, read_state
from tests.sandbox.harness import SYMBOL, client

if TYPE_CHECKING:
    from collections.abc import Generator

PROGRAM = str(Path(sys.executable).with_name("candela"))


class Elsewhere:
    """What the client needs of a venue that runs in another process."""

    def __init__(self, running: Running) -> None:
        self.gateway = VenueGateway.parse(running.gateway, Path(running.authority))
        self.remote = Remote(running.control_url)

    @property
    def clock(self) -> Any:
        return self

    def told_ms(self) -> int:
        return int(self.remote.ask("GET", "clock")["told_ms"])


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CANDELA_")}
    return {**kept, "CANDELA_STATE_DIR": str(folder)}


def candela(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], env=environment(folder), capture_output=True, text=True, check=False
    )


@contextmanager
def running(folder: Path, *words: str) -> Generator[tuple[subprocess.Popen[str], Running]]:
    """Run the command until the block ends."""
    with subprocess.Popen(
        [PROGRAM, "sandbox", "--json", *words],
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield process, read_state(folder)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(20)


def trade(found: Running, name: str) -> Any:
    async def act() -> Any:
        venue: Any = Elsewhere(found)
        async with client(venue, found.key, found.secret) as x:
            order = await x.create_order(
                SYMBOL, "market", "buy", 0.01, None, {"newClientOrderId": name}
            )
            return order, await x.fetch_my_trades(SYMBOL), await x.fetch_balance()

    return asyncio.run(act())


def test_command_run_and_terminated_announces_itself_and_cleans_up(tmp_path: Path) -> None:
    with running(tmp_path) as (process, found):
        path = tmp_path / "sandbox.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert found.pid == process.pid
        order, trades, _ = trade(found, "one")
        assert order["status"] == "closed"
        assert len(trades) == 1
        shown = candela(tmp_path, "sandbox", "status", "--json")
        assert json.loads(shown.stdout)["requests"] > 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not path.exists()
    assert not Path(found.authority).exists()


def test_ledger_kept_on_file_survives_a_kill_to_the_last_unit(tmp_path: Path) -> None:
    words = ("--keep", str(tmp_path / "kept"), "--balance", "USDT=5000")
    with running(tmp_path, *words) as (process, first):
        trade(first, "one")
        _, _, before = trade(first, "two")
        process.kill()
        process.wait(20)
    with pytest.raises(NoSandbox):
        read_state(tmp_path)
    # What a kill cut off in the middle of a line was never answered.
    with (tmp_path / "kept" / "ledger.jsonl").open("a") as file:
        file.write('[["order", {"acc')
    with running(tmp_path, *words) as (_, second):
        assert (second.key, second.secret) == (first.key, first.secret)
        assert Path(second.authority).read_bytes() == Path(first.authority).read_bytes()
        ledger = Remote(second.control_url).ask("GET", "ledger")
        (account,) = ledger["accounts"]
        assert [one["client_id"] for one in ledger["executions"]] == ["one", "two"]
        assert float(account["balances"]["USDT"]["free"]) == before["USDT"]["free"]
        _, trades, _ = trade(second, "three")
    kinds = [kind for kind, _ in read_journal(tmp_path / "kept" / "ledger.jsonl")]
    assert kinds.count("execution") == 3
    assert [one["id"] for one in trades] == ["1", "2", "3"]
    assert [one["order"] for one in trades] == ["1001", "1002", "1003"]
    assert stat.S_IMODE((tmp_path / "kept" / "ledger.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "kept" / "authority.key").stat().st_mode) == 0o600


def test_outage_set_by_hand_is_listed_and_cleared(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"kind": "html", "path": "never"}]))
    with running(tmp_path, "--faults", str(plan)) as (_, found):
        set_ = candela(tmp_path, "sandbox", "fault", "outage", "--for", "60")
        assert set_.returncode == 0, set_.stderr
        listed = json.loads(candela(tmp_path, "sandbox", "fault", "list", "--json").stdout)
        assert [one["kind"] for one in listed["faults"]] == ["html", "outage"]
        assert "2 faults cleared" in candela(tmp_path, "sandbox", "fault", "clear").stdout
        halted = candela(tmp_path, "sandbox", "fault", "halt", "--symbol", SYMBOL, "--for", "60")
        assert "BTCUSDT is BREAK" in halted.stdout
        refused = candela(tmp_path, "sandbox", "fault", "nonsense", "--json")
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["error"]["code"] == "sandbox_refused"
        assert "KIND" not in refused.stderr
        with pytest.raises(SandboxRefused):
            Remote(found.control_url).ask("POST", "accounts", {"name": found.account})


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--symbol", "SOL/USDT"), "no_replay"),
        (("--file", "nothing"), "sandbox_option"),
        (("--file", "BTC/USDT=/nowhere.parquet"), "no_replay"),
        (("--start", "noon"), "sandbox_option"),
        (("--balance", "USDT=much"), "sandbox_option"),
        (("--faults", "/nowhere.json"), "bad_fault"),
    ],
)
def test_option_that_cannot_be_used_is_one_clear_error(
    words: tuple[str, ...],
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from candela.commands.app import main

    monkeypatch.setenv("CANDELA_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["candela", "sandbox", "--json", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert error["hint"]


def test_command_without_a_sandbox_says_how_to_start_one(tmp_path: Path) -> None:
    ended = candela(tmp_path, "sandbox", "fault", "list")
    assert ended.returncode == 1
    assert "candela sandbox" in ended.stderr


def test_clock_at_a_speed_runs_so_many_times_as_fast() -> None:
    from datetime import UTC, datetime, timedelta

    from candela.clock import FixedClock

    beneath = FixedClock(datetime(2024, 1, 1, tzinfo=UTC))
    clock = VenueClock(datetime(2022, 1, 1, tzinfo=UTC), 60, beneath)
    began = clock.now_ms()
    beneath.at += timedelta(seconds=2)
    assert clock.now_ms() - began == 120_000
    beneath.at -= timedelta(seconds=1)
    assert clock.now_ms() - began == 120_000
    clock.skew_s = -3
    assert clock.told_ms() - began == 117_000
