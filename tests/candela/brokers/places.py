"""The places that the brokers' contract is run at: one line registers an adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from candela.brokers.generic import GenericBroker, generic_codes
from candela.brokers.house import VenueHouse
from candela.brokers.keys import VenueKey
from candela.brokers.kraken import KrakenBroker
from candela.brokers.opening import VenueBrokers
from candela.brokers.paper import PaperVenue
from candela.brokers.port import NoInformation, SpotBroker
from candela.brokers.stream import Pace
from candela.clock import SystemClock
from candela.fills.model import Costs
from candela.ids import new_id
from candela.orders.words import Balance, InstrumentRules, Quote
from candela.vault.credential import Credential
from candela.venues.errors import UnknownSymbol
from candela.venues.limits import VenueLimit
from sandbox.faults import Fault
from sandbox.venue import SandboxVenue
from tests.fixtures.spot.bybit import BybitDouble
from tests.fixtures.spot.kraken import KrakenDouble
from tests.fixtures.spot.server import SpotDouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["PLACES", "Bench", "Place"]

QUICK: Final = Pace(look_s=0.05, quiet_s=0.3, answer_s=0.3, expected_s=1.0, rest_s=0.05)
TIMEOUT_S: Final = 0.5


@dataclass
class Bench:
    """One account at a place, for one check."""

    broker: SpotBroker
    place: Place
    key: str
    secret: str
    brokers: VenueBrokers | VenueHouse | None = None

    async def close(self) -> None:
        """Let go of the account's connections."""
        await self.broker.close()
        if self.brokers is not None:
            await self.brokers.close()


class Place(ABC):
    """A venue, or what stands in for it, with its faults.

    Parameters
    ----------
    troubles
        What can go wrong there; the others are not checked.
    """

    symbol: ClassVar[str] = "BTC/USDT"
    troubles: ClassVar[frozenset[str]] = frozenset(
        {"reset", "html", "cut", "blank", "hang", "throttle", "dead", "clock"}
    )
    has_network: ClassVar[bool] = True
    tells_executions: ClassVar[bool] = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    @abstractmethod
    async def open(self, quote: str = "100000") -> Bench:
        """Open an account with so much of the quote currency, inside the loop."""

    @abstractmethod
    def trouble(self, kind: str, *, is_send: bool, executes: bool = False, times: int = 1) -> None:
        """Let something go wrong with the next sends or questions."""

    @abstractmethod
    def clear(self) -> None:
        """Let all go well again."""

    @abstractmethod
    def orders(self, key: str) -> int:
        """Return how many orders the venue has taken from an account."""

    @abstractmethod
    def requests(self) -> int:
        """Return how many requests have come."""


class BinancePlace(Place):
    """The sandbox, which speaks Binance's protocol."""

    venue: ClassVar[str] = "binance"
    _kinds: ClassVar[dict[str, str]] = {"dead": "revoked"}

    def __init__(self) -> None:
        self._sandbox = SandboxVenue(symbols=(self.symbol,))

    def __enter__(self) -> Self:
        self._sandbox.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sandbox.__exit__(kind, error, trace)

    @property
    def sandbox(self) -> SandboxVenue:
        """The venue itself."""
        return self._sandbox

    async def open(self, quote: str = "100000") -> Bench:
        key, secret = self._sandbox.add_account({"USDT": quote})
        brokers = VenueBrokers(
            clock=SystemClock(), gateway=self._sandbox.gateway, timeout_s=TIMEOUT_S, pace=QUICK
        )
        sealed = VenueKey(Credential(key), Credential(secret))
        broker = brokers.open("binance", sealed)
        return Bench(broker, self, key, secret, brokers)

    def trouble(self, kind: str, *, is_send: bool, executes: bool = False, times: int = 1) -> None:
        method = "POST|DELETE" if is_send else "GET"
        path = "/api/v3/order$" if is_send else "/api/v3/(account|order|openOrders|myTrades)"
        fault = Fault(
            self._kinds.get(kind, kind),
            method=method,
            path=path,
            executes="yes" if executes else "no",
            times=times,
            retry_after_s=0.2,
        )
        self._sandbox.call(lambda: self._sandbox.faults.add(fault))

    def clear(self) -> None:
        self._sandbox.call(self._sandbox.faults.clear)

    def orders(self, key: str) -> int:
        return len(self._sandbox.ledger.orders(key))

    def requests(self) -> int:
        return len(self._sandbox.ledger.requests())


