"""Trades of a tenant: pages, sums, exports, and one with all that led to it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from api.kit.paging import read_cursor, write_cursor
from api.kit.reading import read_rows
from api.kit.sheets import sheet
from api.trades.errors import UnknownTrade
from api.trades.repository import COLUMNS, EXPORT_CHUNK, exported, page, totals, trade_row
from api.trades.schemas import TradeDetail, TradeTotals
from candela.desk.lineage import bars_of, decisions_behind, fills_of, orders_behind

if TYPE_CHECKING:
    from collections.abc import Generator

    from api.state import ApiState
    from api.trades.schemas import ExportFilters, TradeFilters
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["one_trade", "trade_page", "trade_sheet"]

_OF_PAGE: Final = {"limit", "cursor", "totals"}
_TOTALS: Final = TypeAdapter(list[TradeTotals])


async def trade_page(state: ApiState, caller: Caller, asked: TradeFilters) -> bytes:
    """Return a page of trades as JSON.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    filters = asked.model_dump(exclude=_OF_PAGE, exclude_none=True)
    at, behind = read_cursor(asked.cursor)
    question = page(filters, behind=behind is not None)
    values = {**filters, "at": at, "id": behind, "limit": asked.limit + 1}
    rows = await read_rows(state, caller.tenant_id, question, values)
    shown = min(len(rows), asked.limit)
    following = b"null"
    if len(rows) > shown:
        last = shown - 1
        following = b'"' + _cursor_behind(rows.cell(last, 1), rows.cell(last, 2)) + b'"'
    items = rows.joined(shown)
    sums = await asyncio.to_thread(_totals, state, caller, filters) if asked.totals else b"null"
    return b'{"items":[' + items + b'],"next_cursor":' + following + b',"totals":' + sums + b"}"


def _cursor_behind(opened_at: bytes, trade_id: bytes) -> bytes:
    """Return the cursor behind a row as the server sent it."""
    at = datetime.fromisoformat(opened_at.decode().strip('"'))
    return write_cursor(at, UUID(trade_id.decode())).encode()


def _totals(state: ApiState, caller: Caller, filters: dict[str, Any]) -> bytes:
    with state.act(caller) as session:
        rows = totals(session, filters)
    return _TOTALS.dump_json(_TOTALS.validate_python(rows))


def trade_sheet(state: ApiState, caller: Caller, asked: ExportFilters) -> Generator[str]:
    """Give the trades as CSV, some thousand rows at a time.

    Each part is a transaction of its own: a slow reader keeps none open.
    """
    filters = asked.model_dump(exclude_none=True)
    place: tuple[Any, Any] | None = None
    while True:
        with state.act(caller) as session:
            rows = exported(session, filters, place)
        text = sheet(COLUMNS, [[_cell(row[name]) for name in COLUMNS] for row in rows])
        yield text if place is None else text.partition("\r\n")[2]
        if len(rows) < EXPORT_CHUNK:
            return
        place = (rows[-1]["opened_at"], rows[-1]["trade_id"])


def one_trade(session: TenantSession, trade_id: UUID) -> TradeDetail:
    """Return a trade with its orders, fills, decisions and bars.

    Raises
    ------
    UnknownTrade
        The tenant has none of that id.
    """
    trade = trade_row(session, trade_id)
    if trade is None:
        message = f"There is no trade {trade_id}."
        raise UnknownTrade(message, "List the trades to see their ids.")
    fills = fills_of(session, trade)
    orders = orders_behind(session, sorted({str(fill["client_id"]) for fill in fills}))
    behind = {order.pop("decision_id") for order in orders} - {None}
    decisions = decisions_behind(session, trade, sorted(behind))
    bars = bars_of(session, decisions)
    return TradeDetail.model_validate(
        {
            **trade,
            "fills": fills,
            "orders": orders,
            "decisions": [{**one, "bar": bars.get(one["decision_id"])} for one in decisions],
        }
    )


def _cell(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
