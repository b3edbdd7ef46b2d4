"""A look at the ledger: what a checker of storms compares with its own books."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.records import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.calls import Logged
    from sandbox.ledger import Ledger
    from sandbox.records import Execution, Order, Transfer

__all__ = ["LedgerView", "contents"]


class LedgerView:
    """Read the ledger from any thread; every call is one moment of it.

    Parameters
    ----------
    call
        Does something in the venue's loop.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: Iterable[Logged],
        call: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._call = call

    def executions(self, key: str | None = None) -> list[Execution]:
        """Return all fills, or those of one key, oldest first."""
        name = self._name(key)
        return self._call(
            lambda: [one for one in self._ledger.executions if name in {None, one.account}]
        )

    def orders(self, key: str | None = None) -> list[Order]:
        """Return all orders, or those of one key, oldest first."""
        name = self._name(key)
        return self._call(
            lambda: sorted(
                (
                    order
                    for account in self._ledger.accounts.values()
                    if name in {None, account.name}
                    for order in account.orders.values()
                ),
                key=lambda order: order.order_id,
            )
        )

    def open_orders(self, key: str | None = None) -> list[Order]:
        """Return the orders that are not final."""
        return [one for one in self.orders(key) if not one.is_final]

    def balances(self, key: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Return free and locked by asset."""
        account = self._ledger.by_key[key]
        return self._call(
            lambda: {asset: (one.free, one.locked) for asset, one in account.balances.items()}
        )

    def transfers(self, key: str) -> list[Transfer]:
        """Return openings, deposits and withdrawals."""
        account = self._ledger.by_key[key]
        return self._call(lambda: list(account.transfers))

    def requests(self) -> list[Logged]:
        """Return the request log, oldest first."""
        return self._call(lambda: list(self._log))

    def recomputed(self, key: str) -> dict[str, Decimal]:
        """Return what each asset must amount to: opening, transfers and fills, less fees."""
        account = self._ledger.by_key[key]
        return self._call(lambda: _recomputed(account.transfers, self._fills_of(account.name)))

    def everything(self) -> dict[str, Any]:
        """Return the whole ledger as JSON shows it, without secrets."""
        return self._call(lambda: contents(self._ledger, self._log))

    def _fills_of(self, name: str) -> list[tuple[Execution, str, str]]:
        account = self._ledger.accounts[name]
        found: list[tuple[Execution, str, str]] = []
        for fills in account.executions.values():
            for one in fills:
                base, quote = self._ledger.assets[one.symbol]
                found.append((one, base, quote))
        return found

    def _name(self, key: str | None) -> str | None:
        return None if key is None else self._ledger.by_key[key].name


def _recomputed(
    transfers: Iterable[Transfer], fills: Iterable[tuple[Execution, str, str]]
) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}

    def add(asset: str, amount: Decimal) -> None:
        sums[asset] = sums.get(asset, ZERO) + amount

    for moved in transfers:
        add(moved.asset, moved.amount)
    for fill, base, quote in fills:
        sign = 1 if fill.side == "BUY" else -1
        add(base, sign * fill.quantity)
        add(quote, -sign * fill.quantity * fill.price)
        add(fill.fee_asset, -fill.fee)
    return sums


def contents(ledger: Ledger, log: Iterable[Logged]) -> dict[str, Any]:
    """Return the ledger as JSON shows it: decimals as text, no secrets."""
    return {
        "accounts": [
            {
                "name": account.name,
                "can_trade": account.can_trade,
                "can_withdraw": account.can_withdraw,
                "revoked": account.revoked,
                "balances": {
                    asset: {"free": str(one.free), "locked": str(one.locked)}
                    for asset, one in account.balances.items()
                },
                "transfers": [_plain(asdict(one)) for one in account.transfers],
                "orders": [_plain(asdict(one)) for one in account.orders.values()],
            }
            for account in ledger.accounts.values()
        ],
        "executions": [_plain(asdict(one)) for one in ledger.executions],
        "requests": [asdict(one) for one in log],
    }


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Decimal) else value for name, value in content.items()
    }
