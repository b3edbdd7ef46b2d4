"""S14 and S39: what ended is ended in every process, whatever becomes of Redis meanwhile."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from api.limiting.limits import LIMITS
from api.opening import ApiParts, state_opener
from api.state import ApiOptions
from candela.clock import FixedClock, SystemClock
from candela.embedded.places import open_places, stop_servers
from candela.identity.access import SigningKeys
from candela.settings import Settings, environment_with
from tests.fixtures.api import Api
from tests.fixtures.logins import enrolled, get, logged_in, post
from tests.fixtures.servers import redis_client

if TYPE_CHECKING:
    from pathlib import Path

    from candela.db.connect import Database
    from candela.vault.masterkeys import MasterKeys

KEY = bytes(range(32))
_LONG_ENOUGH_S = 20.0


@pytest.fixture
def own_redis(state_dir: Path) -> str:
    """Start a Valkey of the test's own, which it may empty and stop."""
    elsewhere = SecretStr("postgresql:///unused")
    return open_places(Settings(state_dir=state_dir, database_url=elsewhere)).redis_url


@pytest.fixture
def here(database: Database, own_redis: str, masters: MasterKeys) -> Iterator[Api]:
    """Give the API in this process, by the clock of the wall, as the other process has it."""
    clock: Any = SystemClock()
    parts = ApiParts(
        database=database,
        redis_url=own_redis,
        clock=clock,
        signing=SigningKeys({1: KEY}),
        masters=lambda: masters,
        options=ApiOptions(limits=LIMITS.times(1_000)),
    )
    with TestClient(create_app(parts.options, state_opener(parts))) as client:
        yield Api(client, database, clock)


@contextmanager
def elsewhere(database: Database, redis_url: str, folder: Path) -> Generator[str]:
    """Run `candela api` as a process of its own; give where it listens."""
    environment = environment_with(
        {
            "CANDELA_DATABASE_URL": database.admin_url.get_secret_value(),
            "CANDELA_REDIS_URL": redis_url,
            "CANDELA_STATE_DIR": str(folder),
            "CANDELA_TOKEN_KEYS": f"1:{base64.b64encode(KEY).decode()}",
            "CANDELA_LOG_LEVEL": "ERROR",
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "candela.commands.app", "api", "--port", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address: str = json.loads(process.stdout.readline())["address"]
        until(lambda: status_at(f"{address}/health/live", "") == 200)
        yield address
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def status_at(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})  # noqa: S310 - of this machine
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (urllib.error.URLError, ConnectionError):
        return 0


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _LONG_ENOUGH_S
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_logout_when_redis_is_emptied_and_then_stopped_holds_in_every_process(
    here: Api, own_redis: str, state_dir: Path, tmp_path: Path, database: Database
) -> None:
    """S14: two processes of the system; FLUSHALL and the end of Redis in mid-run open nothing."""
    enrolled(here)
    first, second, third, kept = (logged_in(here)["access_token"] for _ in range(4))
    redis: Any = redis_client(own_redis)
    with elsewhere(database, own_redis, tmp_path) as address:
        url = f"{address}/api/v1/users/me"

        def gone(token: str) -> bool:
            assert get(here, "/users/me", token).status_code == 401
            return status_at(url, token) == 401

        assert [status_at(url, one) for one in (first, second, third, kept)] == [200] * 4
        assert post(here, "/auth/logout", first).status_code == 204
        until(lambda: gone(first))
        redis.flushall()
        assert gone(first)
        assert post(here, "/auth/logout", second).status_code == 204
        until(lambda: gone(second))
        stop_servers(state_dir)
        assert gone(first)
        assert gone(second)
        assert post(here, "/auth/logout", third).status_code == 204
        until(lambda: gone(third))
        assert get(here, "/users/me", kept).status_code == status_at(url, kept) == 200
    redis.close()


def test_user_when_shut_out_is_refused_at_the_next_request_by_session_and_by_token(
    api: Api, api_clock: FixedClock
) -> None:
    """S39, S14: in the process that shut the user out, before anything was told to it."""
    admin = api.person("root@example.com", role="admin")
    victim = api.person("victim@example.com", plan="pro")
    given = victim.post("/tokens", json={"name": "robot", "scopes": ["read"]})
    assert given.status_code == 201, given.text
    robot = given.json()["token"]
    assert get(api, "/bots", robot).status_code == victim.get("/bots").status_code == 200
    api_clock.at = api_clock.at.replace(minute=1)
    path = f"/admin/users/{victim.desk.user.user_id}/disable"
    assert admin.post(path, json={"reason": "stolen card"}).status_code == 200
    assert victim.get("/bots").status_code == 401
    assert get(api, "/bots", robot).status_code == 401
    ticket = victim.post("/events/tickets")
    assert ticket.status_code == 401
