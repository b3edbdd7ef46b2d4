"""The checker: reads the venue's ledger and the database, and nothing of the executor's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from tests.storm.rights import check_attempts, check_decisions, check_halts, check_requests

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["Check", "check_books"]

Contents = Mapping[str, Any]


@dataclass
class Check:
    """What was looked at, and what was broken."""

    broken: list[str] = field(default_factory=list[str])
    counts: dict[str, int] = field(default_factory=dict[str, int])

    def expect(self, holds: bool, words: str) -> None:  # noqa: FBT001 - a condition, as in assert
        """Note what does not hold."""
        if not holds:
            self.broken.append(words)


def check_books(
    database: Database, ledger: Contents, accounts: Mapping[UUID, str], *, is_quiet: bool = True
) -> Check:
    """Compare the books with the venue's ledger: the invariants of orders and money.

    Parameters
    ----------
    database
        With the login that sees every row, and watched by `tests.storm.witness` from its start.
    ledger
        ``GET /control/ledger`` of the sandbox.
    accounts
        Names at the venue of our live accounts, by id.
    is_quiet
        Whether nothing is on its way, so that open orders must agree and none may be unknown.
    """
    check = Check()
    names = {name: account_id for account_id, name in accounts.items()}
    venue = {one["name"]: one for one in ledger["accounts"] if one["name"] in names}
    with database.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:

        def rows(query: LiteralString) -> list[dict[str, Any]]:
            return cursor.execute(query).fetchall()

        fills = rows("SELECT * FROM trading.fills")
        orders = {row["client_id"]: row for row in rows("SELECT * FROM trading.orders")}
        intents = {row["intent_id"]: row for row in rows("SELECT * FROM trading.intents")}
        decisions = {row["decision_id"]: row for row in rows("SELECT * FROM trading.decisions")}
        asked = rows("SELECT * FROM trading.order_requests")
        halts = rows("SELECT * FROM trading.halts")
        attempts = rows("SELECT * FROM storm.attempts")
        leases = rows("SELECT * FROM storm.leases")
        reservations = rows("SELECT * FROM trading.reservations")
        balances = rows("SELECT * FROM trading.balances")
        entries = rows("SELECT * FROM trading.ledger")
        positions = rows("SELECT * FROM trading.positions")
    _executions_once(check, ledger, names, fills)
    _chains(check, fills, orders, intents, set(decisions))
    _quantities(check, fills, orders, intents)
    _money(check, balances, entries, reservations, intents, venue, accounts)
    _positions(check, fills, positions)
    _sent_only_committed(check, venue, orders)
    check_decisions(check, decisions, list(intents.values()), asked)
    check_halts(check, decisions, list(intents.values()), halts)
    check_attempts(check, orders, intents, attempts, leases)
    placed = [one["client_id"] for account in venue.values() for one in account["orders"]]
    check_requests(check, orders, ledger["requests"], placed)
    if is_quiet:
        _open_orders(check, venue, orders)
    check.counts |= {
        "executions": sum(one["account"] in names for one in ledger["executions"]),
        "requests": len(ledger["requests"]),
        "fills": len(fills),
        "orders": len(orders),
        "intents": len(intents),
        "second attempts": sum(row["attempt"] > 1 for row in orders.values()),
        "decisions": len(decisions),
        "halts": len(halts),
        "open": sum(row["state"] == "open" for row in orders.values()),
        "unknown": sum(row["state"] == "unknown" for row in orders.values()),
    }
    return check


def _executions_once(
    check: Check, ledger: Contents, names: Mapping[str, UUID], fills: list[dict[str, Any]]
) -> None:
    """1: each execution of the venue is one fill, and no fill is anything else."""
    theirs = Counter(
        (
            names[one["account"]],
            one["symbol"],
            str(one["trade_id"]),
            Decimal(one["quantity"]),
            Decimal(one["price"]),
            Decimal(one["fee"]),
            one["fee_asset"],
        )
        for one in ledger["executions"]
        if one["account"] in names
    )
    ours = Counter(
        (
            row["account_id"],
            row["symbol"].replace("/", ""),
            row["trade_id"],
            row["quantity"].normalize(),
            row["price"].normalize(),
            row["fee"].normalize(),
            row["fee_ccy"],
        )
        for row in fills
        if row["account_id"] in names.values()
    )
    for one, count in (theirs - ours).items():
        check.expect(holds=False, words=f"1: execution {one[2]} of {one[1]} is {count} fills short")
    for one, count in (ours - theirs).items():
        check.expect(holds=False, words=f"1: fill {one[2]} of {one[1]} is {count} too many")


def _chains(
    check: Check,
    fills: list[dict[str, Any]],
    orders: Mapping[str, Any],
    intents: Mapping[UUID, Any],
    decisions: set[UUID],
) -> None:
    """2: fill, order, intent and decision, all of one tenant."""
    for row in fills:
        order = orders.get(row["client_id"])
        check.expect(order is not None, f"2: fill {row['trade_id']} has no order")
        if order is not None:
            check.expect(order["tenant_id"] == row["tenant_id"], "2: a fill of another tenant")
    for order in orders.values():
        intent = intents.get(order["intent_id"])
        check.expect(intent is not None, f"2: order {order['client_id']} has no intent")
        if intent is not None:
            check.expect(intent["tenant_id"] == order["tenant_id"], "2: an order of another tenant")
            check.expect(intent["decision_id"] in decisions, "2: an intent without a decision")


def _quantities(
    check: Check,
    fills: list[dict[str, Any]],
    orders: Mapping[str, Any],
    intents: Mapping[UUID, Any],
) -> None:
    """3: no intent executes more than it says, nor a leg of a bar twice; sums are sums."""
    by_order: dict[str, Decimal] = {}
    by_intent: dict[UUID, Decimal] = {}
    attempts: dict[UUID, set[str]] = {}
    for row in fills:
        by_order[row["client_id"]] = by_order.get(row["client_id"], Decimal(0)) + row["quantity"]
        intent_id = orders[row["client_id"]]["intent_id"]
        by_intent[intent_id] = by_intent.get(intent_id, Decimal(0)) + row["quantity"]
        attempts.setdefault(intent_id, set()).add(row["client_id"])
    for client_id, order in orders.items():
        total = by_order.get(client_id, Decimal(0))
        check.expect(
            order["executed"] == total, f"3: {client_id} says {order['executed']}, {total}"
        )
    for intent_id, total in by_intent.items():
        intent = intents[intent_id]
        check.expect(total <= intent["quantity"], f"3: intent {intent_id} executed {total}")
        filled = [one for one in attempts[intent_id] if orders[one]["executed"] > 0]
        whole = [one for one in filled if orders[one]["executed"] == orders[one]["quantity"]]
        check.expect(len(whole) <= 1, f"3: intent {intent_id} was filled by {len(whole)} attempts")
    legs = Counter(
        (row["bot_id"], row["symbol"], row["bar_at"], row["leg"])
        for intent_id, row in intents.items()
        if row["bot_id"] is not None and intent_id in by_intent
    )
    for leg, count in legs.items():
        check.expect(count == 1, f"3: {leg} was executed {count} times")


def _money(
    check: Check,
    balances: list[dict[str, Any]],
    entries: list[dict[str, Any]],
    reservations: list[dict[str, Any]],
    intents: Mapping[UUID, Any],
    venue: Mapping[str, Any],
    accounts: Mapping[UUID, str],
) -> None:
    """4, 5: balances are the ledger's sums and the venue's; reservations are of open intents."""
    sums: dict[tuple[UUID, str], Decimal] = {}
    for row in entries:
        key = (row["account_id"], row["ccy"])
        sums[key] = sums.get(key, Decimal(0)) + row["amount"]
    held: dict[tuple[UUID, str], Decimal] = {}
    for row in reservations:
        key = (row["account_id"], row["ccy"])
        held[key] = held.get(key, Decimal(0)) + row["amount"]
        is_over = intents[row["intent_id"]]["state"] in {"done", "failed"}
        check.expect(not is_over or row["amount"] == 0, f"5: {row['intent_id']} still holds back")
    for row in balances:
        key = (row["account_id"], row["ccy"])
        check.expect(row["total"] == sums.get(key, Decimal(0)), f"4: {key} is not its ledger's sum")
        check.expect(row["reserved"] == held.get(key, Decimal(0)), f"5: {key} reserves otherwise")
        name = accounts.get(row["account_id"])
        if name is not None:
            shown = venue[name]["balances"].get(row["ccy"], {"free": "0", "locked": "0"})
            total = Decimal(shown["free"]) + Decimal(shown["locked"])
            words = f"4: {name} {row['ccy']} is {row['total']}, at the venue {total}"
            check.expect(row["total"] == total, words)


def _positions(check: Check, fills: list[dict[str, Any]], positions: list[dict[str, Any]]) -> None:
    """4: a position is the sum of its fills, less fees taken in base."""
    sums: dict[tuple[UUID, str], Decimal] = {}
    for row in fills:
        if row["bot_id"] is None:
            continue
        key = (row["bot_id"], row["symbol"])
        sign = 1 if row["side"] == "buy" else -1
        amount = sign * row["quantity"]
        if row["fee_ccy"] == row["symbol"].partition("/")[0]:
            amount -= row["fee"]
        sums[key] = sums.get(key, Decimal(0)) + amount
    held = {(row["bot_id"], row["symbol"]): row["quantity"] + row["dust"] for row in positions}
    for key in sums.keys() | held.keys():
        total = sums.get(key, Decimal(0))
        check.expect(held.get(key, Decimal(0)) == total, f"4: {key} holds {held.get(key)}, {total}")


def _sent_only_committed(check: Check, venue: Mapping[str, Any], orders: Mapping[str, Any]) -> None:
    """7: what the venue has of ours was written before it was sent, and each id was used once."""
    seen: Counter[str] = Counter()
    for account in venue.values():
        for order in account["orders"]:
            client_id = order["client_id"]
            if not client_id.startswith("cd"):
                continue
            seen[client_id] += 1
            known = orders.get(client_id)
            check.expect(known is not None, f"7: the venue has {client_id}, the books do not")
    for client_id, count in seen.items():
        check.expect(count == 1, f"7: {client_id} was placed {count} times")


def _open_orders(check: Check, venue: Mapping[str, Any], orders: Mapping[str, Any]) -> None:
    """8, 9: once quiet, open here is open there, and nothing is unknown."""
    final = {"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"}
    theirs = {
        order["client_id"]
        for account in venue.values()
        for order in account["orders"]
        if order["status"] not in final
    }
    ours = {
        client_id
        for client_id, row in orders.items()
        if row["state"] in {"open", "canceling"} and not _is_paper(row, venue)
    }
    for client_id in theirs - ours:
        check.expect(holds=False, words=f"9: {client_id} is open at the venue only")
    for client_id in ours - theirs:
        check.expect(holds=False, words=f"9: {client_id} is open in the books only")
    for client_id, row in orders.items():
        is_settled = row["state"] not in {"unknown", "sending", "created"}
        check.expect(is_settled, f"8: {client_id} is still {row['state']}")


def _is_paper(row: Mapping[str, Any], venue: Mapping[str, Any]) -> bool:
    return str(row["venue_order_id"] or "").startswith("paper") or not venue
