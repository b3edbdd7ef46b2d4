"""The SQL of trades: pages by key, sums, rows of an export, and what led to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from api.kit.reading import Column, Reading, amount, instant, json_of, json_row, word

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = [
    "COLUMNS",
    "EXPORT_CHUNK",
    "conditions",
    "exported",
    "page",
    "totals",
    "trade_row",
]

_FIELDS: Final[tuple[Column, ...]] = (
    ("trade_id", word("t.trade_id")),
    ("bot_id", word("t.bot_id")),
    ("bot", json_of("b.name")),
    ("account_id", word("t.account_id")),
    ("account", json_of("a.name")),
    ("kind", word("t.kind")),
    ("mode", word("t.mode")),
    ("symbol", json_of("t.symbol")),
    ("direction", word("t.direction")),
    ("status", word("t.status")),
    ("quantity", amount("t.quantity")),
    ("entry_price", amount("t.entry_price")),
    ("exit_price", amount("t.exit_price")),
    ("entry_value", amount("t.entry_value")),
    ("exit_value", amount("t.exit_value")),
    ("fees", amount("t.fees")),
    ("pnl", amount("t.pnl")),
    ("exit_reason", json_of("t.exit_reason")),
    ("opened_at", instant("t.opened_at")),
    ("closed_at", instant("t.closed_at")),
    ("stake", amount("t.stake")),
    ("payout_ratio", amount("t.payout_ratio")),
    ("expires_at", instant("t.expires_at")),
    ("ladder_step", json_of("t.ladder_step")),
)
COLUMNS: Final = tuple(name for name, _ in _FIELDS)
EXPORT_CHUNK: Final = 2_000

_LINE: Final = json_row(_FIELDS)
_NAMES: Final = """
INNER JOIN trading.accounts AS a ON a.tenant_id = %(tenant)s AND a.account_id = t.account_id
LEFT JOIN trading.bots AS b ON b.tenant_id = %(tenant)s AND b.bot_id = t.bot_id
"""
# Each is asked for only where a caller filters by it, so that the plan is that of its filters.
_CONDITIONS: Final[Mapping[str, LiteralString]] = {
    "bot": "t.bot_id = %(bot)s",
    "account": "t.account_id = %(account)s",
    "symbol": "t.symbol = %(symbol)s",
    "mode": "t.mode = %(mode)s",
    "kind": "t.kind = %(kind)s",
    "status": "t.status = %(status)s",
    "manual": "(t.bot_id IS NULL) = %(manual)s",
    "since": "t.opened_at >= %(since)s",
    "until": "t.opened_at < %(until)s",
}
_RESULTS: Final[Mapping[str, LiteralString]] = {
    "win": "t.pnl > 0",
    "loss": "t.pnl < 0",
    "even": "t.pnl = 0",
}
_BEHIND: Final = " AND (t.opened_at, t.trade_id) < (%(at)s, %(id)s)"


def _page(where: LiteralString) -> LiteralString:
    return f"""
SELECT {_LINE}, to_json(t.opened_at)::text, t.trade_id
FROM (
    SELECT t.* FROM trading.trades AS t WHERE t.tenant_id = %(tenant)s{where}
    ORDER BY t.opened_at DESC, t.trade_id DESC LIMIT %(limit)s
) AS t
{_NAMES}
ORDER BY t.opened_at DESC, t.trade_id DESC
"""  # noqa: S608 - of texts of this module alone


_PLACE: Final[Mapping[LiteralString, LiteralString]] = {"at": "timestamptz", "id": "uuid"}
_LIMIT: Final[Mapping[LiteralString, LiteralString]] = {"limit": "bigint"}
# What pages ask for again and again; other filters are planned as they come.
_FIRST: Final = Reading("trades_first", _page(""), _LIMIT)
_NEXT: Final = Reading("trades_next", _page(_BEHIND), {**_PLACE, **_LIMIT})
_OF_BOT: Final = Reading(
    "trades_of_bot", _page(" AND t.bot_id = %(bot)s"), {"bot": "uuid", **_LIMIT}
)

_TOTALS: Final = """
SELECT t.mode, a.quote_ccy AS ccy, count(*) AS trades, count(t.pnl) AS closed,
    count(*) FILTER (WHERE t.pnl > 0) AS wins, count(*) FILTER (WHERE t.pnl < 0) AS losses,
    trim_scale(coalesce(sum(t.pnl), 0)) AS pnl, trim_scale(coalesce(sum(t.fees), 0)) AS fees
