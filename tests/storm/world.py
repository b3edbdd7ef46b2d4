"""The world of a storm: servers, venue, users with bots, and executors as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self
from uuid import UUID

import psycopg

from candela.bots.config import config_from
from candela.bots.market import Market
from candela.brokers.port import KeyRights
from candela.clock import SystemClock
from candela.db.migrate import migrate
from candela.desk.bots import create_bot
from candela.desk.opening import KeyGiven, Seen, add_keyed, add_paper
from candela.desk.running import start_bot
from candela.desk.session import tenant_session
from candela.desk.users import User, create_user
from candela.embedded import Places, open_places, stop_servers
from candela.errors import CandelaError
from candela.orders.words import InstrumentRules, OrderKind
from candela.settings import Settings
from candela.vault.credential import Credential
from candela.vault.keyfile import master_keys_from_file
from strategies.defining import define
from strategies.registry import find
from tests.storm.witness import watch

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["World"]

_STRATEGY: Final = '''"""Buys on one bar and sells on the next: something is always on its way."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.signals import Signals


class Turns(Parameters):
    """Which bars it buys on."""

    phase: int = parameter(0, "buys where minutes and phase are even", ge=0, le=60)
    rests: bool = parameter(False, "whether entries rest below the market")


@strategy(name="turns", parameters=Turns, warm_up=lambda _: 2, source="made for storms")
def turns(bars: Bars, chosen: Turns) -> Signals:
    """Buy on even minutes, sell on odd ones."""
    even = (bars.time // 60_000_000 + chosen.phase) % 2 == 0
    price = bars.close * 0.9999 if chosen.rests else np.full(len(bars), np.nan)
    return Signals(long_entries=even, long_exits=~even, limit_price=price)
'''
_CANDELA: Final = (str(Path(sys.executable).with_name("candela")),)
_START_S: Final = 60.0


@dataclass
class World:
    """Everything of one storm; a context manager that ends all it started.

    Parameters
    ----------
    folder
        Short, since sockets are made in it.
    users, bots
        Live accounts at the venue, one a user; bots are dealt out to them in turn.
    """

    folder: Path
    users: int = 10
    bots: int = 100
    speed: float = 1.0
    symbols: tuple[str, ...] = ("BTC/USDT", "ETH/USDT")
    fault_rate: float = 0.05
    seed: int = 1
    executors: dict[str, subprocess.Popen[str]] = field(
        default_factory=dict[str, "subprocess.Popen[str]"]
    )
    accounts: dict[UUID, str] = field(default_factory=dict[UUID, str])
    sandbox: subprocess.Popen[str] | None = None
    running: dict[str, Any] = field(default_factory=dict[str, Any])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    users_made: list[User] = field(default_factory=list[User])
    deaths: list[str] = field(default_factory=list[str])
    _logs: list[IO[str]] = field(default_factory=list[IO[str]])

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        migrate(self.database)
        watch(self.database)
        strategies = self.folder / "strategies"
        strategies.mkdir(exist_ok=True)
        (strategies / "turns.py").write_text(_STRATEGY, "utf-8")
        self.start_sandbox()
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.executors.values(), self.sandbox]:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.communicate()
        stop_servers(self.folder)
        for log in self._logs:
            log.close()

    @property
    def settings(self) -> Settings:
        """The settings of every process of this world."""
        return Settings(state_dir=self.folder, database_url=None, redis_url=None)

    @cached_property
    def places(self) -> Places:
        """The servers, started where they do not run."""
        return open_places(self.settings)

    @property
    def database(self) -> Database:
        """The database."""
        return self.places.database

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process of this world."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("CANDELA_")}
        own |= {"CANDELA_STATE_DIR": str(self.folder), "CANDELA_LOG_FORMAT": "json"}
        if self.running:
            own |= {
                "CANDELA_VENUE_GATEWAY": self.running["gateway"],
                "CANDELA_VENUE_GATEWAY_CA": self.running["authority"],
            }
        return own

    def start_sandbox(self) -> None:
        """Start the venue; after a kill it goes on with its ledger, on its ports."""
        arguments = ["sandbox", "--json", "--speed", str(self.speed), "--seed", str(self.seed)]
        arguments += ["--keep", str(self.folder / "venue"), "--pieces", "3"]
        arguments += ["--fault-rate", str(self.fault_rate)]
        for symbol in self.symbols:
            arguments += ["--symbol", symbol]
        if self.running:
            # Where it was, with its ledger: whoever trades there must not notice another venue.
            arguments += ["--port", self.running["gateway"].rpartition(":")[2]]
            arguments += ["--control-port", self.running["control_url"].rpartition(":")[2]]
        self.sandbox = self._start("sandbox", arguments, stdout=subprocess.PIPE)
        assert self.sandbox.stdout is not None
        self.running = json.loads(_first_object(self.sandbox.stdout))

    def kill_sandbox(self) -> None:
        """Kill the venue; what it logged of requests is kept here, since it is in its memory."""
        self.requests += self.control("GET", "ledger")["requests"]
        assert self.sandbox is not None
        self.sandbox.kill()
        # Its pipe is closed with it.
        self.sandbox.communicate()

    def ledger(self) -> dict[str, Any]:
        """Return the venue's ledger, with the requests of all its lives."""
        told: dict[str, Any] = self.control("GET", "ledger")
        told["requests"] = [*self.requests, *told["requests"]]
        return told

    def reopen(self) -> None:
        """Start the servers that do not run, and wait until the database answers."""
        del self.__dict__["places"]
        deadline = time.monotonic() + _START_S
        while True:
            try:
                with self.database.connect(autocommit=True) as connection:
                    connection.execute("SELECT 1")
            except (psycopg.Error, CandelaError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def revive(self) -> None:
        """Start again each executor that has ended."""
        for name, process in list(self.executors.items()):
            if process.poll() is not None:
                self.deaths.append(name)
                self.start_executor(name)

    def held(self, began: float) -> float:
        """Wait until all parts are held by executors that started since; return the seconds."""
        pid = next(iter(self.executors.values())).pid
        query = (
            "SELECT count(*) FROM live.shards AS s INNER JOIN live.executors AS e"
            f" ON e.executor = s.owner WHERE s.kind = 'trade' AND e.pid = {pid}"
        )
        self.wait("all parts held", query, 64)
        return time.monotonic() - began

    def start_executor(self, name: str) -> None:
        """Start, or start again, an executor."""
        self.executors[name] = self._start(name, ["executor"])

    def _start(
        self, name: str, arguments: list[str], *, stdout: int | None = None
    ) -> subprocess.Popen[str]:
        log = (self.folder / f"{name}.log").open("a", encoding="utf-8")
        self._logs.append(log)
        return subprocess.Popen(
            [*_CANDELA, *arguments],
            env=self.environment,
            stdout=log if stdout is None else stdout,
            stderr=log,
            text=True,
        )

    def control(self, method: str, path: str, content: object = None) -> Any:
        """Ask the venue's control interface."""
        url = f"{self.running['control_url']}/control/{path}"
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def people(self, *, capital: str = "200") -> None:
        """Make users, accounts at the venue, and bots that are to run."""
        clock = SystemClock()
        made = self.users_made = [self._user(number, clock) for number in range(self.users)]
        for number in range(self.bots):
            user = made[number % self.users]
            self._bot(user, number, clock, capital)

    def _user(self, number: int, clock: SystemClock) -> User:
        user = create_user(
            self.database, f"user{number}@example.com", clock=clock, plan="enterprise"
        )
        balances = {"USDT": "1000000", "BTC": "0", "ETH": "0"}
        opened = self.control("POST", "accounts", {"name": f"user{number}", "balances": balances})
        masters = master_keys_from_file(self.folder / "master-keys", create=True)
        totals = {ccy: Decimal(amount) for ccy, amount in balances.items() if Decimal(amount)}
        row = add_keyed(
            self.database,
            user.tenant_id,
            name="venue",
            venue="binance",
            mode="live",
            key=KeyGiven(Credential(opened["key"]), Credential(opened["secret"])),
            look=lambda _: Seen(KeyRights(), totals),
            masters=masters,
            clock=clock,
        )
        self.accounts[row.account_id] = f"user{number}"
        return user

    def paper(self, number: int, *, opening: str = "1000000") -> User:
        """Make a user with a paper account."""
        clock = SystemClock()
        user = create_user(
            self.database, f"paper{number}@example.com", clock=clock, plan="enterprise"
        )
        with tenant_session(self.database, user.tenant_id) as session:
            add_paper(session, name="venue", venue="binance", opening=Decimal(opening), clock=clock)
        return user

    def _bot(self, user: User, number: int, clock: SystemClock, capital: str) -> None:
        symbol = self.symbols[number % len(self.symbols)]
        values: dict[str, Any] = {
            "strategy": "turns",
            "parameters": {"phase": number % 2, "rests": number % 3 == 0},
            "instrument": f"binance:{symbol}",
            "timeframe": "1m",
            "capital": capital,
            "sizing": {"kind": "fixed_value", "value": 100},
        }
        if number % 4 == 1:
            # Near enough that many are filled, and all are in the way of the next exit.
            values |= {"stop_loss": "0.001", "protect_at_venue": True}
        self.bot(user, f"bot {number}", values, clock=clock)

    def bot(self, user: User, name: str, values: Mapping[str, Any], *, clock: SystemClock) -> None:
        """Make a bot that is to run."""
        strategy = find(str(values["strategy"]), folder=self.folder / "strategies")
        parameters = strategy.with_values(values["parameters"])
        full = {**values, "parameters": parameters.model_dump(mode="json")}
        config = config_from(full)
        symbol = config.symbol
        base, _, quote = symbol.partition("/")
        rules = InstrumentRules(
            symbol=symbol,
            base=base,
            quote=quote,
            kinds=frozenset({OrderKind.MARKET, OrderKind.LIMIT}),
        )
        definition = define(strategy, parameters, config.traded, config.interval)
        with tenant_session(self.database, user.tenant_id) as session:
            create_bot(
                session,
                name=name,
                account="venue",
                config=config,
                definition=definition,
                market=Market(config.traded, rules),
                created_by="storm",
                clock=clock,
            )
            start_bot(session, name, clock=clock)

    def count(self, query: str) -> int:
        """Return the one number that a query asks for."""
        with self.database.connect(autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def counted(self, query: str) -> int | None:
        """Return the number of a query; None while the database does not answer."""
        try:
            return self.count(query)
        except (psycopg.Error, CandelaError):
            return None

    def wait(self, words: str, query: str, least: int = 1, within_s: float = _START_S) -> float:
        """Wait until a query gives so much; return the seconds that it took.

        Raises
        ------
        TimeoutError
            It did not.
        """
        began = time.monotonic()
        while (self.counted(query) or 0) < least:
            if time.monotonic() - began > within_s:
                message = f"{words} did not happen within {within_s:.0f} s"
                raise TimeoutError(message)
            time.sleep(0.05)
        return time.monotonic() - began


def _first_object(stream: IO[str]) -> str:
    """Read lines until they are one JSON object."""
    text = ""
    while True:
        line = stream.readline()
        if not line:
            message = f"the sandbox ended: {text}"
            raise RuntimeError(message)
        text += line
        try:
            json.loads(text)
        except ValueError:
            continue
        return text
