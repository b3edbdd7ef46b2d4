"""What all accounts of one venue share in a process: connections, listing, clock and budget."""

from __future__ import annotations

import asyncio
import logging
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from candela.brokers.codes.ruling import content_of, judge
from candela.brokers.port import NoInformation
from candela.brokers.sending import SigningClock
from candela.orders.words import OutcomeKind
from candela.venues.budget import RequestBudget
from candela.venues.door import Environment, open_account_exchange, record
from candela.venues.errors import BudgetExhausted, UnknownSymbol
from candela.venues.gateway import connector
from candela.venues.limits import MAIN_POOL, limit_of, used_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import aiohttp

    from candela.brokers.codes.ruling import CodeTable, Ruling
    from candela.clock import Clock
    from candela.venues.classify import Answer
    from candela.venues.door import Keys, Pace
    from candela.venues.gateway import VenueGateway
    from candela.venues.limits import VenueLimit

__all__ = ["QUESTION_WAIT_S", "RECEIVE_WINDOW_S", "SEND_TIMEOUT_S", "VenueHouse"]

_LOG: Final = logging.getLogger(__name__)
SEND_TIMEOUT_S: Final = 12.0
"""Longer than the 10 s after which Binance itself gives an order up, so that it can say so."""
RECEIVE_WINDOW_S: Final = 5.0
"""How old a signature may be when it reaches a venue, where an adapter says nothing else."""
QUESTION_WAIT_S: Final = 10.0
"""How long a question waits for room in the budget."""
_QUESTIONS_SHARE: Final = 0.8
# Not all of it: requests arrive closer together than they are sent.
_SENDS_SHARE: Final = 0.95
_CLOCK_EVERY_S: Final = 60.0
_CLOCK_SAMPLES: Final = 3
# A round trip longer than this leaves the middle of it too uncertain.
_GOOD_ROUND_TRIP_MS: Final = 400
_WALL_S: Final = 60.0
_GOODBYE_S: Final = 0.05


