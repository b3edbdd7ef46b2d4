"""Who may do what: no leg twice, no attempt without its lease, nothing entered behind a halt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from tests.storm.checker import Check

__all__ = ["check_attempts", "check_decisions", "check_halts", "check_requests"]

Row = Mapping[str, Any]
# The executors' clock and the database's are one machine's; a commit takes some time.
_SLACK: Final = timedelta(seconds=1)
_ENTRIES: Final = frozenset({"enter", "add", "reverse"})
_PLACES: Final = frozenset({"/api/v3/order", "/api/v3/orderList/oco"})


def check_decisions(
    check: Check, decisions: Mapping[UUID, Row], intents: Iterable[Row], requests: Iterable[Row]
) -> None:
    """3: one decision and one intent for each bot, symbol, bar and leg; refusals have a reason."""
    one_intent: Counter[UUID] = Counter()
    legs: Counter[tuple[object, ...]] = Counter()
    for row in intents:
        one_intent[row["decision_id"]] += 1
        legs[_leg("intent", row)] += 1
    for decision_id, row in decisions.items():
        legs[_leg("decision", row)] += 1
        count = one_intent[decision_id]
        expected = 1 if row["outcome"] == "intent" else 0
        words = f"3: decision {decision_id} ({row['outcome']}) has {count} intents"
        check.expect(count == expected, words)
        if row["outcome"] == "refused":
            failed = {one["gate"] for one in row["gates"] if not one["passed"]}
            is_told = bool(row["decided_by"]) and (not failed or row["decided_by"] in failed)
            check.expect(is_told, f"3: decision {decision_id} does not say what refused it")
    for leg, count in legs.items():
        check.expect(count == 1, f"3: {leg} is there {count} times")
    known = {row["intent_id"] for row in intents}
    for row in requests:
        is_taken = row["request_id"] in known
        words = f"3: the order asked for as {row['request_id']} is {row['state']}"
        check.expect(is_taken == (row["state"] == "taken"), words)


def check_halts(
    check: Check, decisions: Mapping[UUID, Row], intents: Iterable[Row], halts: Iterable[Row]
) -> None:
    """6: nothing was entered while a kill switch that covers it was on."""
    for halt in halts:
        since = halt["halted_at"] + _SLACK
        until = halt["released_at"] or datetime.max.replace(tzinfo=UTC)
        for row in intents:
            is_entry = decisions[row["decision_id"]]["action"] in _ENTRIES
            is_covered = all(
                halt[name] is None or halt[name] == row[name]
                for name in ("tenant_id", "account_id", "bot_id")
            )
            if is_entry and is_covered and since < row["created_at"] < until:
                words = f"6: intent {row['intent_id']} was entered behind halt {halt['halt_id']}"
                check.expect(holds=False, words=words)


def check_attempts(
    check: Check,
    orders: Mapping[str, Row],
    intents: Mapping[UUID, Row],
    attempts: Iterable[Row],
    leases: Iterable[Row],
) -> None:
    """7: each attempt was written by the owner of its part, under a lease that held.

    Parameters
    ----------
    attempts, leases
        What the witness wrote down.
    """
    witnessed = {row["client_id"]: row for row in attempts}
    taken: dict[int, list[tuple[datetime, int]]] = {}
    for row in leases:
        if row["kind"] == "trade":
            taken.setdefault(row["shard"], []).append((row["taken_at"], row["epoch"]))
    for client_id, order in orders.items():
        seen = witnessed.get(client_id)
        check.expect(seen is not None, f"7: {client_id} was written behind the witness's back")
        if seen is None:
            continue
        writer = f"candela {seen['owner']}"[:63]
        words = f"7: {client_id} was written by {seen['writer']}, the part is of {seen['owner']}"
        check.expect(seen["writer"] == writer, words)
        check.expect(seen["is_held"], f"7: {client_id} was written under a lease that was over")
        intent = intents.get(order["intent_id"])
        if intent is None:
            continue
        words = f"7: {client_id} has epoch {seen['epoch']}, its intent {intent['epoch']}"
        check.expect(intent["epoch"] <= seen["epoch"], words)
    for intent in intents.values():
        epoch = _epoch_at(taken.get(intent["shard"], []), intent["created_at"])
        words = f"7: intent {intent['intent_id']} has epoch {intent['epoch']}, then it was {epoch}"
        check.expect(epoch == intent["epoch"], words)


def check_requests(
    check: Check,
    orders: Mapping[str, Row],
    requests: Iterable[Mapping[str, Any]],
    placed: Iterable[str],
) -> None:
    """7, 8: an order was written before it was asked for; what was given up never was placed.

    Parameters
    ----------
    requests
        The venue's log.
    placed
        Client ids that the venue has an order under.
    """
    for one in requests:
        client_id = one["client_id"]
        if one["method"] != "POST" or one["path"] not in _PLACES or not client_id.startswith("cd"):
            continue
        order = orders.get(client_id)
        check.expect(order is not None, f"7: {client_id} was asked for and is not in the books")
        if order is not None:
            at = datetime.fromtimestamp(one["at_ms"] / 1_000, UTC)
            words = f"7: {client_id} was asked for at {at}, and written at {order['created_at']}"
            check.expect(order["created_at"] <= at + _SLACK, words)
    for client_id in placed:
        order = orders.get(client_id)
        is_alive = order is None or order["state"] not in {"absent", "rejected"}
        check.expect(is_alive, f"8: {client_id} is given up in the books, and at the venue")


def _leg(what: str, row: Row) -> tuple[object, ...]:
    return (what, row["tenant_id"], row["bot_id"], row["symbol"], row["bar_at"], row["leg"])


def _epoch_at(taken: list[tuple[datetime, int]], at: datetime) -> int | None:
    """Return the epoch of the lease under which something of that instant could be committed."""
    # An intent is dated just before its commit, which the next owner waits for.
    epochs = [epoch for taken_at, epoch in sorted(taken) if taken_at <= at + timedelta(seconds=0.1)]
    return epochs[-1] if epochs else None
