"""What `candela up` shows: a sandbox, one executor, one paper bot, and the API with two people."""

from __future__ import annotations

import json
import secrets
import signal
import socket
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
_ADMIN: Final = "admin@localhost"
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
    api_port
        Of the API; the next free one where it is in use.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], api_port: int) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._api_port = api_port
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
        port = _free_port(self._api_port)
        address = f"http://127.0.0.1:{port}"
        said = self._sandbox(f"{address}/api/v1/webhooks/stripe")
        self._environment |= {
            "CANDELA_VENUE_GATEWAY": str(said["gateway"]),
            "CANDELA_VENUE_GATEWAY_CA": str(said["authority"]),
            "CANDELA_STRIPE_URL": str(said["stripe_url"]),
            "CANDELA_STRIPE_KEY": str(said["stripe_key"]),
            "CANDELA_STRIPE_WEBHOOK_SECRET": str(said["stripe_webhook_secret"]),
            "CANDELA_SMTP_URL": str(said["smtp_url"]),
            "CANDELA_PUBLIC_URL": address,
        }
        # They come up while the people are made: nobody knows the address yet.
        self._spawn("live")
        api = self._spawn("api", "--port", str(port), "--json")
        passwords = self._set_up()
        self._ask("billing", "sync")
        self._wait_for(api, "api")
        whose = f" --user {_USER}" if _USER in passwords else ""
        return (
            f"Paper bot {_NAME!r}, on a sandbox venue that replays candles as if they were now:\n"
            f"  candela bot status {_NAME}{whose}    what it does, and why not\n"
            f"  candela bot trades {_NAME}{whose}    trades, within some minutes\n"
            f"  candela bot logs {_NAME}{whose} --follow\n"
            f"  candela sandbox fault outage --for 60    rehearse an outage\n\n"
            f"The API: {address}/api/v1, to be tried at {address}/api/v1/docs\n"
            + "".join(f"  {email}, password {password}\n" for email, password in passwords.items())
            + "  The passwords are of this start. Stripe and mails are the sandbox's:\n"
            f"  candela sandbox mails --to ADDRESS    {said['mail_url']}"
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

    def _sandbox(self, webhook: str) -> dict[str, Any]:
        process = self._spawn("sandbox", "--json", "--stripe-webhook", webhook)
        return self._wait_for(process, "sandbox")

    def _wait_for(self, process: subprocess.Popen[bytes], name: str) -> dict[str, Any]:
        """Return the object that a process prints once it is ready."""
        log = self._folder / f"{name}.log"
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and process.poll() is None:
            for line in log.read_text("utf-8", errors="replace").splitlines():
                if line.startswith("{"):
                    return cast("dict[str, Any]", json.loads(line))
            time.sleep(0.1)
        raise DemoFailed(f"`candela {name}` does not start.", f"Its log is {log}.")

    def _set_up(self) -> dict[str, str]:
        """Make people, account and bot, once; a bot that somebody stopped stays stopped.

        Returns the passwords, new ones at each start: none is kept in a file.
        """
        known = {one["email"] for one in self._ask("user", "list")["users"]}
        own = _USER in known or not known
        if not known:
            self._ask("user", "create", _USER, "--plan", "pro")
        if _ADMIN not in known:
            self._ask("user", "create", _ADMIN, "--role", "superadmin")
        people = (_USER, _ADMIN) if own else (_ADMIN,)
        passwords = {email: secrets.token_urlsafe(12) for email in people}
        for email, password in passwords.items():
            self._ask("user", "password", email, given=password)
        if not own:
            return passwords
        user = ("--user", _USER)
        accounts = self._ask("account", "list", *user)["accounts"]
        if not any(one["name"] == _NAME for one in accounts):
            self._ask("account", "add", _NAME, "--opening", "10000", *user)
        bots = self._ask("bot", "list", *user)["bots"]
        if not any(one["name"] == _NAME for one in bots):
            self._ask("bot", "create", _NAME, *_BOT, *user)
        return passwords

    def _ask(self, *words: str, given: str = "") -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "candela.commands.app", *words, "--json"],
            env=self._environment,
            input=f"{given}\n".encode(),
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


def _free_port(wanted: int) -> int:
    """Return the wanted port of this machine, or any free one where it is in use."""
    for port in (wanted, 0):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise DemoFailed("This machine has no free port.", "End some programs.")
