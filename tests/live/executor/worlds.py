"""An executor's inside over the real database: tenants, bots, a market whose prices a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import SecretStr

from candela.brokers.opening import VenueBrokers
from candela.brokers.port import NoInformation
from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.opening import add_paper
from candela.desk.session import TenantSession, tenant_session
from candela.desk.users import create_user
from candela.ids import new_id, shard_of
from candela.orders.words import InstrumentRules, Quote
from candela.vault.masterkeys import master_keys_from_text
from live.bots.runner import BotRunner
from live.executor.accounts import TenantWork
from live.executor.crew import Crew, Tools
from live.executor.fanout import FanOut
from live.executor.looking import Looking
from live.executor.roster import Roster
from live.executor.rounds import Rounds
from live.executor.settling import Settler
from live.executor.venues import KeyRing, Venues
from live.journal.journal import Journal
from live.metrics.figures import Figures
from live.store.pool import ConnectionPool
from live.store.port import Lease
from live.store.postgres import PostgresStore

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.desk.users import User

NOW = datetime(2024, 5, 6, 12, 0, 1, tzinfo=UTC)
BAR = datetime(2024, 5, 6, 11, 59, tzinfo=UTC)
INSTRUMENT = "binance:BTC/USDT"
RULES = InstrumentRules(
    "BTC/USDT",
    "BTC",
    "USDT",
    lot=Decimal("0.00001"),
    tick=Decimal("0.01"),
    minimum_quantity=Decimal("0.00001"),
    minimum_notional=Decimal(5),
    taker_fee=Decimal("0.001"),
)
MASTER = "1:q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="


class Prices:
    """A market of one symbol: what a test says its price is."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.price: Decimal | None = Decimal(50_000)

    def latest(self, instrument: str) -> Quote | None:
        """Return the quote of the test."""
        if self.price is None:
            return None
        return Quote(instrument.partition(":")[2], self.price, self.price, self.clock.at)

    async def quote(self, symbol: str) -> Quote:
        """Return the quote of the test."""
        found = self.latest(f"binance:{symbol}")
        if found is None:
            raise NoInformation("no price", "Set one.")
        return found

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return the rules of the one symbol."""
        del symbol, refresh
        return RULES


@dataclass(frozen=True, slots=True)
class Said:
    """A signal."""

    definition_id: str
    bar_at: datetime
    status: str = "ok"
    decision: Mapping[str, Any] = field(default_factory=dict[str, Any])


def entry(definition: str = "d1", bar: datetime = BAR, **more: object) -> Said:
    return Said(definition, bar, decision={"long_entry": True, "close": 50_000.0, **more})


def leaving(definition: str = "d1", bar: datetime = BAR, **more: object) -> Said:
    return Said(definition, bar, decision={"long_exit": True, "close": 50_000.0, **more})


class People:
    """What tests write into the database as users and executors would."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database = database
        self.clock = clock

    def user(self, number: int = 1, plan: str = "pro", zone: str = "UTC") -> User:
        return create_user(
            self.database, f"user{number}@example.com", clock=self.clock, plan=plan, zone=zone
        )

    def paper(self, user: User, name: str = "paper", opening: int = 10_000) -> UUID:
        with tenant_session(self.database, user.tenant_id) as session:
            made = add_paper(
                session, name=name, venue="binance", opening=Decimal(opening), clock=self.clock
            )
        return made.account_id

    def definition(self, name: str = "d1", warm_up: int = 10) -> None:
        with self.database.connect(Role.APP) as connection:
            connection.execute(
                "INSERT INTO live.definitions (definition_id, strategy, source_digest,"
                " parameters, instrument, timeframe, kind, warm_up)"
                " VALUES (%s, 'ma_cross', 'sha256:0', '{}', %s, '1m', 'spot', %s)"
                " ON CONFLICT DO NOTHING",
                (name, INSTRUMENT, warm_up),
            )

    def bot(
        self,
        user: User,
        account: UUID,
        name: str = "bot",
        *,
        definition: str = "d1",
        wanted: str = "running",
        **config: object,
    ) -> UUID:
        self.definition(definition)
        bot = new_id(self.clock.now())
        values = {
            "strategy": "ma_cross",
            "instrument": INSTRUMENT,
            "timeframe": "1m",
            "capital": "1000",
            "sizing": {"kind": "fixed_value", "value": 500.0},
            "costs": {"taker_fee_bps": 10.0},
            **config,
        }
        with tenant_session(self.database, user.tenant_id) as session:
            session.run(
                "INSERT INTO trading.bots (tenant_id, bot_id, name, account_id, version, wanted,"
                " wanted_at) VALUES (%(tenant)s, %(bot)s, %(name)s, %(account)s, 1, %(wanted)s,"
                " %(at)s)",
                {"bot": bot, "name": name, "account": account, "wanted": wanted, "at": NOW},
            )
            session.run(
                "INSERT INTO trading.bot_versions (tenant_id, bot_id, version, config,"
                " definition_id, created_by) VALUES (%(tenant)s, %(bot)s, 1, %(config)s,"
                " %(definition)s, 'test')",
                {"bot": bot, "config": Jsonb(values), "definition": definition},
            )
        return bot

    def lease(self, user: User, epoch: int = 1) -> Lease:
        shard = shard_of(user.tenant_id)
        with self.database.connect(Role.EXECUTOR) as connection:
            connection.execute(
                "UPDATE live.shards SET owner = 'test', epoch = %s,"
                " expires_at = now() + interval '1 hour' WHERE kind = 'trade' AND shard = %s",
                (epoch, shard),
            )
        return Lease(shard, epoch, "test")

    def session(self, user: User) -> Any:
        return tenant_session(self.database, user.tenant_id)

    def rows(self, user: User, query: str, **values: object) -> list[dict[str, Any]]:
        with tenant_session(self.database, user.tenant_id) as session:
            return _rows(session, query, values)


