"""An executor as a process: real servers and client, a sandbox venue; killed, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from candela.brokers.port import KeyRights
from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.opening import KeyGiven, Seen, add_keyed
from candela.vault.credential import Credential
from candela.vault.masterkeys import master_keys_from_text
from sandbox.venue import SandboxVenue
from tests.live.executor.worlds import MASTER, People

if TYPE_CHECKING:
    from pathlib import Path

    from candela.db.connect import Database
    from candela.desk.users import User

MINUTE = timedelta(minutes=1)
_RESEARCH = ("vectorbt", "dagster", "great_expectations", "pandas")


@dataclass
class Site:
    """One machine: where an executor finds database, Redis and venue."""

    people: People
    user: User
    venue: SandboxVenue
    environment: dict[str, str]

    @contextmanager
    def executor(self, name: str, *more: str) -> Generator[subprocess.Popen[bytes]]:
        words = ["-m", "candela.commands.app", "executor", "--supervised", name, *more]
        process = subprocess.Popen([sys.executable, *words], env=self.environment)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def say(self, definition: str, bar_at: datetime, **decision: object) -> None:
        """Store a signal and tell of it, as the evaluation does."""
        payload = {
            "instrument": "binance:BTC/USDT",
            "timeframe": "1m",
            "bar_at": bar_at.isoformat(),
            "definitions": [definition],
        }
        with self.people.database.connect(Role.EXECUTOR) as connection:
            connection.execute(
                "INSERT INTO live.signals (definition_id, bar_at, status, decision, bars_digest,"
                " bars, known_at, evaluated_at, epoch)"
                " VALUES (%s, %s, 'ok', %s, '', 1, now(), now(), 1)",
                (definition, bar_at, Jsonb(decision)),
            )
            connection.execute(
                "INSERT INTO live.outbox (stream, key, payload) VALUES ('signals', %s, %s)",
                (f"{definition} {bar_at}", Jsonb(payload)),
            )

    def price(self) -> float:
        """Return what the venue asks for a coin now."""
        engine, (symbol, *_) = self.venue.engine, self.venue.listing.symbols.values()
        return float(self.venue.call(lambda: engine.quote(symbol))[1])

    def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        return self.people.rows(self.user, query, **values)

    def count(self, query: str) -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {query}")[0]["n"])


@pytest.fixture
def site(database: Database, redis_url: str, tmp_path: Path) -> Generator[Site]:
    people = People(database, FixedClock(datetime.now(UTC)))
    with SandboxVenue() as venue:
        environment = {
            **os.environ,
            "CANDELA_STATE_DIR": str(tmp_path / "state"),
            "CANDELA_DATABASE_URL": database.admin_url.get_secret_value(),
            "CANDELA_REDIS_URL": redis_url,
            "CANDELA_MASTER_KEYS": MASTER,
            "CANDELA_VENUE_GATEWAY": f"{venue.gateway.address}:{venue.gateway.port}",
            "CANDELA_VENUE_GATEWAY_CA": str(venue.gateway.certificate_authority),
        }
        yield Site(people, people.user(plan="enterprise"), venue, environment)


def keyed(site: Site) -> tuple[UUID, str]:
    """Return an account at the sandbox, and its key."""
    key, secret = site.venue.add_account({"USDT": "10000"})
    made = add_keyed(
        site.people.database,
        site.user.tenant_id,
        name="venue",
        venue="binance",
        mode="live",
        key=KeyGiven(Credential(key), Credential(secret)),
        look=lambda _: Seen(KeyRights(can_trade=True), {"USDT": Decimal(10_000)}),
        masters=master_keys_from_text(SecretStr(MASTER)),
        clock=site.people.clock,
    )
    return made.account_id, key


def until(
    is_so: Callable[[], bool],
    within_s: float = 100.0,
    process: subprocess.Popen[bytes] | None = None,
) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert process is None or process.poll() is None, "the executor ended"
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def bar() -> datetime:
    """Return the start of the last closed minute."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - MINUTE


@pytest.mark.slow
def test_executor_when_killed_in_mid_run_then_the_next_one_ends_with_the_venues_books(
    site: Site,
) -> None:
    account, key = keyed(site)
    paper = site.people.paper(site.user)
    for number in range(4):
        place = account if number % 2 else paper
        site.people.bot(site.user, place, f"bot{number}", definition=f"d{number}")
    running = "trading.bots WHERE state = 'running'"

    with site.executor("first") as first:
        until(lambda: site.count(running) == 4, process=first)
        for number in range(4):
            site.say(f"d{number}", bar(), long_entry=True, close=site.price())
        until(lambda: bool(site.venue.ledger.executions(key)))
        first.send_signal(signal.SIGKILL)
        first.wait()
    with site.executor("second", "--succeed", "first") as second:
        until(lambda: site.count("live.executors WHERE executor = 'second'") == 1, process=second)
        until(lambda: site.count("trading.positions WHERE quantity > 0") == 4)
        for number in range(4):
            site.say(f"d{number}", bar() + MINUTE, long_exit=True, close=site.price())
        until(lambda: site.count("trading.trades WHERE status = 'closed'") == 4)
        loaded = second_modules(second)
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0

    theirs = sorted(
        (str(one.trade_id), Decimal(one.quantity), Decimal(one.price))
        for one in site.venue.ledger.executions(key)
    )
    ours = sorted(
        (row["trade_id"], row["quantity"], row["price"])
        for row in site.rows(
            "SELECT trade_id, quantity, price FROM trading.fills WHERE account_id = %(account)s",
            account=account,
        )
    )
    assert ours == theirs
    balances = {
        row["ccy"]: (row["total"], row["reserved"])
        for row in site.rows(
            "SELECT ccy, total, reserved FROM trading.balances WHERE account_id = %(account)s",
            account=account,
        )
        if row["total"]
    }
    at_venue = {
        asset: (free + locked, Decimal(0))
        for asset, (free, locked) in site.venue.ledger.balances(key).items()
        if free + locked
    }
    assert balances == at_venue
    for held in ("trading.positions WHERE quantity <> 0", "trading.reservations WHERE amount > 0"):
        assert site.count(held) == 0
    assert site.count("trading.intents WHERE state NOT IN ('done', 'failed')") == 0
    used = site.rows("SELECT purpose, used_by FROM tenancy.secret_uses ORDER BY used_at")
    assert [(row["purpose"], row["used_by"]) for row in used] == [
        ("trade", "first"),
        ("trade", "second"),
    ]
    assert not loaded


def second_modules(process: subprocess.Popen[bytes]) -> list[str]:
    """Return libraries of research that a process has mapped into memory."""
    maps = {one.path for one in psutil.Process(process.pid).memory_maps()}
    return [name for name in _RESEARCH if any(f"/{name}/" in path for path in maps)]


def test_executor_when_its_parent_is_gone_then_it_drains_by_itself(site: Site) -> None:
    launcher = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[1:]])\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    words = ["-m", "candela.commands.app", "executor", "--supervised", "orphan"]
    parent = subprocess.Popen(
        [sys.executable, "-c", launcher, *words],
        env=site.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid = int(parent.stdout.readline())
    until(lambda: site.count("live.executors WHERE stopped_at IS NULL") == 1)

    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()

    until(lambda: not psutil.pid_exists(pid), 30)
    assert site.count("live.executors WHERE stopped_at IS NOT NULL") == 1
    assert site.count("live.shards WHERE owner IS NOT NULL") == 0
