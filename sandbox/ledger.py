"""The ledger: the venue's truth in exact decimals, also on file where it must outlive a kill."""

from __future__ import annotations

from dataclasses import asdict, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.answers import refuse_funds
from sandbox.records import ZERO, Account, Balance, Execution, Order, Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.journal import Journal

__all__ = ["Ledger"]


class Ledger:
    """Accounts with their balances, orders and executions; only here do they change.

    Parameters
    ----------
    journal
        File to which each change is appended; None keeps the ledger in memory only.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.accounts: dict[str, Account] = {}
        self.by_key: dict[str, Account] = {}
        self.executions: list[Execution] = []
        self.assets: dict[str, tuple[str, str]] = {}
        """Base and quote of each symbol."""
        self.last_order = 1_000
        self.last_list = 0
        self._journal = journal
        self._changed: dict[int, Order] = {}
        self._moved: dict[tuple[str, str], Account] = {}
        self._new: list[tuple[str, Transfer | Execution | dict[str, Any]]] = []

    def open_account(self, account: Account, balances: Mapping[str, Decimal], at_ms: int) -> None:
        """Open an account with its first balances."""
        self.accounts[account.name] = self.by_key[account.key] = account
        self.note_account(account)
        for asset, amount in balances.items():
            self.transfer(account, asset, amount, "opening", at_ms)

    def note_account(self, account: Account) -> None:
        """Keep what is known of an account besides its money."""
        names = ("name", "key", "secret", "can_trade", "can_withdraw", "can_read")
        names += ("ip_restricted", "revoked")
        self._note("account", {name: getattr(account, name) for name in names})

    def transfer(
        self, account: Account, asset: str, amount: Decimal, kind: str, at_ms: int
    ) -> Transfer:
        """Add to, or with a negative amount take from, what is free.

        Raises
        ------
        Refusal
            There is not so much.
        """
        balance = account.balance(asset)
        if balance.free + amount < 0:
            refuse_funds()
        balance.free += amount
        moved = Transfer(account.name, asset, amount, kind, at_ms)
        account.transfers.append(moved)
        self._touch(account, asset)
        self._note("transfer", moved)
        return moved

    def next_order_id(self) -> int:
        """Return a new order's number."""
        self.last_order += 1
        return self.last_order

    def next_list_id(self) -> int:
        """Return a new order list's number."""
        self.last_list += 1
        return self.last_list

    def enter(self, account: Account, order: Order) -> None:
        """Enter a new order."""
        account.orders[order.order_id] = order
        account.by_client[order.symbol, order.client_id] = order
        if not order.is_final:
            account.open[order.order_id] = order
        self._changed[order.order_id] = order

    def hold(self, account: Account, order: Order, asset: str, amount: Decimal) -> None:
        """Lock an amount for an order.

        Raises
        ------
        Refusal
            There is not so much.
        """
        balance = account.balance(asset)
        if balance.free < amount:
            refuse_funds()
        balance.free -= amount
        balance.locked += amount
        order.held += amount
        order.held_asset = asset
        self._touch(account, asset)

    def release(self, account: Account, order: Order) -> None:
        """Unlock what is still held for an order."""
        if order.held:
            balance = account.balance(order.held_asset)
            balance.locked -= order.held
            balance.free += order.held
            order.held = ZERO
            self._touch(account, order.held_asset)
        self._changed[order.order_id] = order

    def book(self, account: Account, order: Order, fill: Execution, gives: str, gets: str) -> None:
        """Book a fill: what is given, got and charged.

        Parameters
        ----------
        gives, gets
            Assets that the account pays with and receives.
        """
        value = fill.price * fill.quantity
        given, got = (value, fill.quantity) if order.is_buy else (fill.quantity, value)
        paid = account.balance(gives)
        from_hold = ZERO
        if order.held_asset == gives:
            # A limit that is filled at a better price gets the difference back at once.
            from_hold = order.taken(fill.price, fill.quantity)
            order.held -= from_hold
            paid.locked -= from_hold
        paid.free += from_hold - given
        account.balance(gets).free += got
        account.balance(fill.fee_asset).free -= fill.fee
        order.executed += fill.quantity
        order.spent += value
        order.updated_ms = fill.at_ms
        account.executions.setdefault(order.symbol, []).append(fill)
        self.executions.append(fill)
        for asset in (gives, gets, fill.fee_asset):
            self._touch(account, asset)
        self._changed[order.order_id] = order
        self._note("execution", fill)

    def finish(self, account: Account, order: Order, status: str, at_ms: int) -> None:
        """Give an order its final state and free what it held."""
        order.status = status
        order.updated_ms = at_ms
        account.open.pop(order.order_id, None)
        self.release(account, order)

    def changed(self, order: Order) -> None:
        """Keep a change that was made to an order's own fields."""
        self._changed[order.order_id] = order

    def commit(self) -> None:
        """Write down what changed since the last time, as one line: all of it or nothing."""
        journal = self._journal
        if journal is not None and (self._changed or self._moved or self._new):
            line: list[tuple[str, dict[str, Any]]] = [
                *((kind, one if isinstance(one, dict) else asdict(one)) for kind, one in self._new),
                *(("order", asdict(order)) for order in self._changed.values()),
                *(
                    ("balance", {"account": name, "asset": asset, **asdict(account.balance(asset))})
                    for (name, asset), account in self._moved.items()
                ),
            ]
            journal.write(line)
        self._changed.clear()
        self._moved.clear()
        self._new.clear()

    def replay(self, kind: str, content: dict[str, Any]) -> None:
        """Take over one change that a journal holds."""
        if kind == "account":
            known = self.accounts.get(content["name"])
            if known is None:
                known = Account(content["name"], content["key"], content["secret"])
                self.accounts[known.name] = self.by_key[known.key] = known
            for name, value in content.items():
                setattr(known, name, value)
            return
        account = self.accounts[content["account"]]
        if kind == "balance":
            account.balances[content["asset"]] = Balance(
                Decimal(content["free"]), Decimal(content["locked"])
            )
        elif kind == "transfer":
            account.transfers.append(Transfer(**_read(Transfer, content)))
        elif kind == "execution":
            fill = Execution(**_read(Execution, content))
            account.executions.setdefault(fill.symbol, []).append(fill)
            self.executions.append(fill)
        else:
            self._replay_order(account, Order(**_read(Order, content)))

    def _replay_order(self, account: Account, order: Order) -> None:
        account.open.pop(order.order_id, None)
        # Queries that were slow before are slow no more: the venue was opened anew.
        order.hidden_until_s = order.trades_hidden_until_s = 0.0
        self.enter(account, order)
        self._changed.clear()
        self.last_order = max(self.last_order, order.order_id)
        self.last_list = max(self.last_list, order.list_id)

    def _touch(self, account: Account, asset: str) -> None:
        self._moved[account.name, asset] = account

    def _note(self, kind: str, content: Transfer | Execution | dict[str, Any]) -> None:
        if self._journal is not None:
            self._new.append((kind, content))


def _read(record: type[Any], content: dict[str, Any]) -> dict[str, Any]:
    kinds = {one.name: str(one.type) for one in fields(record)}
    return {
        name: Decimal(value) if kinds[name] == "Decimal" else value
        for name, value in content.items()
    }