def _rows(session: TenantSession, query: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    return session.rows(query, values)


class World:
    """The inside of one executor."""

    def __init__(
        self, people: People, prices: Prices, leases: dict[int, Lease], redis_url: str | None = None
    ) -> None:
        clock = people.clock
        self.prices = prices
        self.people = people
        self.leases = leases
        self.clock = clock
        self.pool = ConnectionPool(people.database)
        self.store = PostgresStore(self.pool)
        self.figures = Figures()
        self.journal = Journal(self.store, redis_url, clock)
        self.failures: list[BaseException] = []
        self.broken: list[str] = []
        self.begun: list[BotRunner] = []
        masters = master_keys_from_text(SecretStr(MASTER))
        self.venues = Venues(
            VenueBrokers(clock=clock),
            prices,
            clock,
            KeyRing(people.database, masters, "test", clock),
            lambda _venue: prices,
        )
        self.settler = Settler(
            self.store, self.lease_of, self.journal, self.figures, clock, self._lose
        )
        self.fanout = FanOut(self.settler, self.lease_of, prices, clock, self.figures, self._broke)
        self.crew = Crew(
            Tools(
                executor="test",
                store=self.store,
                roster=Roster(self.pool),
                brokers=self.venues,
                journal=self.journal,
                figures=self.figures,
                clock=clock,
                leases=self.lease_of,
                fail=self.failures.append,
            ),
            self.fanout,
        )
        self.rounds = Rounds(self.crew, self.settler)
        self.looking = Looking(self.crew, self.settler, prices, self.begun.extend)

    def lease_of(self, shard: int) -> Lease | None:
        return self.leases.get(shard)

    def runner(self, bot: UUID) -> BotRunner:
        return next(runner for _, runner in self.crew.runners() if runner.bot_id == bot)

    def tenant(self, user: User) -> TenantWork:
        return self.crew.tenants[user.tenant_id]

    async def quiet(self) -> None:
        """Wait until no order is under way."""
        await until(lambda: not any(work.desk.open_intents for work in self.crew.accounts()))

    async def close(self, *, clean: bool = True) -> None:
        for shard in list(self.crew.known):
            await self.crew.close_shard(shard)
        if clean:
            await self.journal.close()
        await self.venues.close()
        await self.store.close()

    def _lose(self, shard: int) -> None:
        self.crew.lose(shard)

    def _broke(self, bots: list[tuple[TenantWork, BotRunner]], reason: str) -> None:
        self.broken += [runner.name for _, runner in bots]
        self.broken.append(reason)


async def until(is_so: Callable[[], bool], within_s: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline, "it never happened"
        await asyncio.sleep(0.01)


def forward(clock: FixedClock, **span: float) -> None:
    clock.at += timedelta(**span)
