"""The one door to ccxt: exchange classes whose pace, answers and shapes are under our control."""

from __future__ import annotations

import contextlib
import hashlib
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import urlsplit

from candela.venues.classify import Answer
from candela.venues.errors import (
    EnvironmentNotOffered,
    UnknownVenue,
    VenueLibraryTooOld,
)
from candela.venues.limits import pool_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Generator, Mapping

    import aiohttp

    from candela.clock import Clock

__all__ = [
    "CCXT_FLOOR",
    "WIDTH",
    "Call",
    "Environment",
    "Keys",
    "ShapeError",
    "load_library",
    "open_account_exchange",
    "open_exchange",
    "record",
    "require_library",
]

WIDTH: Final = 6
"""A candle row is time, open, high, low, close, volume; what follows them is not used."""
CCXT_FLOOR: Final = "4.5.90"
"""The oldest ccxt that the venue tests were run with; a resolver may pick a far older one."""


class ShapeError(Exception):
    """An answer is not what the call must give; caught where requests are repeated."""


@dataclass(slots=True)
class Call:
    """What happened on the wire during one call of ccxt, which may be several requests.

    Parameters
    ----------
    rows
        Candle rows as ccxt parsed them, before it sorted, filtered or dropped any; None where the
        exchange class has its own way.
    sent
        How many requests were handed to the network; 0 proves that nothing has left.
    """

    answers: list[Answer] = field(default_factory=list[Answer])
    rows: list[list[Any]] | None = None
    sent: int = 0

    def digest(self) -> str:
        """Return the sha256 of the bodies, in the order in which they came."""
        digest = hashlib.sha256()
        for answer in self.answers:
            digest.update(answer.body.encode())
        return f"sha256:{digest.hexdigest()}"


class Environment(StrEnum):
    """Where at a venue: with real money, or with that of its playgrounds."""

    LIVE = "live"
    TESTNET = "testnet"
    DEMO = "demo"


class Keys(Protocol):
    """The key of an account, revealed when a request is signed and held nowhere else."""

    def reveal_key(self) -> str:
        """Return the public half, as the venue named it."""
        ...

    def reveal_secret(self) -> str:
        """Return the secret half."""
        ...

    def reveal_passphrase(self) -> str:
        """Return the third part that some venues want; empty where there is none."""
        ...


class Pace(Protocol):
    """Wait until a request may be sent."""

    def __call__(self, pool: str, cost: float) -> Awaitable[None]:
        """Wait for a request of ccxt's cost in one pool of the venue."""
        ...


_SUCCESS: Final = 2
_CALL: Final[ContextVar[Call]] = ContextVar("candela_venue_call")


@contextlib.contextmanager
def record() -> Generator[Call]:
    """Record what happens on the wire in the block and in the tasks that it starts."""
    call = Call()
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)


def require_library() -> None:
    """Refuse a ccxt that is older than the floor.

    Raises
    ------
    VenueLibraryTooOld
        Newer ones pin their requirements, so that a resolver silently takes an old one.
    """
    installed = version("ccxt")
    if _numbers(installed) < _numbers(CCXT_FLOOR):
        message = f"ccxt {installed} is installed, but at least {CCXT_FLOOR} is needed."
        raise VenueLibraryTooOld(message, "Install from the lock: requirements/dev.lock.")


def load_library(*, has_streams: bool) -> None:
    """Import ccxt, which takes seconds: before anything is done that may not wait."""
    require_library()
    import_module("ccxt.pro" if has_streams else "ccxt.async_support")


def open_exchange(
    venue: str, session: aiohttp.ClientSession, pace: Pace, clock: Clock, timeout_s: float
) -> Any:  # ccxt has no types that hold for every exchange
    """Return a ccxt exchange whose every request goes through the session, pace and checks.

    Raises
    ------
    UnknownVenue
        ccxt has no exchange of that id; the hint names near ones.
    VenueLibraryTooOld
        The installed ccxt is older than the floor.
    """
    guarded = _guard(_class_of(venue, has_streams=False), venue, pace, clock)
    return _made(guarded, session, timeout_s)


