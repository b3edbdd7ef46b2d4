"""Rows of the database as records of the executor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from candela.orders.records import Account, AccountKey, Position, PositionTerms
from candela.risk.facts import Halt
from live.executor.rows import DefinitionRow, HaltRow, OlderTrades, OrderRequestRow

__all__ = [
    "account_of",
    "by_tenant",
    "definition_of",
    "halt_of",
    "older_trades",
    "position_of",
    "request_of",
]


def by_tenant(rows: Iterable[dict[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    """Return rows by their tenant."""
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"]].append(row)
    return found


def older_trades(
    rows: Iterable[Mapping[str, Any]], since: Mapping[UUID, datetime | None]
) -> dict[UUID, OlderTrades]:
    """Return what older trades add up to, by bot; rows come in the order of their ends."""
    found: dict[UUID, OlderTrades] = {}
    for row in rows:
        bot_id, gained = row["bot_id"], row["gained"]
        before, begun = found.get(bot_id), since[bot_id]
        peak = None if before is None else before.peak
        if begun is None or row["closed_at"] >= begun:
            peak = gained if peak is None else max(peak, gained)
        found[bot_id] = OlderTrades(gained, peak)
    return found


def account_of(row: Mapping[str, Any]) -> Account:
    """Return an account."""
    return Account(
        key=AccountKey(row["tenant_id"], row["account_id"]),
        name=row["name"],
        venue=row["venue"],
        kind=row["kind"],
        mode=row["mode"],
        quote_ccy=row["quote_ccy"],
        secret_id=row["secret_id"],
        state=row["state"],
        state_reason=row["state_reason"],
    )


def position_of(row: Mapping[str, Any] | None) -> Position | None:
    """Return a position, None where there is none."""
    if row is None:
        return None
    return Position(
        bot_id=row["bot_id"],
        account=AccountKey(row["tenant_id"], row["account_id"]),
        symbol=row["symbol"],
        quantity=row["quantity"],
        mean_price=row["mean_price"],
        best_price=row["best_price"],
        legs=row["legs"],
        terms=PositionTerms.read(row["terms"]),
        realised=row["realised"],
        fees=row["fees"],
        dust=row["dust"],
        trade_id=row["trade_id"],
        opened_at=row["opened_at"],
    )


def halt_of(row: Mapping[str, Any]) -> HaltRow:
    """Return a kill switch with what it covers."""
    halt = Halt(row["scope"], row["reason"], row["halted_at"], row["flatten"])
    return HaltRow(halt, row["account_id"], row["bot_id"])


def request_of(row: Mapping[str, Any]) -> OrderRequestRow:
    """Return an order by hand."""
    return OrderRequestRow(
        tenant_id=row["tenant_id"],
        request_id=row["request_id"],
        account=AccountKey(row["tenant_id"], row["account_id"]),
        symbol=row["symbol"],
        side=row["side"],
        kind=row["kind"],
        quantity=row["quantity"],
        price=row["price"],
        valid_until=row["valid_until"],
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
    )


def definition_of(row: Mapping[str, Any], last: Sequence[Mapping[str, Any]]) -> DefinitionRow:
    """Return a definition with its last signals, which come newest first."""
    good = 0
    for one in last:
        if one["status"] != "ok":
            break
        good += 1
    closes = [float(one["close"]) for one in last if one["close"] is not None]
    return DefinitionRow(
        definition_id=row["definition_id"],
        kind=row["kind"],
        warm_up=row["warm_up"],
        broken_reason=row["broken_reason"] if row["broken_since"] else None,
        bad_bar_at=row["bad_bar_at"],
        closes=tuple(reversed(closes)),
        last_bar_at=last[0]["bar_at"] if last else None,
        good_since=good,
    )
