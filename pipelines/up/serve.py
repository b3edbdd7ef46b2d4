"""Dagster's own processes: one code server, the web pages, the daemon; started and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

import psutil

from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from pipelines.up.home import Home

__all__ = ["Pages", "PagesFailed", "running_pages"]

_START_S: Final = 120.0
_STOP_S: Final = 15.0
_PORTS_TRIED: Final = 50
_RECORD: Final = "processes.json"
_LOCATION: Final = "candela"
_LOADED: Final = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"


class PagesFailed(ConfigError):
    """One of Dagster's processes does not start, or ended."""

    code = "pages_failed"


@dataclass(slots=True)
class Child:
    """A process of Dagster, with the log that it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Pages:
    """The three processes; use as a context, which stops them in good order.

    Parameters
    ----------
    environment
        Variables of the children; they hold the address of the storage, so no argument does.
    """

    def __init__(self, home: Home, host: str, port: int, environment: Mapping[str, str]) -> None:
        self._home = home
        self._host = host
        self._environment = dict(environment)
        self._children: list[Child] = []
        self._record = home.path / _RECORD
        _end_leftovers(self._record)  # they would hold the port
        self._port = free_port(host, port)
        self._code_port = free_port("127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Address of the pages."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start_pages(self) -> None:
        """Start the code server and the web server; neither does anything by itself."""
        workspace = self._home.path / "workspace.yaml"
        # One code server for the pages and the daemon: each would else start one of its own.
        workspace.write_text(
            "load_from:\n"
            f"  - grpc_server: {{host: 127.0.0.1, port: {self._code_port},"
            f" location_name: {_LOCATION}}}\n",
            "utf-8",
        )
        self._start(
            "code-server",
            [
                *("dagster", "api", "grpc", "--module-name", "pipelines.definitions"),
                *("--host", "127.0.0.1", "--port", str(self._code_port)),
                *("--location-name", _LOCATION),
            ],
        )
        self._start(
            "webserver",
            [
                *("dagster_webserver", "--workspace", str(workspace)),
                *("--host", self._host, "--port", str(self._port)),
            ],
        )

    def start_daemon(self) -> None:
        """Start the daemon: from now on schedules, sensors and queued runs go their way."""
        workspace = str(self._home.path / "workspace.yaml")
        self._start("daemon", ["dagster._daemon", "run", "--workspace", workspace])

    def wait_until_ready(self) -> None:
        """Return when the pages answer.

        Raises
        ------
        PagesFailed
            A process ended, or there is no answer in time; with the end of its log.
        """
        deadline = time.monotonic() + _START_S
        while not self._answers():
            self.check()
            if time.monotonic() > deadline:
                raise self._failure(self._children[-1], f"does not answer after {_START_S:.0f} s")
            time.sleep(0.1)

    def check(self) -> None:
        """Raise where a process has ended by itself.

        Raises
        ------
        PagesFailed
            With the end of its log.
        """
        for child in self._children:
            if (code := child.process.poll()) is not None:
                raise self._failure(child, f"ended with {code}")

    def stop(self) -> None:
        """End the processes, the daemon first, so that nothing new is started on the way."""
        running = [child.process for child in reversed(self._children)]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._children.clear()
        self._record.unlink(missing_ok=True)

    def _start(self, name: str, module: list[str]) -> None:
        log = self._home.path / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=self._environment,
                cwd=self._home.path,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches this process alone, which then ends its children in order.
                start_new_session=True,
            )
        self._children.append(Child(name, process, log))
        _write_record(self._record, [child.process.pid for child in self._children], self.url)

    def _answers(self) -> bool:
        """Whether the pages are there and show the definitions: they come up without them."""
        question = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/graphql",
            data=json.dumps({"query": _LOADED}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(question, timeout=5) as answer:  # noqa: S310 - our own address
                said = cast("dict[str, Any]", json.load(answer))
        except (urllib.error.URLError, OSError, json.JSONDecodeError):
            return False
        data = cast("dict[str, dict[str, list[object]]]", said.get("data") or {})
        return bool(data.get("repositoriesOrError", {}).get("nodes"))

    @staticmethod
    def _failure(child: Child, what: str) -> PagesFailed:
        lines = child.log.read_text("utf-8", errors="replace").splitlines()[-12:]
        return PagesFailed(
            f"Dagster's {child.name} {what}:\n" + "\n".join(lines), f"Its log is {child.log}."
        )


def free_port(host: str, wanted: int) -> int:
    """Return the port, or the next one that nobody listens on; 0 lets the system choose.

    Raises
    ------
    PagesFailed
        None of the next ones is free, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem: OSError | None = None
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65_536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                problem = error
                continue
            return cast("int", probe.getsockname()[1])
    message = f"No port from {wanted} on is free at {host}: {problem}."
    raise PagesFailed(message, "Set CANDELA_DAGSTER_PORT, or --port, to another one.")


def _write_record(path: Path, pids: list[int], url: str) -> None:
    """Keep which processes were started, so that the next start can end what a kill left."""
    content = {
        "url": url,
        "processes": [[pid, psutil.Process(pid).create_time()] for pid in pids],
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content), "utf-8")
    draft.replace(path)


def _end_leftovers(path: Path) -> None:
    """End the processes of a `candela up` that was killed before it could."""
    try:
        record = cast("dict[str, Any]", json.loads(path.read_text("utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return
    left: list[psutil.Process] = []
    for pid, created in record["processes"]:
        try:
            process = psutil.Process(pid)
            # A number is used again; the time of its start tells whose it is.
            if abs(process.create_time() - created) < 1.0:
                left.append(process)
        except psutil.NoSuchProcess:
            continue
    for process in left:
        process.terminate()
    for process in psutil.wait_procs(left, timeout=_STOP_S)[1]:
        process.kill()
    path.unlink(missing_ok=True)


@contextmanager
def only_one(home: Home) -> Generator[str | None]:
    """Hold the right to run the pages of this state folder; yield the address if another has it."""
    import fcntl

    descriptor = os.open(home.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield _url_of(home.path / _RECORD)
            return
        yield None
    finally:
        os.close(descriptor)


def _url_of(path: Path) -> str:
    try:
        return str(cast("dict[str, Any]", json.loads(path.read_text("utf-8")))["url"])
    except (FileNotFoundError, json.JSONDecodeError):
        return "an address that it has not chosen yet"


def running_pages(pages: Pages, is_over: Callable[[], bool], look_s: float = 1.0) -> None:
    """Watch the processes until it is over; an end by themselves before that is an error."""
    while not is_over():
        pages.check()
        time.sleep(look_s)
