"""Putting an executor together from a database, a Redis and the venues."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import psutil

from candela.brokers.opening import VenueBrokers
from candela.db.connect import Role
from candela.ids import new_id
from live.alerts import Alerts
from live.executor.bet_brokers import PaperBets
from live.executor.betting import Betting
from live.executor.crew import Crew, Tools
from live.executor.fanout import FanOut
from live.executor.inheriting import host_name
from live.executor.keychecks import KeyChecks
from live.executor.looking import Looking
from live.executor.process import Executor, Parts
from live.executor.roster import Roster
from live.executor.rounds import Rounds
from live.executor.settling import Settler
from live.executor.venues import KeyRing, Venues
from live.feed.clients import VenueClients
from live.feed.feed import Feed
from live.feed.quotes import QuoteHub, VenueQuotes
from live.journal.journal import Journal
from live.leases.keeper import TERM_S, LeaseKeeper
from live.leases.table import PARTS, Kind
from live.leases.table import Executor as Owner
from live.metrics.endpoint import Endpoint
from live.metrics.figures import Figures
from live.metrics.weights import Weights
from live.signals.stored import StoredSignals
from live.signals.worker import SignalsWorker
from live.store.bets import PostgresBetStore
from live.store.pool import ConnectionPool
from live.store.port import Lease, LeaseLost
from live.store.postgres import PostgresStore
from live.streams.consumer import Consumer
from live.streams.link import DatabaseLink
from live.streams.publisher import Publisher
from live.telling import Telling

if TYPE_CHECKING:
    from candela.brokers.stream import Pace
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.vault.masterkeys import MasterKeys
    from candela.venues.client import VenueClient
    from candela.venues.gateway import VenueGateway

__all__ = ["Makings", "compose", "executor_name"]

_CONNECTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Makings:
    """What an executor is made with.

    Parameters
    ----------
    name
        No other process, before or after, has it; see `executor_name`.
    open_client
        Makes the client of a venue, for candles and quotes.
    port
        Of the loopback page of figures; 0: the system chooses.
    term_s
        Of leases.
    """

    database: Database
    redis_url: str | None = field(repr=False)
    masters: MasterKeys = field(repr=False)
    clock: Clock
    name: str
    open_client: Callable[[str], VenueClient]
    gateway: VenueGateway | None = None
    port: int = 0
    term_s: float = TERM_S
    pace: Pace | None = None


def executor_name(now: datetime) -> str:
    """Return a name that no other process has: host, process, and an id of its own."""
    return f"{socket.gethostname()}-{os.getpid()}-{str(new_id(now))[-6:]}"


def compose(makings: Makings) -> tuple[Executor, Parts]:
    """Return an executor and its parts, ready to run in the present event loop."""
    database, clock, name = makings.database, makings.clock, makings.name
    executor, figures = Executor(), Figures()
    books = ConnectionPool(database, size=_CONNECTIONS, name=f"candela {name}")
    looks = ConnectionPool(database, size=1, name=f"candela {name} roster")
    leases = ConnectionPool(database, size=1, name=f"candela {name} leases")
    store = PostgresStore(books)
    journal = Journal(store, makings.redis_url, clock)
    told: dict[str, Callable[[], Mapping[str, Any]]] = {}
    keeper = LeaseKeeper(
        leases,
        Owner(name, host_name(), os.getpid()),
        term_s=makings.term_s,
        on_gained=executor.gained,
        on_lost=executor.lost,
        drain=executor.drain,
        figures=lambda: told["figures"]() if told else {},
    )

    def trading(shard: int) -> Lease | None:
        try:
            return keeper.lease("trade", shard)
        except LeaseLost:
            return None

    clients = VenueClients(makings.open_client)
    quotes = QuoteHub(lambda venue: VenueQuotes(clients.of(venue), clock), clock)
    houses = VenueBrokers(
        clock=clock, redis_url=makings.redis_url, gateway=makings.gateway, pace=makings.pace
    )
    venues = Venues(houses, quotes, clock, KeyRing(database, makings.masters, name, clock))
    tools = Tools(name, store, Roster(looks), venues, journal, figures, clock, trading,
                  executor.fail)  # fmt: skip
    settler = Settler(store, trading, journal, figures, clock, executor.let_go)

    betting = Betting(
        store,
        PostgresBetStore(books),
        PaperBets(clock),
        journal,
        figures,
        clock,
        trading,
        executor.fail,
        executor.let_go,
    )
    fanout = FanOut(settler, trading, quotes, clock, figures, executor.broken, betting)
    crew = Crew(tools, fanout)
    keys = KeyChecks(database, makings.masters, name, clock, houses, crew)
    alerts = Alerts(database, clock, lambda: keeper.held("trade"))
    telling = Telling(database, clock, lambda: keeper.held("trade"))
    looking = Looking(crew, settler, quotes, executor.begun, keys.hear)
    link = DatabaseLink(database, Role.EXECUTOR, f"{name} outbox")
    publisher = Publisher(link, makings.redis_url, clock)
    worker = SignalsWorker(
        database,
        makings.redis_url,
        name=name,
        publisher=publisher,
        clock=clock,
        leases=lambda: _held(keeper, "signals"),
    )
    feed = Feed(database, clients, publisher, clock, lambda: _held(keeper, "feed"))
    signals = StoredSignals(database, makings.redis_url, name=name, wants=fanout.knows)
    endpoint = Endpoint(figures, lambda: executor.is_ready, makings.port)
    told["figures"] = lambda: _figures(executor, crew, figures)
    weights = Weights(
        makings.redis_url, lambda: {one.partition(":")[0] for one in crew.instruments()}
    )
    _gauges(figures, crew, keeper, weights)

    async def close_signals() -> None:
        await worker.close(leave=True)
        await signals.close(leave=True)

    parts = Parts(
        crew=crew,
        fanout=fanout,
        rounds=Rounds(crew, settler),
        looking=looking,
        keeper=keeper,
        journal=journal,
        endpoint=endpoint,
        venues=venues,
        signals=signals,
        quotes=quotes,
        wanted=Consumer(database, makings.redis_url, ["wanted"], f"{name}.wanted"),
        working={
            "feed": feed.run,
            "evaluation": worker.run,
            "outbox": publisher.run,
            "weights": weights.run,
            "keys": keys.run,
            "alerts": alerts.run,
            "telling": telling.run,
        },
        closing=(
            close_signals,
            weights.close,
            publisher.close,
            link.close,
            venues.close,
            clients.close,
            store.close,
            looks.close,
            leases.close,
        ),
    )
    return executor, parts


def _held(keeper: LeaseKeeper, kind: Kind) -> dict[int, Lease]:
    found: dict[int, Lease] = {}
    for shard in keeper.held(kind):
        try:
            found[shard] = keeper.lease(kind, shard)
        except LeaseLost:
            continue  # its term ended between the two questions
    return found


def _figures(executor: Executor, crew: Crew, figures: Figures) -> dict[str, Any]:
    """Return what the heartbeat tells: small, and of no tenant."""
    return {
        "metrics": executor.address,
        "bots": sum(1 for _ in crew.runners()),
        "accounts": sum(1 for _ in crew.accounts()),
        "unknown_orders": sum(work.desk.unknown_open for work in crew.accounts()),
        "trades": figures.total("candela_trades_total"),
        "resident_mib": round(psutil.Process().memory_info().rss / 2**20),
    }


def _gauges(figures: Figures, crew: Crew, keeper: LeaseKeeper, weights: Weights) -> None:
    def bots() -> dict[str, float]:
        found: dict[str, float] = {}
        for _, runner in crew.runners():
            found[runner.state] = found.get(runner.state, 0) + 1
        return found

    def accounts() -> dict[str, float]:
        found: dict[str, float] = {}
        for work in crew.accounts():
            state = "ready" if work.desk.is_ready else "starting"
            state = "blocked" if work.said == "blocked" else state
            found[state] = found.get(state, 0) + 1
        return found

    figures.gauge("candela_bots", bots)
    figures.gauge("candela_accounts", accounts)
    figures.gauge(
        "candela_orders_unknown",
        lambda: {"": sum(work.desk.unknown_open for work in crew.accounts())},
    )
    figures.gauge(
        "candela_orders_open",
        lambda: {"": sum(work.desk.open_intents for work in crew.accounts())},
    )
    figures.gauge("candela_request_weight", lambda: weights.used)
    figures.gauge("candela_leases", lambda: {kind: len(keeper.held(kind)) for kind in PARTS})
    figures.gauge("candela_resident_bytes", lambda: {"": float(psutil.Process().memory_info().rss)})