class VenueHouse:
    """Hold one venue and environment for all its accounts in a process.

    One exchange without a key leads: it loads what is listed, 47 MiB at Binance, and each account
    shares that, the TLS context and the connections. Everything runs in the event loop that first
    uses it.

    Parameters
    ----------
    redis_url
        Where the request budget of this address is kept; None for one process alone.
    """

    def __init__(
        self,
        venue: str,
        *,
        codes: CodeTable,
        clock: Clock,
        environment: Environment = Environment.LIVE,
        redis_url: str | None = None,
        gateway: VenueGateway | None = None,
        timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        self.venue = venue
        self.environment = environment
        self.codes = codes
        self.clock = clock
        self.timeout_s = timeout_s
        self._gateway = gateway
        # A playground counts by itself, by the rules of the venue.
        name = venue if environment is Environment.LIVE else f"{venue}-{environment}"
        self._questions = RequestBudget(name, redis_url, share=_QUESTIONS_SHARE)
        self._sends = RequestBudget(name, redis_url, share=_SENDS_SHARE)
        self._http: aiohttp.ClientSession | None = None
        self._context: ssl.SSLContext | None = None
        self._leader: Any = None
        self._accounts: WeakSet[Any] = WeakSet()
        self._loading: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None

    @property
    def leader(self) -> Any:  # ccxt has no types that hold for every exchange
        """The exchange without a key, for public calls."""
        if self._leader is None:
            self._leader = self._make(None, None, self.pace_questions)
        return self._leader

    def account(
        self,
        keys: Keys,
        pace: Pace,
        heard: Callable[[object], bool],
    ) -> Any:
        """Return an exchange for one account; it shares all that can be shared."""
        leader = self.leader
        exchange = self._make(keys, heard, pace)
        exchange.options["timeDifference"] = leader.options["timeDifference"]
        if leader.markets:
            exchange.set_markets_from_exchange(leader)
        self._accounts.add(exchange)
        return exchange

    async def ready(self, exchange: Any) -> None:
        """Load what the venue lists and measure its clock, once for all, and share it.

        Raises
        ------
        NoInformation
            The venue gave neither.
        """
        leader = self.leader
        if self._ticking is None:
            await self.measure_clock()
            self._ticking = asyncio.create_task(self._tick())
        if not leader.markets:
            if self._loading is None or self._loading.done():
                self._loading = _watched(self._load())
            # Many accounts wait for one load, and one of them given up must not end it.
            await asyncio.shield(self._loading)
        if exchange is not leader and not exchange.markets:
            exchange.set_markets_from_exchange(leader)

    def market(self, symbol: str) -> dict[str, Any]:
        """Return what ccxt knows of a listed symbol.

        Raises
        ------
        UnknownSymbol
            It is not listed; the hint names near ones.
        """
        markets = cast("dict[str, dict[str, Any]]", self.leader.markets or {})
        found = markets.get(symbol)
        if found is not None and found.get("spot") is not False:
            return found
        from difflib import get_close_matches

        near = get_close_matches(symbol.upper(), [one for one in markets if ":" not in one], n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else None
        raise UnknownSymbol(f"{self.venue} does not list {symbol!r} for spot orders.", hint)

    def symbol_of(self, market_id: str) -> str:
        """Return the symbol of a venue's own name of a market; the name itself if not listed."""
        found = cast("dict[str, Any]", self.leader.markets_by_id or {}).get(market_id)
        rows = cast("list[dict[str, Any]]", found if isinstance(found, list) else [])
        spot = next((row for row in rows if row.get("spot")), None)
        return str(spot["symbol"]) if spot is not None else market_id

    def currency(self, code: str) -> str:
        """Return our name of a venue's currency."""
        return str(self.leader.safe_currency_code(code))

    async def measure_clock(self) -> None:
        """Measure the difference of the clocks anew, and give it to every account.

        The smallest round trip of a few counts: what an answer took would otherwise make our
        requests look old.

        Raises
        ------
        NoInformation
            The venue did not tell its time.
        """
        if self._measuring is None or self._measuring.done():
            self._measuring = _watched(self._measure())
        await asyncio.shield(self._measuring)

    async def pace_questions(self, pool: str, cost: float) -> None:
        """Wait until a question may be asked."""
        await self.spend(pool, cost, is_send=False, timeout_s=QUESTION_WAIT_S)

    async def spend(self, pool: str, cost: float, *, is_send: bool, timeout_s: float) -> None:
        """Spend of what this address may ask of the venue; a part is kept for orders.

        Raises
        ------
        BudgetExhausted
            There is no room, or a block holds, for longer than the time-out.
        """
        budget = self._sends if is_send else self._questions
        limit, rate_ms = self._limit(pool), float(self.leader.rateLimit)
        await budget.acquire(pool, limit, limit.weight(cost, rate_ms), timeout_s)

    async def blocked_s(self) -> float:
        """Return how long the venue must be left alone, in seconds."""
        return max(await self._sends.blocked_s(), await self._questions.blocked_s())

    async def take_in(self, answer: Answer, ruling: Ruling) -> None:
        """Learn from an answer what was used, and stop all where the address must wait."""
        if ruling.kind is OutcomeKind.THROTTLED and ruling.is_for_address:
            await self.block(ruling.wait_s, f"{ruling.code} {ruling.words}")
        elif answer.status == HTTPStatus.FORBIDDEN and content_of(answer) is None:
            # A page of its firewall: the address asks too much.
            await self.block(_WALL_S, f"HTTP 403 from {answer.place}")
        used = used_weight(self._limit(MAIN_POOL), answer.headers)
        if used is None or (self._noting is not None and not self._noting.done()):
            return
        # Windows of a minute end with the minute of the venue's clock.
        offset_s = float(self.leader.options["timeDifference"]) / 1_000
        left_s = 60.0 - (self.clock.now().timestamp() - offset_s) % 60.0
        self._noting = asyncio.create_task(self._questions.observe(MAIN_POOL, used, left_s))

    async def block(self, wait_s: float, reason: str) -> None:
        """Let nothing leave for the venue for a while, from any process of this address."""
        await self._questions.block(wait_s, reason)
        await self._sends.block(wait_s, reason)

    async def close(self) -> None:
        """Let go of connections and tasks."""
        tasks = [self._loading, self._measuring, self._ticking, self._noting]
        live = [task for task in tasks if task is not None]
        for task in live:
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)
        if self._leader is not None:
            # ccxt's own close() waits a quarter of a second, and has nothing of ours to close.
            self._leader.session = None
            self._leader = None
        if self._http is not None:
            await self._http.close()
            self._http = None
            # Sockets that were given up are not the session's any more, and say goodbye by TLS.
            await asyncio.sleep(_GOODBYE_S)
        await self._questions.close()
        await self._sends.close()
        self._loading = self._measuring = self._ticking = self._noting = None

    def _make(
        self,
        keys: Keys | None,
        heard: Callable[[object], bool] | None,
        pace: Pace,
    ) -> Any:
        import aiohttp
        import certifi

        if self._http is None:
            # Accounts of many people share the connections: no cookie of one may reach another.
            self._http = aiohttp.ClientSession(
                # The stream of each account holds a connection for ever.
                connector=connector(self._gateway, limit=0),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._context = ssl.create_default_context(cafile=certifi.where())
        exchange = open_account_exchange(
            self.venue,
            self._http,
            pace,
            SigningClock(self.clock),
            self.timeout_s,
            environment=self.environment,
            keys=keys,
            heard=heard,
            context=self._context,
        )
        exchange.options["recvWindow"] = round(RECEIVE_WINDOW_S * 1_000)
        return exchange

    def _limit(self, pool: str) -> VenueLimit:
        return limit_of(self.venue, pool, float(self.leader.rateLimit))

    async def _load(self) -> None:
        with record() as call:
            try:
                markets = cast("object", await self.leader.load_markets(reload=True))
            except Exception as error:  # noqa: BLE001 - ccxt raises every kind; all mean the same
                reason = f"{type(error).__name__}"
                markets = None
            else:
                reason = "the listing is empty"
        for answer in call.answers:
            await self.take_in(answer, judge(self.codes, answer))
        if not markets:
            message = f"{self.venue} did not tell what it lists: {reason}."
            raise NoInformation(message, "It is asked again later.")

    async def _measure(self) -> None:
        best_ms: int | None = None
        difference = 0
        reason = "no answer"
        for _ in range(_CLOCK_SAMPLES):
            sent = round(self.clock.now().timestamp() * 1_000)
            with record() as call:
                try:
                    told = cast("object", await self.leader.fetch_time())
                except BudgetExhausted as error:
                    reason = error.message
                    break
                except Exception as error:  # noqa: BLE001 - as above
                    reason, told = type(error).__name__, None
            received = round(self.clock.now().timestamp() * 1_000)
            for answer in call.answers:
                await self.take_in(answer, judge(self.codes, answer))
            if not isinstance(told, int) or isinstance(told, bool) or told <= 0:
                continue
            if best_ms is None or received - sent < best_ms:
                best_ms, difference = received - sent, received - told
            if best_ms <= _GOOD_ROUND_TRIP_MS:
                break
        if best_ms is None:
            message = f"{self.venue} did not tell its time: {reason}."
            raise NoInformation(message, "It is asked again later.")
        for exchange in (self.leader, *self._accounts):
            exchange.options["timeDifference"] = difference

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_EVERY_S)
            try:
                await self.measure_clock()
            except NoInformation as error:
                # The difference known so far is kept; a request it is too old for is measured anew.
                _LOG.warning("%s", error.message)


def _watched(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start what several callers wait for; its failure is theirs, also where none is left."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
