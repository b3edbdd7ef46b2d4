"""Orders by hand at a steady rate, of all users, while processes are killed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Self

import psycopg

from candela.bots.market import Market
from candela.clock import SystemClock
from candela.desk.halts import kill, release
from candela.desk.orders import request_order
from candela.desk.session import tenant_session
from candela.errors import CandelaError
from candela.ids import new_id
from candela.market.instrument import Instrument
from candela.orders.words import InstrumentRules, OrderKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.db.connect import Database
    from candela.desk.users import User

__all__ = ["Asking"]

_PRICE: Final = """
SELECT c.close FROM market.candles AS c INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.symbol = %s ORDER BY c.time DESC LIMIT 1
"""
_QUANTITIES: Final = {"BTC/USDT": Decimal("0.001"), "ETH/USDT": Decimal("0.01")}
_LIMITS: Final = 0.4
_DEEP: Final = 0.25
_SELLS: Final = 0.45
_HALTS: Final = 0.004
_VALID_S: Final = 30


class Asking:
    """Ask for so many orders a second, in a thread; use as a context, which ends it.

    Market orders and limit orders, near enough to be filled soon and far enough to rest, of
    users in turn; now and then a user's kill switch is on for a few seconds.
    """

    def __init__(
        self, database: Database, users: Sequence[User], *, rate_hz: float, seed: int
    ) -> None:
        self._database = database
        self._users = list(users)
        self._rate_hz = rate_hz
        self._chance = random.Random(seed)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)
        self._halted: dict[int, float] = {}
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        if self._rate_hz > 0:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(60)

    def _run(self) -> None:
        at = time.monotonic()
        while not self._is_over.is_set():
            try:
                self._one()
            except (psycopg.Error, OSError) as error:
                # The database was killed: a person would see an error and ask again.
                self.counts[type(error).__name__] += 1
            except CandelaError as error:
                self.counts[error.code] += 1
            at = max(at + 1.0 / self._rate_hz, time.monotonic() - 1.0)
            self._is_over.wait(max(0.0, at - time.monotonic()))
        for number in list(self._halted):
            self._release(number)

    def _one(self) -> None:
        chance, clock = self._chance, SystemClock()
        for number, until in list(self._halted.items()):
            if time.monotonic() > until:
                self._release(number)
        number = chance.randrange(len(self._users))
        user = self._users[number]
        symbol = chance.choice(list(_QUANTITIES))
        base, _, quote = symbol.partition("/")
        side = "sell" if chance.random() < _SELLS else "buy"
        rules = InstrumentRules(
            symbol=symbol,
            base=base,
            quote=quote,
            kinds=frozenset({OrderKind.MARKET, OrderKind.LIMIT}),
        )
        with tenant_session(self._database, user.tenant_id) as session:
            if chance.random() < _HALTS and number not in self._halted:
                kill(session, by="storm", reason="a storm", clock=clock)
                self._halted[number] = time.monotonic() + chance.uniform(2.0, 15.0)
                self.counts["halts"] += 1
                return
            request_order(
                session,
                account="venue",
                market=Market(Instrument("binance", symbol), rules),
                side=side,
                quantity=_QUANTITIES[symbol],
                price=self._price(symbol, side) if chance.random() < _LIMITS else None,
                requested_by="storm",
                clock=clock,
                valid_s=_VALID_S,
                request_id=new_id(clock.now()),
            )
        self.counts["asked"] += 1

    def _price(self, symbol: str, side: str) -> Decimal | None:
        """Return a price just off the last close, for one in four far off; None: no close yet."""
        with self._database.connect(autocommit=True) as connection:
            row = connection.execute(_PRICE, (symbol,)).fetchone()
        if row is None:
            return None
        off = 0.05 if self._chance.random() < _DEEP else self._chance.uniform(0.0, 0.001)
        factor = Decimal(str(round(1 + off if side == "sell" else 1 - off, 6)))
        return (Decimal(repr(row[0])) * factor).quantize(Decimal("0.01"))

    def _release(self, number: int) -> None:
        try:
            with tenant_session(self._database, self._users[number].tenant_id) as session:
                release(session, by="storm", clock=SystemClock())
        except (psycopg.Error, OSError, CandelaError):
            self.counts["releases later"] += 1
        else:
            del self._halted[number]
