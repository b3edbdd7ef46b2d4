"""The broker's books: balances, open positions, and their results at expiry."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from sandbox.clock import VenueClock
    from sandbox.listing import Listing, Symbol

__all__ = ["Book", "Customer", "Position", "Refused"]

EXPIRIES_S: Final = (60, 120, 300, 900, 3_600)
LEAST, MOST = Decimal(1), Decimal(1_000)
_CENT: Final = Decimal("0.01")


class Refused(Exception):
    """What was asked for is refused; caught where requests are answered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Position:
    """One bet on the price at an instant.

    Parameters
    ----------
    ratio
        What a win pays beside the stake, as a share of it.
    result
        ``open`` until it expires, then ``win``, ``loss`` or ``equal``.
    """

    number: int
    asset: str
    direction: Literal["call", "put"]
    stake: Decimal
    ratio: Decimal
    opened_ms: int
    expires_ms: int
    strike: Decimal
    result: str = "open"
    close: Decimal | None = None
    paid: Decimal = Decimal(0)

    def told(self) -> dict[str, Any]:
        """Return the position as JSON shows it."""
        content = asdict(self)
        return {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in content.items()
        }


@dataclass(slots=True)
class Customer:
    """One account with the broker."""

    key: str
    secret: str = field(repr=False)
    balance: Decimal
    positions: list[Position] = field(default_factory=list[Position])


class Book:
    """All customers and positions; the broker's truth."""

    def __init__(self, listing: Listing, clock: VenueClock, ratio: Decimal) -> None:
        self.customers: dict[str, Customer] = {}
        self.ratios: dict[str, Decimal] = dict.fromkeys(listing.symbols, ratio)
        self._listing = listing
        self._clock = clock
        self._last = 0

    def assets(self) -> list[dict[str, Any]]:
        """Return what can be bet on, and what it pays."""
        return [
            {
                "asset": name,
                "payout_ratio": str(ratio),
                "is_open": self._listing.symbols[name].status == "TRADING",
                "expiries_s": EXPIRIES_S,
                "least_stake": str(LEAST),
                "most_stake": str(MOST),
            }
            for name, ratio in self.ratios.items()
        ]

    def open(self, customer: Customer, asked: dict[str, Any]) -> Position:
        """Open a position.

        Raises
        ------
        Refused
            Unknown or closed asset, stake, expiry or direction out of bounds, too little money.
        """
        symbol = self._symbol(str(asked.get("asset", "")))
        direction = asked.get("direction")
        if direction not in {"call", "put"}:
            raise Refused("bad_direction", f"{direction!r} is neither call nor put.")
        if asked.get("expiry_s") not in EXPIRIES_S:
            raise Refused("bad_expiry", f"Expiries are {EXPIRIES_S} seconds.")
        stake = _amount(asked.get("stake"))
        if stake > customer.balance:
            raise Refused("no_money", f"The balance is {customer.balance}.")
        now = self._clock.now_ms()
        self._last += 1
        position = Position(
            number=self._last,
            asset=symbol.name,
            direction="call" if direction == "call" else "put",
            stake=stake,
            ratio=self.ratios[symbol.name],
            opened_ms=now,
            expires_ms=now + int(asked["expiry_s"]) * 1_000,
            strike=symbol.price_at(symbol.step_number(now)),
        )
        customer.balance -= stake
        customer.positions.append(position)
        return position

    def settle(self) -> list[tuple[Customer, Position]]:
        """Give every position whose time has come its result; returns those."""
        now = self._clock.now_ms()
        settled: list[tuple[Customer, Position]] = []
        for customer in self.customers.values():
            for one in customer.positions:
                if one.result == "open" and one.expires_ms <= now:
                    self._close(customer, one)
                    settled.append((customer, one))
        return settled

    def _close(self, customer: Customer, position: Position) -> None:
        symbol = self._listing.symbols[position.asset]
        close = symbol.price_at(symbol.step_number(position.expires_ms))
        position.close = close
        if close == position.strike:
            position.result, position.paid = "equal", position.stake
        elif (close > position.strike) == (position.direction == "call"):
            win = (position.stake * position.ratio).quantize(_CENT, ROUND_DOWN)
            position.result, position.paid = "win", position.stake + win
        else:
            position.result = "loss"
        customer.balance += position.paid

    def _symbol(self, name: str) -> Symbol:
        found = self._listing.symbols.get(name)
        if found is None or name not in self.ratios:
            raise Refused("bad_asset", f"There is no asset {name!r}.")
        if found.status != "TRADING":
            raise Refused("closed", f"{name} is closed.")
        return found


def _amount(value: object) -> Decimal:
    text = str(value)
    if not text.replace(".", "", 1).isdecimal() or not LEAST <= Decimal(text) <= MOST:
        raise Refused("bad_stake", f"Stakes lie in {LEAST} to {MOST}, with two decimals.")
    stake = Decimal(text)
    if stake != stake.quantize(_CENT):
        raise Refused("bad_stake", f"Stakes lie in {LEAST} to {MOST}, with two decimals.")
    return stake
