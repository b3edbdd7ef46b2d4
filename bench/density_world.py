"""The world of the density figures: a venue, servers that time commits, and crowds of bots."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

import psutil
from psycopg.types.json import Jsonb

from candela.bots.config import config_from
from candela.bots.definition import Definition
from candela.clock import SystemClock
from candela.db.migrate import migrate
from candela.embedded import stop_servers
from candela.ids import new_id
from strategies.defining import define
from strategies.registry import find
from tests.storm.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.bots.config import BotConfig
    from candela.desk.users import User

__all__ = ["Crowd", "DensityWorld", "Memory", "memory_of"]

_INSTRUMENT: Final = "binance:BTC/USDT"
_STRATEGY: Final = '''"""Buys at one minute of a period and sells at the next one."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.signals import Signals


class Beats(Parameters):
    """When it buys."""

    phase: int = parameter(0, "minute of the period at which it buys", ge=0, le=10_000)
    period: int = parameter(40, "minutes from one purchase to the next", ge=2, le=10_000)


@strategy(name="beats", parameters=Beats, warm_up=lambda _: 50, source="made for measuring")
def beats(bars: Bars, chosen: Beats) -> Signals:
    """Buy at a minute of the period, sell one later; average and deviate for the work of it."""
    beat = (bars.time // 60_000_000 + chosen.phase) % chosen.period
    mean = np.convolve(bars.close, np.full(50, 0.02))[: len(bars)]
    return Signals(long_entries=(beat == 0) & (mean > 0.0), long_exits=beat == 1)
'''
_TIMED: Final = "SELECT (current_setting('track_commit_timestamp') = 'on')::integer"
_DEFINITION: Final = """
INSERT INTO live.definitions
    (definition_id, strategy, source_digest, parameters, instrument, timeframe, kind, warm_up,
     reads, timeframes, source)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_BOTS: Final = """
COPY trading.bots (tenant_id, bot_id, name, account_id, version, wanted, wanted_at)
FROM STDIN
"""
_VERSIONS: Final = """
COPY trading.bot_versions (tenant_id, bot_id, version, config, definition_id, created_by)
FROM STDIN
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many bots run what.

    Parameters
    ----------
    period
        Minutes between two purchases of a bot; it sells a minute after each, so that two bars in
        so many make it act.
    """

    bots: int
    tenants: int
    definitions: int
    period: int = 40
    is_live: bool = False

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.bots:,} {'live' if self.is_live else 'paper'}"


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and all that it started, in MiB."""

    rss: float
    pss: float
    own_rss: float
    processes: int


class DensityWorld(World):
    """A world whose database keeps when each transaction was committed."""

    def __enter__(self) -> Self:
        """Start what is needed, and nothing that a storm watches by: it would be measured too."""
        (self.folder / "strategies").mkdir(parents=True, exist_ok=True)
        migrate(self.database)
        with self.database.connect(autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        stop_servers(self.folder)
        self.reopen()
        assert self.count(_TIMED) == 1
        self.start_sandbox()
        return self

    def gather(self, crowd: Crowd) -> None:
        """Make the tenants, accounts and bots of a crowd; all of them are to run."""
        (self.folder / "strategies" / "beats.py").write_text(_STRATEGY, "utf-8")
        clock = SystemClock()
        users = [
            self._user(number, clock) if crowd.is_live else self.paper(number)
            for number in range(crowd.tenants)
        ]
        made = [self._defined(crowd, number) for number in range(crowd.definitions)]
        self._write(users, made, crowd)

    def _defined(self, crowd: Crowd, number: int) -> tuple[BotConfig, Definition]:
        strategy = find("beats", folder=self.folder / "strategies")
        parameters = strategy.with_values({"phase": number, "period": crowd.period})
        config = config_from(
            {
                "strategy": "beats",
                "parameters": parameters.model_dump(mode="json"),
                "instrument": _INSTRUMENT,
                "timeframe": "1m",
                "capital": "1000",
                "sizing": {"kind": "fixed_value", "value": 100},
            }
        )
        return config, define(strategy, parameters, config.traded, config.interval)

    def _write(
        self,
        users: Sequence[User],
        made: Sequence[tuple[BotConfig, Definition]],
        crowd: Crowd,
    ) -> None:
        now = datetime.now(UTC)
        with self.database.connect() as connection:
            rows = connection.execute("SELECT tenant_id, account_id FROM trading.accounts")
            account_of: dict[UUID, UUID] = dict(rows.fetchall())
            cursor = connection.cursor()
            cursor.executemany(_DEFINITION, [_row_of(one) for _, one in made])
            bots: list[tuple[Any, ...]] = []
            versions: list[tuple[Any, ...]] = []
            texts = [
                Jsonb(config.with_parameters(one.parameters).as_json()) for config, one in made
            ]
            for number in range(crowd.bots):
                # Each tenant has bots of many definitions, each definition bots of many tenants.
                row, place = divmod(number, len(users))
                chosen = (row + place * max(crowd.bots // len(users), 1)) % len(made)
                tenant, bot = users[place].tenant_id, new_id(now)
                bots.append((tenant, bot, f"bot {number}", account_of[tenant], 1, "running", now))
                definition = made[chosen][1].definition_id
                versions.append((tenant, bot, 1, texts[chosen], definition, "density"))
            with cursor.copy(_BOTS) as copy:
                for one in bots:
                    copy.write_row(one)
            with cursor.copy(_VERSIONS) as copy:
                for one in versions:
                    copy.write_row(one)
        with self.database.connect(autocommit=True) as connection:
            connection.execute("ANALYZE")

    def imported(self, name: str) -> list[str]:
        """Start an executor for a moment; return the top-level modules that it loaded."""
        log = self.folder / f"{name}.imports"
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("candela")), "executor"],
                env=self.environment | {"PYTHONPROFILEIMPORTTIME": "1"},
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
            time.sleep(15)
            process.terminate()
            process.wait(90)
        lines = log.read_text("utf-8", errors="replace").splitlines()
        names = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if "|" in line}
        return sorted(names)


def memory_of(pid: int) -> Memory:
    """Return what a process and its children occupy now; PSS counts what they share once."""
    root = psutil.Process(pid)
    sums = {"Rss": 0, "Pss": 0}
    own = 0
    family = [root, *root.children(recursive=True)]
    for one in family:
        for line in Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines():
            word, _, rest = line.partition(":")
            if word in sums:
                sums[word] += int(rest.split()[0])
                if word == "Rss" and one is root:
                    own = int(rest.split()[0])
    return Memory(sums["Rss"] / 1024, sums["Pss"] / 1024, own / 1024, len(family))


def _row_of(one: Definition) -> tuple[Any, ...]:
    return (
        one.definition_id,
        one.strategy,
        one.source_digest,
        Jsonb(dict(one.parameters)),
        str(one.instrument),
        str(one.timeframe),
        one.kind,
        one.warm_up,
        list(one.reads),
        one.timeframes,
        one.source,
    )