def open_account_exchange(
    venue: str,
    session: aiohttp.ClientSession,
    pace: Pace,
    clock: Clock,
    timeout_s: float,
    *,
    environment: Environment = Environment.LIVE,
    keys: Keys | None = None,
    heard: Callable[[object], bool] | None = None,
    context: ssl.SSLContext | None = None,
) -> Any:  # ccxt has no types that hold for every exchange
    """Return a ccxt exchange for the spot orders of one account, or of none for what is public.

    It asks for spot only, repeats nothing by itself, and signs at the time of the clock less
    ``options["timeDifference"]``. It has streams where ccxt has any for the venue.

    Parameters
    ----------
    heard
        Takes each message of the streams; says whether ccxt should look at it, too.
    context
        One TLS context for all exchanges of a process: each would make its own of 0.6 MiB.

    Raises
    ------
    EnvironmentNotOffered
        The venue has no such playground.
    UnknownVenue, VenueLibraryTooOld
        As `open_exchange`.
    """
    base = _account_guard(
        _guard(_class_of(venue, has_streams=True), venue, pace, clock), keys, clock, heard
    )
    exchange = _made(base, session, timeout_s)
    if context is not None:
        exchange.ssl_context = context
    options = cast("dict[str, Any]", exchange.options)
    options["maxRetriesOnFailure"] = 0
    options["defaultType"] = "spot"
    options["fetchCurrencies"] = False
    options["fetchMargins"] = False
    options["adjustForTimeDifference"] = False
    options["timeDifference"] = 0
    if isinstance(options.get("fetchMarkets"), dict):
        options["fetchMarkets"]["types"] = ["spot"]
    _enter(exchange, venue, environment)
    return exchange


