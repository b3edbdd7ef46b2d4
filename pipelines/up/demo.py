"""The paper bot of `candela up`: a sandbox venue, one executor, one bot, so that trades appear."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self, cast

from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Demo", "DemoFailed"]

_USER: Final = "trader@localhost"
_NAME: Final = "demo"
_READY_S: Final = 60.0
_STOP_S: Final = 75.0
# It buys on each bar and sells a little above the mean price: something happens every minute.
_BOT: Final = (
    *("--strategy", "dca", "--param", "every=1", "--param", "share=0", "--param", "target=0.0005"),
    *("--instrument", "binance:BTC/USDT", "--timeframe", "1m", "--account", _NAME),
    *("--capital", "1000", "--sizing", "fixed_value:50", "--start"),
)


class DemoFailed(ConfigError):
    """A process of the demonstration does not start."""

    code = "demo_failed"


class Demo:
    """Processes of a demonstration; use as a context, which stops them in good order.

    All of them are commands that a person could type.

    Parameters
    ----------
    folder
        Where their logs go.
    environment
        Variables of the children.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start everything that does not run; return where to look.

        Raises
        ------
        DemoFailed
            The sandbox or a command does not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        said = self._sandbox()
        self._environment["CANDELA_VENUE_GATEWAY"] = str(said["gateway"])
        self._environment["CANDELA_VENUE_GATEWAY_CA"] = str(said["authority"])
        self._set_up()
        self._spawn("live")
        return (
            f"Paper bot {_NAME!r}, on a sandbox venue that replays candles as if they were now:\n"
            f"  candela bot status {_NAME}    what it does, and why not\n"
            f"  candela bot trades {_NAME}    trades, within some minutes\n"
            f"  candela bot logs {_NAME} --follow\n"
            f"  candela sandbox fault outage --for 60    rehearse an outage"
        )

    def stop(self) -> None:
        """End the processes, the executor before its venue."""
        for process in reversed(self._children):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._children.clear()

    def _sandbox(self) -> dict[str, Any]:
        process = self._spawn("sandbox", "--json")
        log = self._folder / "sandbox.log"
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and process.poll() is None:
            for line in log.read_text("utf-8", errors="replace").splitlines():
                if line.startswith("{"):
                    return cast("dict[str, Any]", json.loads(line))
            time.sleep(0.1)
        raise DemoFailed("The sandbox venue does not start.", f"Its log is {log}.")

    def _set_up(self) -> None:
        """Make user, account and bot, once; a bot that somebody stopped stays stopped."""
        users = self._ask("user", "list")["users"]
        if not users:
            self._ask("user", "create", _USER, "--plan", "pro")
        user = ("--user", _USER)
        if users and _USER not in {one["email"] for one in users}:
            return
        accounts = self._ask("account", "list", *user)["accounts"]
        if not any(one["name"] == _NAME for one in accounts):
            self._ask("account", "add", _NAME, "--opening", "10000", *user)
        bots = self._ask("bot", "list", *user)["bots"]
        if not any(one["name"] == _NAME for one in bots):
            self._ask("bot", "create", _NAME, *_BOT, *user)

    def _ask(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "candela.commands.app", *words, "--json"],
            env=self._environment,
            capture_output=True,
            timeout=_READY_S,
            check=False,
        )
        try:
            said = cast("dict[str, Any]", json.loads(done.stdout))
        except json.JSONDecodeError:
            said = {}
        if done.returncode != 0 or not said:
            why = said.get("error", {}).get("message") or done.stderr.decode(errors="replace")
            raise DemoFailed(f"`candela {' '.join(words[:2])}` failed: {why}")
        return said

    def _spawn(self, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{words[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "candela.commands.app", *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches `candela up` alone, which then ends its children in order.
                start_new_session=True,
            )
        self._children.append(process)
        return process
