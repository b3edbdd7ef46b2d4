"""The venue client: one exchange's public calls, for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future, wait
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from candela.market.timeframe import Timeframe, UnknownTimeframe
from candela.venues.errors import Interrupted, TimeframeNotOffered, UnknownSymbol, VenueUnsupported
from candela.venues.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime
    from types import TracebackType

    from candela.clock import Clock
    from candela.venues.answers import BestPrices, CandlePage, ListedSymbol, Ticker
    from candela.venues.budget import RequestBudget
    from candela.venues.gateway import VenueGateway
    from candela.venues.session import VenueSession

__all__ = ["VenueClient", "never"]

_T = TypeVar("_T")
# How often a waiting call looks whether it should stop.
_LOOK_S: Final = 0.1
_CLOSE_S: Final = 10.0
# Where ccxt does not say how many candles a page has: what nearly every venue gives.
_USUAL_PAGE: Final = 500
# ccxt's constant of that name: precision is the smallest step, not a count of digits.
_TICK_SIZE: Final = 4
_ALL: Final = frozenset({"spot", "contract"})


def never() -> bool:
    """Never stop."""
    return False


class VenueClient:
    """Ask one exchange for its time, symbols, candles and tickers.

    The calls wait; they run on an event loop in a thread of the client's own, so that they also
    work where a loop is already running, as in a notebook. A call ends early with `Interrupted`
    as soon as `should_stop` says so, whatever it is waiting for.

    Parameters
    ----------
    venue
        A ccxt exchange id.
    budget
        The venue's request budget.
    timeout_s
        For one answer, from the first byte sent to the last received. Binance answers at the
        latest after 10 s, so less would take a slow answer for none.
    budget_wait_s
        How long a call waits for room in the budget, or for the end of a block.
    """

    def __init__(
        self,
        venue: str,
        *,
        budget: RequestBudget,
        clock: Clock,
        gateway: VenueGateway | None = None,
        policy: RetryPolicy | None = None,
        timeout_s: float = 20.0,
        budget_wait_s: float = 300.0,
        should_stop: Callable[[], bool] = never,
    ) -> None:
        self.venue = venue
        self.should_stop = should_stop
        self._budget = budget
        self._clock = clock
        self._gateway = gateway
        self._policy = policy or RetryPolicy()
        self._timeout_s = timeout_s
        self._budget_wait_s = budget_wait_s
        self._session: VenueSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._loaded: frozenset[str] = frozenset()
        self._every_type: list[str] = []
        # Candles and quotes are asked for by threads of their own.
        self._turn = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._session.requests if self._session else 0

    @property
    def retries(self) -> int:
        """How many of them were repeats."""
        return self._session.retries if self._session else 0

    @property
    def waited_s(self) -> float:
        """How long calls waited for the budget, for blocks and between attempts, in seconds."""
        return self._session.waited_s if self._session else 0.0

    @property
    def budget_mode(self) -> str:
        """``shared``, or ``local`` while Redis is lost."""
        return self._budget.mode

    def server_now(self) -> datetime:
        """Return the venue's time, at the earliest that it can be."""
        session = self._open()
        if session.server_clock.offset is None and not session.tells_time:
            # The date of any answer must do; the symbols are needed anyway.
            self._load_markets(frozenset({"spot"}))
        if session.server_clock.is_stale:
            self._run(session.measure_clock())
        return session.server_clock.now()

    def symbols(self, *, reload: bool = False) -> list[ListedSymbol]:
        """Return what the venue lists, by symbol.

        Raises
        ------
        VenueUnavailable, VenueAnswerInvalid, VenueThrottled, VenueRefused
            See `VenueSession.call`.
        """
        from candela.venues.answers import symbols_of

        exchange = self._open().exchange
        self._load_markets(reload=reload)
        return symbols_of(exchange.markets, has_ticks=exchange.precisionMode == _TICK_SIZE)

    def tickers(self) -> list[Ticker]:
        """Return the last 24 hours of every symbol, by symbol.

        Raises
        ------
        VenueUnsupported
            The venue has no call for all tickers at once.
        """
        from candela.venues.answers import tickers_of

        session = self._open()
        if session.exchange.has.get("fetchTickers") not in (True, "emulated"):
            message = f"{self.venue} has no call for all tickers at once."
            raise VenueUnsupported(message, "Its rankings stay empty.")
        self._load_markets()
        return self._run(
            session.call(
                "tickers", session.exchange.fetch_tickers, lambda value, _: tickers_of(value)
            )
        )

    def best_prices(self, symbols: Sequence[str]) -> list[BestPrices]:
        """Return the best bid and ask of symbols, in one request for all where the venue has it.

        Those that the venue gives no prices of are left out.

        Raises
        ------
        VenueUnsupported
            The venue has no call for it.
        UnknownSymbol
            One is not listed.
        """
        from candela.venues.answers import best_prices_of

        for symbol in symbols:
            self._require_symbol(symbol)
        session = self._open()
        has = session.exchange.has
        # Binance and Kraken give all bids and asks at once; elsewhere the tickers have them.
        for name, ask in (
            ("fetchBidsAsks", "fetch_bids_asks"),
            ("fetchTickers", "fetch_tickers"),
        ):
            if has.get(name) is True:
                call = getattr(session.exchange, ask)
                return self._run(
                    session.call(
                        "best prices",
                        lambda call=call: call(list(symbols)),
                        lambda value, _: best_prices_of(value),
                    )
                )
        message = f"{self.venue} has no call for best prices of several symbols."
        raise VenueUnsupported(message, "Its bots trade on closed bars alone.")

    def page_size(self, symbol: str) -> int:
        """Return how many candles the venue gives at once."""
        exchange = self._open().exchange
        self._require_symbol(symbol)
        size = exchange.feature_value(symbol, "fetchOHLCV", "limit")
        return size if isinstance(size, int) and size > 1 else _USUAL_PAGE

    def timeframes(self) -> tuple[Timeframe, ...]:
        """Return the candle lengths that the venue has, shortest first."""
        found: set[Timeframe] = set()
        for name in self._timeframe_names():
            try:
                found.add(Timeframe.parse(name))
            except UnknownTimeframe:
                # Months and years have no fixed length, so candles of them have no grid here.
                continue
        return tuple(sorted(found))

    def require(self, symbol: str, timeframe: Timeframe) -> None:
        """Refuse a symbol or timeframe that the venue does not have, before anything is fetched.

        Raises
        ------
        TimeframeNotOffered
            The hint lists what it has.
        UnknownSymbol
            The hint lists near ones.
        """
        self._timeframe_name(timeframe)
        self._require_symbol(symbol)

    def kind_of(self, symbol: str) -> str:
        """Return the kind of a listed symbol: spot, perpetual, future, option or other."""
        return self.listing(symbol).kind

    def listing(self, symbol: str) -> ListedSymbol:
        """Return what the venue says of one symbol, without reading those of other kinds."""
        from candela.venues.answers import symbols_of

        self._require_symbol(symbol)
        exchange = self._open().exchange
        market = {symbol: cast("dict[str, object]", exchange.markets)[symbol]}
        return symbols_of(market, has_ticks=exchange.precisionMode == _TICK_SIZE)[0]

    def candles(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime, limit: int
    ) -> CandlePage:
        """Return closed candles from `since`, before `until`, at most `limit` of them.

        An answer without any candle is asked for again before it is returned, and so is one with
        unreadable values.

        Raises
        ------
        UnknownSymbol, TimeframeNotOffered
            The venue does not have it.
        VenueUnavailable, VenueAnswerInvalid, VenueThrottled, VenueRefused, BudgetExhausted
            See `VenueSession.call`.
        """
        from candela.venues.answers import faults_of, read_page

        session = self._open()
        name = self._timeframe_name(timeframe)
        self._require_symbol(symbol)
        self.server_now()

        def ask() -> Any:
            return session.exchange.fetch_ohlcv(
                symbol, name, since=round(since.timestamp() * 1_000), limit=limit
            )

        def read(value: object, call: Any) -> CandlePage:
            rows = cast("list[list[Any]]", call.rows if call.rows is not None else value)
            return read_page(rows, call, session.server_clock, timeframe, (since, until))

        what = f"{name} candles of {symbol} from {since:%Y-%m-%dT%H:%M}Z"
        page = self._run(session.call(what, ask, read))
        for _ in range(self._policy.confirm_empty):
            is_empty = page.frame.height == 0 and page.follower_at is None
            if not is_empty and faults_of(page, timeframe) == 0:
                break
            page = self._run(session.call(f"{what}, again", ask, read))
        return page

    def close(self) -> None:
        """Close the connections and end the thread; the client can be used again."""
        if self._loop is None or self._thread is None:
            return
        if self._session is not None:
            closing = asyncio.run_coroutine_threadsafe(self._session.close(), self._loop)
            closing.result(_CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)
        self._loop.close()
        self._session = self._loop = self._thread = None
        self._loaded = frozenset()

    def _open(self) -> VenueSession:
        with self._turn:
            return self._session if self._session is not None else self._opened()

    def _opened(self) -> VenueSession:
        # Here, and not above: the session brings ccxt, which takes seconds to import.
        from candela.venues.session import VenueSession

        session = VenueSession(
            self.venue,
            budget=self._budget,
            clock=self._clock,
            policy=self._policy,
            gateway=self._gateway,
            timeout_s=self._timeout_s,
            budget_wait_s=self._budget_wait_s,
        )
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name=f"venue-{self.venue}", daemon=True
            )
            self._thread.start()
        # Asks the venue nothing, so it is not worth stopping; half open would be left open.
        asyncio.run_coroutine_threadsafe(session.open(), self._loop).result()
        self._session = session
        return session

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the client's loop, until it is done or the caller should stop."""
        assert self._loop is not None  # noqa: S101 - made by _open
        future: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not self.should_stop():
                if wait((future,), _LOOK_S).done:
                    return future.result()
        except CancelledError:
            pass
        finally:
            # Also on Ctrl-C: nothing may go on asking the venue behind the caller's back.
            if not future.done():
                future.cancel()
        raise Interrupted(f"Stopped while waiting for {self.venue}.")

    def _load_markets(self, kinds: frozenset[str] = _ALL, *, reload: bool = False) -> None:
        """Load what the venue lists; one kind only, where ccxt can and it is all that is needed."""
        with self._turn:
            if reload or not kinds <= self._loaded:
                self._load(kinds)

    def _load(self, kinds: frozenset[str]) -> None:
        from candela.venues.answers import symbols_of

        session = self._open()
        options = cast("dict[str, Any]", session.exchange.options.get("fetchMarkets") or {})
        types = options.get("types")
        if isinstance(types, list) and "spot" in types:
            self._every_type = self._every_type or cast("list[str]", types)
            # A second kind is rare, and then the rest is loaded with it.
            kinds = kinds if not self._loaded else _ALL
            options["types"] = [
                name
                for name in self._every_type
                if ("spot" if name == "spot" else "contract") in kinds
            ]
        else:
            kinds = _ALL

        def ask() -> Any:
            return session.exchange.load_markets(reload=True)

        self._run(session.call("symbols", ask, lambda value, _: symbols_of(value, has_ticks=False)))
        self._loaded = kinds

    def _require_symbol(self, symbol: str) -> None:
        self._load_markets(frozenset({"contract" if ":" in symbol else "spot"}))
        known = cast("dict[str, object]", self._open().exchange.markets)
        if symbol in known:
            return
        from difflib import get_close_matches

        near = get_close_matches(symbol.upper(), list(known), n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else None
        raise UnknownSymbol(f"{self.venue} does not list {symbol!r}.", hint)

    def _timeframe_names(self) -> list[str]:
        exchange = self._open().exchange
        if exchange.has.get("fetchOHLCV") is not True:
            return []
        return list(cast("dict[str, object]", exchange.timeframes or {}))

    def _timeframe_name(self, timeframe: Timeframe) -> str:
        for name in self._timeframe_names():
            try:
                if Timeframe.parse(name) == timeframe:
                    return name
            except UnknownTimeframe:
                continue
        offered = ", ".join(str(one) for one in self.timeframes())
        message = f"{self.venue} has no {timeframe} candles."
        hint = f"It has {offered}." if offered else "Its public interface has no candles at all."
        raise TimeframeNotOffered(message, hint)
