"""Processes of the API: they start lean, share a port, end in good order, and are started again."""

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
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from candela.settings import environment_with

if TYPE_CHECKING:
    from pathlib import Path

    from candela.db.connect import Database

TOO_HEAVY = ("vectorbt", "dagster", "great_expectations", "pandas", "ccxt")

PROBE = """
import sys
from starlette.testclient import TestClient
from api.app import create_app
from api.commands import parts_of
from api.opening import state_opener
from candela.commands.output import Output
from candela.commands.places import open_command
settings, places = open_command(Output(as_json=True))
parts = parts_of(settings, places)
app = create_app(parts.options, state_opener(parts))
with TestClient(app, raise_server_exceptions=False) as client:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    for path, verbs in paths.items():
        for verb in verbs:
            client.request(verb, path.replace("{", "").replace("}", ""), json={})
print(len(paths), *sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


@pytest.fixture
def environment(database: Database, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return environment_with(
        {
            "CANDELA_DATABASE_URL": database.admin_url.get_secret_value(),
            "CANDELA_REDIS_URL": redis_url,
            "CANDELA_STATE_DIR": str(tmp_path),
            "CANDELA_LOG_LEVEL": "WARNING",
        }
    )


@contextmanager
def running(environment: dict[str, str], *words: str) -> Generator[tuple[Any, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "candela.commands.app", "api", "--port", "0", "--json", *words],
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address: str = json.loads(process.stdout.readline())["address"]
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                if read(f"{address}/health/ready")["status"] == "ready":
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        yield process, address
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def read(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of this machine
        return json.loads(answer.read())


def test_process_when_every_path_was_asked_then_nothing_heavy_is_loaded(
    environment: dict[str, str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *TOO_HEAVY],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    paths, *heavy = done.stdout.split()
    assert int(paths) > 5
    assert heavy == []


def test_process_when_asked_to_end_then_requests_under_way_are_answered(
    environment: dict[str, str],
) -> None:
    with running(environment) as (process, address):
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), 10) as under_way:
            under_way.sendall(
                b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{"
            )
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, int(port)), 1)
            under_way.sendall(b"}")
            assert under_way.recv(12) == b"HTTP/1.1 422"
        assert process.wait(20) == 0


def test_workers_when_one_is_killed_then_it_is_started_again_and_all_end_together(
    environment: dict[str, str],
) -> None:
    with running(environment, "--workers", "2") as (process, address):
        parent = psutil.Process(process.pid)
        first = parent.children()
        assert len(first) == 2
        time.sleep(max(0.0, 1.2 - (time.time() - first[0].create_time())))
        os.kill(first[0].pid, signal.SIGKILL)
        assert read(f"{address}/health/live") == {"status": "alive"}
        until = time.monotonic() + 20
        while {one.pid for one in parent.children()} <= {one.pid for one in first}:
            assert time.monotonic() < until
            time.sleep(0.05)
        everybody = parent.children()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not [one for one in everybody if one.is_running()]