class GenericPlace(BinancePlace):
    """The same venue through the adapter for venues without one of their own."""

    tells_executions = False

    async def open(self, quote: str = "100000") -> Bench:
        key, secret = self._sandbox.add_account({"USDT": quote})
        house = VenueHouse(
            "binance",
            codes=generic_codes("binance"),
            clock=SystemClock(),
            gateway=self._sandbox.gateway,
            timeout_s=TIMEOUT_S,
        )
        sealed = VenueKey(Credential(key), Credential(secret))
        return Bench(GenericBroker(house, sealed, pace=QUICK), self, key, secret, house)


class DoublePlace(Place):
    """A canned double."""

    venue: ClassVar[str]
    double: ClassVar[type[SpotDouble]]

    def __init__(self) -> None:
        self._double = self.double()

    def __enter__(self) -> Self:
        self._double.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._double.__exit__(kind, error, trace)

    async def open(self, quote: str = "100000") -> Bench:
        # Kraken's secrets are base64.
        key, secret = f"key{new_id(SystemClock().now()).hex}", "c2VjcmV0LWNhbmFyeS0xMjM0NTY3OA=="
        self._double.add_account(key, quote)
        brokers = VenueBrokers(
            clock=SystemClock(), gateway=self._double.gateway, timeout_s=TIMEOUT_S, pace=QUICK
        )
        sealed = VenueKey(Credential(key), Credential(secret))
        broker = brokers.open(self.venue, sealed)
        return Bench(broker, self, key, secret, brokers)

    def trouble(self, kind: str, *, is_send: bool, executes: bool = False, times: int = 1) -> None:
        self._double.trouble(kind, is_send=is_send, executes=executes, times=times)

    def clear(self) -> None:
        self._double.troubles.clear()

    def orders(self, key: str) -> int:
        return len(self._double.books[key].orders)

    def requests(self) -> int:
        return len(self._double.requests)


class BybitPlace(DoublePlace):
    """Bybit's double."""

    venue = "bybit"
    double = BybitDouble


class KrakenPlace(DoublePlace):
    """Kraken's double."""

    symbol = "BTC/USD"
    venue = "kraken"
    double = KrakenDouble

    def __init__(self) -> None:
        super().__init__()
        # A check asks more in a second than a key may in a minute.
        self._limit, KrakenBroker.own_limit = KrakenBroker.own_limit, VenueLimit(100_000)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        KrakenBroker.own_limit = self._limit


class StandingMarket:
    """Prices and rules that stand until a test moves them."""

    def __init__(self) -> None:
        self.is_away = False
        self.bid, self.ask = Decimal("100.0"), Decimal("100.1")

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices."""
        if self.is_away:
            raise NoInformation("There is no fresh price.")
        return Quote(symbol, self.bid, self.ask, SystemClock().now())

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return the rules."""
        del refresh
        base, _, quote = symbol.partition("/")
        if quote != "USDT":
            raise UnknownSymbol(f"paper does not list {symbol!r}.")
        return InstrumentRules(
            symbol=symbol,
            base=base,
            quote=quote,
            lot=Decimal("0.00001"),
            tick=Decimal("0.1"),
            minimum_quantity=Decimal("0.0001"),
            minimum_notional=Decimal(5),
            taker_fee=Decimal("0.001"),
            maker_fee=Decimal("0.001"),
        )


class PaperPlace(Place):
    """A paper account; no network, so that only prices can be missing."""

    troubles = frozenset({"throttle"})
    has_network = False

    def __init__(self) -> None:
        self.market = StandingMarket()
        self.venue = PaperVenue("binance", self.market, SystemClock())
        self._benches: dict[str, SpotBroker] = {}

    async def open(self, quote: str = "100000") -> Bench:
        broker = self.venue.open(costs=Costs(taker_fee_bps=10))
        await broker.restore((), {"USDT": Balance(Decimal(quote))})
        key = f"paper-{len(self._benches)}"
        self._benches[key] = broker
        return Bench(broker, self, key, "no-secret-of-paper")

    def trouble(self, kind: str, *, is_send: bool, executes: bool = False, times: int = 1) -> None:
        self.market.is_away = True

    def clear(self) -> None:
        self.market.is_away = False

    def orders(self, key: str) -> int:
        return len(self._benches[key]._account.orders)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]

    def requests(self) -> int:
        return 0


PLACES: Final[dict[str, Callable[[], Place]]] = {
    "paper": PaperPlace,
    "binance": BinancePlace,
    "generic": GenericPlace,
    "bybit": BybitPlace,
    "kraken": KrakenPlace,
}