FROM trading.trades AS t
INNER JOIN trading.accounts AS a ON a.tenant_id = %(tenant)s AND a.account_id = t.account_id
WHERE t.tenant_id = %(tenant)s{where}
GROUP BY t.mode, a.quote_ccy ORDER BY t.mode, a.quote_ccy
"""
_ROWS: Final[LiteralString] = f"""
SELECT t.trade_id, t.bot_id, b.name AS bot, t.account_id, a.name AS account, t.kind, t.mode,
    t.symbol, t.direction, t.status, trim_scale(t.quantity) AS quantity,
    trim_scale(t.entry_price) AS entry_price, trim_scale(t.exit_price) AS exit_price,
    trim_scale(t.entry_value) AS entry_value, trim_scale(t.exit_value) AS exit_value,
    trim_scale(t.fees) AS fees, trim_scale(t.pnl) AS pnl, t.exit_reason, t.opened_at, t.closed_at,
    trim_scale(t.stake) AS stake, trim_scale(t.payout_ratio) AS payout_ratio, t.expires_at,
    t.ladder_step, t.entry_bar_at, a.venue
FROM trading.trades AS t
{_NAMES}
"""  # noqa: S608 - of texts of this module alone
_EXPORTED: Final[LiteralString] = f"""{_ROWS}
WHERE t.tenant_id = %(tenant)s{{where}}
ORDER BY t.opened_at DESC, t.trade_id DESC LIMIT %(limit)s
"""
_TRADE: Final[LiteralString] = f"""{_ROWS}
WHERE t.tenant_id = %(tenant)s AND t.trade_id = %(trade)s
"""


def conditions(filters: Mapping[str, Any]) -> LiteralString:
    """Return what narrows a list to the filters that are given."""
    parts: list[LiteralString] = [
        f" AND {text}" for name, text in _CONDITIONS.items() if filters.get(name) is not None
    ]
    result = filters.get("result")
    if result is not None:
        parts.append(f" AND {_RESULTS[result]}")
    return "".join(parts)


def page(filters: Mapping[str, Any], *, behind: bool) -> Reading | LiteralString:
    """Return the question for one page; rows are JSON, instant and id."""
    named = {name for name, value in filters.items() if value is not None}
    if not named:
        return _NEXT if behind else _FIRST
    if named == {"bot"} and not behind:
        return _OF_BOT
    return _page(conditions(filters) + (_BEHIND if behind else ""))


def totals(session: TenantSession, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sums of what the filters let by."""
    return session.rows(_TOTALS.replace("{where}", conditions(filters)), filters)


def trade_row(session: TenantSession, trade_id: UUID) -> dict[str, Any] | None:
    """Return a trade, with its venue and the bar of its entry; None where there is none."""
    return session.row(_TRADE, {"trade": trade_id})


def exported(
    session: TenantSession, filters: Mapping[str, Any], place: tuple[datetime, UUID] | None
) -> list[dict[str, Any]]:
    """Return the next rows of an export, newest first, behind an instant and an id."""
    behind = "" if place is None else _BEHIND
    at, trade_id = place or (None, None)
    statement = _EXPORTED.replace("{where}", conditions(filters) + behind)
    values = {**filters, "at": at, "id": trade_id, "limit": EXPORT_CHUNK}
    return session.rows(statement, values)
