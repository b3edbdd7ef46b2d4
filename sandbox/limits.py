"""Request weights of an address and order counts of an account: 429, then 418 for who goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sandbox.answers import Refusal

if TYPE_CHECKING:
    from sandbox.clock import VenueClock

__all__ = ["Limits", "weight_of"]

_MINUTE: Final = 60.0
_TEN_S: Final = 10.0
_DAY: Final = 86_400.0
_LONGEST_BAN_S: Final = 3 * 86_400.0
_WEIGHTS: Final = {
    ("GET", "/api/v3/exchangeInfo"): 20,
    ("GET", "/api/v3/trades"): 25,
    ("GET", "/api/v3/aggTrades"): 4,
    ("GET", "/api/v3/klines"): 2,
    ("GET", "/api/v3/avgPrice"): 2,
    ("GET", "/api/v3/account"): 20,
    ("GET", "/api/v3/order"): 4,
    ("GET", "/api/v3/orderList"): 4,
    ("GET", "/api/v3/allOrders"): 20,
    ("GET", "/api/v3/rateLimit/order"): 40,
    ("GET", "/api/v3/account/commission"): 20,
}
# Path: weight with one symbol, weight without.
_BY_SYMBOL: Final = {
    "/api/v3/ticker/24hr": (2, 80),
    "/api/v3/ticker/price": (2, 4),
    "/api/v3/ticker/bookTicker": (2, 4),
    "/api/v3/openOrders": (6, 80),
}
_DEPTHS: Final = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))


def weight_of(method: str, path: str, params: dict[str, str]) -> int:
    """Return what a request counts against its address."""
    if method == "GET":
        if path in _BY_SYMBOL:
            return _BY_SYMBOL[path]["symbol" not in params]
        if path == "/api/v3/depth":
            limit = params.get("limit", "100")
            levels = int(limit) if limit.isdecimal() else 100
            return next((weight for most, weight in _DEPTHS if levels <= most), 250)
        if path == "/api/v3/myTrades":
            return 5 if "orderId" in params else 20
    return _WEIGHTS.get((method, path), 1)


@dataclass(slots=True)
class _Window:
    number: int = -1
    used: int = 0


@dataclass(slots=True)
class _Address:
    minute: _Window = field(default_factory=_Window)
    overruns: int = 0
    bans: int = 0
    banned_until_s: float = 0.0


@dataclass(slots=True)
class Limits:
    """Count what addresses and accounts ask for, in seconds that are not sped up.

    Parameters
    ----------
    patience
        Requests beyond the limit that are answered with 429 before the address is banned.
    ban_s
        Length of the first ban; each further one is twice as long, up to three days.
    """

    clock: VenueClock
    weight: int = 6_000
    orders_10s: int = 100
    orders_day: int = 200_000
    patience: int = 10
    ban_s: float = 120.0
    highest: int = 0
    throttled: int = 0
    banned: int = 0
    _addresses: dict[str, _Address] = field(default_factory=dict[str, _Address])
    _orders: dict[str, tuple[_Window, _Window]] = field(
        default_factory=dict[str, tuple[_Window, _Window]]
    )

    def charge(self, address: str, weight: int) -> int:
        """Count a request; returns the weight used in this minute.

        Raises
        ------
        Refusal
            429 above the limit, 418 while banned; either says after how many seconds to return.
        """
        now = self.clock.elapsed_s()
        known = self._addresses.get(address)
        if known is None:
            known = self._addresses[address] = _Address()
        if now < known.banned_until_s:
            self.banned += 1
            raise self._ban(known.banned_until_s - now)
        minute = int(now // _MINUTE)
        if minute != known.minute.number:
            known.minute.number, known.minute.used, known.overruns = minute, 0, 0
        known.minute.used += weight
        self.highest = max(self.highest, known.minute.used)
        if known.minute.used <= self.weight:
            return known.minute.used
        known.overruns += 1
        if known.overruns > self.patience:
            length = min(self.ban_s * 2**known.bans, _LONGEST_BAN_S)
            known.bans += 1
            known.banned_until_s = now + length
            self.banned += 1
            raise self._ban(length)
        self.throttled += 1
        message = (
            f"Too much request weight used; current limit is {self.weight} request weight per"
            " 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
        )
        refusal = Refusal(-1003, message, 429)
        refusal.retry_after_s = (minute + 1) * _MINUTE - now
        raise refusal

    def used(self, address: str) -> int:
        """Return the weight that an address has used in this minute."""
        known = self._addresses.get(address)
        if known is None or known.minute.number != int(self.clock.elapsed_s() // _MINUTE):
            return 0
        return known.minute.used

    def _ban(self, seconds: float) -> Refusal:
        until = self.clock.told_ms() + round(seconds * 1_000)
        message = (
            f"Way too much request weight used; IP banned until {until}. Please use WebSocket"
            " Streams for live updates to avoid bans."
        )
        refusal = Refusal(-1003, message, 418)
        refusal.retry_after_s = seconds
        return refusal

    def count_order(self, account: str) -> None:
        """Count a new order of an account.

        Raises
        ------
        Refusal
            Too many in ten seconds, or in a day.
        """
        now = self.clock.elapsed_s()
        for window, length, limit, words in zip(
            self._windows(account, now),
            (_TEN_S, _DAY),
            (self.orders_10s, self.orders_day),
            ("10 SECOND", "1 DAY"),
            strict=True,
        ):
            if window.used >= limit:
                message = f"Too many new orders; current limit is {limit} orders per {words}."
                refusal = Refusal(-1015, message, 429)
                refusal.retry_after_s = (window.number + 1) * length - now
                raise refusal
        for window in self._windows(account, now):
            window.used += 1

    def uncount_order(self, account: str) -> None:
        """Give back the count of an order that was filled."""
        for window in self._windows(account, self.clock.elapsed_s()):
            window.used = max(0, window.used - 1)

    def order_counts(self, account: str) -> tuple[int, int]:
        """Return the unfilled orders of the last ten seconds and of the day."""
        short, day = self._windows(account, self.clock.elapsed_s())
        return short.used, day.used

    def _windows(self, account: str, now: float) -> tuple[_Window, _Window]:
        known = self._orders.get(account)
        if known is None:
            known = self._orders[account] = (_Window(), _Window())
        for window, length in zip(known, (_TEN_S, _DAY), strict=True):
            number = int(now // length)
            if number != window.number:
                window.number, window.used = number, 0
        return known