def _class_of(venue: str, *, has_streams: bool) -> type[Any]:
    require_library()
    import ccxt.async_support as ccxt

    ids = ccxt.exchanges
    if venue not in ids:
        near = get_close_matches(venue.lower(), ids, n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else "ccxt names it differently."
        raise UnknownVenue(f"No exchange has the id {venue!r}.", hint)
    if has_streams:
        import ccxt.pro

        if venue in ccxt.pro.exchanges:
            return cast("type[Any]", getattr(ccxt.pro, venue))
    return cast("type[Any]", getattr(ccxt, venue))


def _made(guarded: type[Any], session: aiohttp.ClientSession, timeout_s: float) -> Any:
    exchange = guarded(
        {
            "session": session,
            "timeout": round(timeout_s * 1_000),
            # Our pace takes the place of ccxt's limiter, which knows one instance only.
            "enableRateLimit": True,
            "enableLastHttpResponse": False,
            "enableLastJsonResponse": False,
        }
    )
    # Currencies are deposits and withdrawals: one more large answer that nothing here has use for.
    exchange.has["fetchCurrencies"] = False
    # A connector that may reach one gateway only must not be got round by a proxy.
    exchange.aiohttp_trust_env = False
    return exchange


def _enter(exchange: Any, venue: str, environment: Environment) -> None:
    if environment is Environment.LIVE:
        return
    # ccxt fails with a bare TypeError where a venue has none, or goes on to the real one.
    urls = cast("dict[str, Any]", exchange.urls)
    names = ("test",) if environment is Environment.TESTNET else ("demo", "demotrading")
    if not any(isinstance(urls.get(name), dict | str) for name in names):
        message = f"{venue} has no {environment} for spot orders."
        raise EnvironmentNotOffered(message, "Trade on paper there, or on the venue itself.")
    if environment is Environment.TESTNET:
        exchange.set_sandbox_mode(True)
    else:
        exchange.enable_demo_trading(True)  # noqa: FBT003


def _account_guard(
    base: type[Any], keys: Keys | None, clock: Clock, heard: Callable[[object], bool] | None
) -> type[Any]:
    parent: Any = base

    class Account(base):
        """An exchange class of one account."""

        # Read when a request is signed: no attribute of the object holds a secret.
        @property
        def apiKey(self) -> str:  # noqa: N802 - ccxt's name
            return keys.reveal_key() if keys is not None else ""

        @property
        def secret(self) -> str:
            return keys.reveal_secret() if keys is not None else ""

        @property
        def password(self) -> str:
            return keys.reveal_passphrase() if keys is not None else ""

        def milliseconds(self) -> int:
            return int(clock.now().timestamp() * 1_000)

        def handle_message(self, client: Any, message: Any) -> None:
            if heard is not None and not heard(message):
                return
            try:
                parent.handle_message(self, client, message)
            except Exception as error:  # noqa: BLE001 - told to whoever waits on the stream
                # Out of here it would end ccxt's reading of the socket without a word.
                client.reject(error)

    Account.__name__ = base.__name__
    return Account


def _guard(base: type[Any], venue: str, pace: Pace, clock: Clock) -> type[Any]:
    # super() would lose the type, and with it what little the checker can say here.
    parent: Any = base

    class Guarded(base):
        """An exchange class of ccxt with our hooks."""

        def calculate_rate_limiter_cost(
            self, api: Any, method: Any, path: Any, params: Any, config: Any = None
        ) -> Any:
            # throttle() follows at once, in the same task, without the section it needs.
            self.next_pool = pool_of(venue, api if isinstance(api, str) else str(api[0]))
            return parent.calculate_rate_limiter_cost(self, api, method, path, params, config or {})

        async def throttle(self, cost: Any = None) -> None:
            await pace(self.next_pool, float(cost if cost is not None else 1.0))

        async def fetch(
            self, url: str, method: str = "GET", headers: Any = None, body: Any = None
        ) -> Any:
            _CALL.get().sent += 1
            return await parent.fetch(self, url, method, headers, body)

        def on_rest_response(
            self,
            code: int,
            reason: str,
            url: str,
            method: str,
            response_headers: Mapping[str, str],
            response_body: str,
            request_headers: Any,
            request_body: Any,
        ) -> str:
            parts = urlsplit(url)
            answer = Answer(
                place=f"{parts.hostname}{parts.path}",
                status=code,
                headers={name.lower(): text for name, text in response_headers.items()},
                body=response_body,
                received_at=clock.now(),
            )
            _CALL.get().answers.append(answer)
            return parent.on_rest_response(
                self,
                code,
                reason,
                url,
                method,
                response_headers,
                response_body,
                request_headers,
                request_body,
            )

        def parse_json(self, http_response: str) -> Any:
            parsed = parent.parse_json(self, http_response)
            call = _CALL.get()
            last = call.answers[-1]
            if parsed is None and last.status // 100 == _SUCCESS:
                # ccxt would take a cut body for an empty answer.
                call.answers[-1] = Answer(
                    last.place, last.status, last.headers, last.body, last.received_at, is_cut=True
                )
                raise ShapeError("the body is cut or is not JSON")
            return parsed

        def parse_ohlcvs(
            self,
            ohlcvs: Any,
            market: Any = None,
            timeframe: str = "1m",
            since: Any = None,
            limit: Any = None,
            tail: Any = False,  # noqa: FBT002 - ccxt's signature
        ) -> Any:
            if not isinstance(ohlcvs, list):
                raise ShapeError(f"candles came as {type(ohlcvs).__name__}, not as a list")
            _CALL.get().rows = [
                _row(self.parse_ohlcv, item, market) for item in cast("list[object]", ohlcvs)
            ]
            return parent.parse_ohlcvs(self, ohlcvs, market, timeframe, since, limit, tail)

    Guarded.__name__ = base.__name__
    return Guarded


def _row(parse: Callable[[object, object], object], item: object, market: object) -> list[Any]:
    row = parse(item, market)
    if not isinstance(row, list) or len(cast("list[object]", row)) < WIDTH:
        raise ShapeError(f"a candle has not six values: {str(item)[:80]}")
    return cast("list[Any]", row)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
