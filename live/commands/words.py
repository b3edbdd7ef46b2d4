"""How amounts, instants and rows are written for a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from candela.desk.reads import DecisionRow, LogRow, OrderRow, PositionRow, TradeRow

__all__ = [
    "ago",
    "at",
    "decision_lines",
    "facts",
    "log_line",
    "money",
    "number",
    "order_rows",
    "position_rows",
    "price",
    "trade_rows",
]

_CENTS, _PRICE_DIGITS = 2, 8
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def number(value: Decimal | None) -> str:
    """Return an amount without needless zeros."""
    return "-" if value is None else plain(value)


def price(value: Decimal | None) -> str:
    """Return a price with as many digits as a person reads; a mean of fills has more."""
    if value is None:
        return "-"
    places = max(_CENTS, _PRICE_DIGITS - 1 - value.adjusted())
    return plain(round(value, places))


def money(value: Decimal | None, *, signed: bool = False) -> str:
    """Return money to the cent, finer where it is small; with its sign if asked."""
    if value is None:
        return "-"
    places = Decimal("0.01") if abs(value) >= 1 or not value else Decimal("0.000001")
    return f"{value.quantize(places):{'+' if signed and value else ''},f}"


def at(value: datetime | None) -> str:
    """Return an instant to the second, in UTC."""
    return "-" if value is None else value.strftime("%Y-%m-%d %H:%M:%S")


def ago(value: datetime | None, now: datetime) -> str:
    """Return how long ago an instant was."""
    if value is None:
        return "never"
    seconds = max(0, int((now - value) / timedelta(seconds=1)))
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and values in two columns."""
    width = max(len(name) for name in pairs)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in pairs.items())


def position_rows(rows: Iterable[PositionRow]) -> list[list[str]]:
    """Return cells: bot, symbol, quantity, mean price, realised, since."""
    return [
        [
            row.bot,
            row.symbol,
            number(row.quantity),
            price(row.mean_price),
            money(row.realised, signed=True),
            at(row.opened_at),
        ]
        for row in rows
    ]


def trade_rows(rows: Iterable[TradeRow]) -> list[list[str]]:
    """Return cells: opened, closed, bot, symbol, side, quantity, entry, exit, gain, why."""
    return [
        [
            at(row.opened_at),
            at(row.closed_at) if row.closed_at else row.status,
            row.bot or "by hand",
            row.symbol,
            row.direction,
            number(row.quantity if row.kind == "spot" else row.stake),
            price(row.entry_price),
            price(row.exit_price),
            money(row.pnl, signed=True),
            row.exit_reason or ("-" if row.kind == "spot" else row.status),
        ]
        for row in rows
    ]


def order_rows(rows: Iterable[OrderRow]) -> list[list[str]]:
    """Return cells: created, bot, symbol, side, kind, quantity, price, filled, state, why."""
    return [
        [
            at(row.created_at),
            row.bot or "by hand",
            row.symbol,
            row.side,
            row.kind,
            number(row.quantity),
            number(row.price),
            number(row.executed),
            row.state,
            row.reason or (f"{row.source} {row.leg}" if row.bot else row.source),
        ]
        for row in rows
    ]


def decision_lines(row: DecisionRow, *, all_gates: bool) -> list[str]:
    """Return a decision with its gates: all of them, or those from the one that refused on."""
    decided = f" by {row.decided_by}" if row.decided_by else ""
    if row.intent_state is not None:
        reason = f": {row.intent_reason}" if row.intent_reason else ""
        decided += f", {row.intent_state}{reason}"
    lines = [f"{at(row.decided_at)}  {row.action} {row.symbol}: {row.outcome}{decided}"]
    for gate in row.gates:
        passed = bool(gate.get("passed"))
        if passed and not all_gates:
            continue
        mark = "ok " if passed else "NO "
        said = gate.get("words") or f"{gate.get('value')} ({_rule(gate)} {gate.get('limit')})"
        lines.append(f"    {mark} {gate.get('gate')}: {said}")
    return lines


def _rule(gate: Mapping[str, object]) -> str:
    return str(gate.get("rule", "")).replace("_", " ")


def log_line(row: LogRow) -> str:
    """Return a line of a log."""
    level = "" if row.level == "info" else f"{row.level.upper()} "
    return f"{at(row.logged_at)}  {row.bot}  {level}{row.event}: {row.message}"
