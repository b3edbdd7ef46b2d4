"""What is held now: by bots at the last close, and by accounts beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.kit.paging import Page, read_cursor, write_cursor
from api.positions.repository import list_external, list_positions
from api.positions.schemas import ExternalOut, PositionOut
from candela.money import EXACT, decimal_of

if TYPE_CHECKING:
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["external_holdings", "positions_page"]


def positions_page(
    session: TenantSession,
    bot_id: UUID | None,
    account_id: UUID | None,
    cursor: str | None,
    limit: int,
) -> Page[PositionOut]:
    """Return what bots hold, the newest first.

    Raises
    ------
    BadCursor
        The cursor is none that the list gave out.
    """
    rows = list_positions(session, bot_id, account_id, read_cursor(cursor), limit + 1)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = write_cursor(last["opened_at"] or last["updated_at"], last["bot_id"])
    return Page(items=[_shown(row) for row in rows[:limit]], next_cursor=following)


def external_holdings(session: TenantSession, account_id: UUID | None) -> list[ExternalOut]:
    """Return what no bot bought, by account and currency."""
    rows = list_external(session, account_id)
    return [ExternalOut(**row) for row in rows if row["quantity"] or row["reserved"]]


def _shown(row: dict[str, Any]) -> PositionOut:
    close = row.pop("mark")
    mark = None if close is None else decimal_of(close)
    gain = None
    if mark is not None:
        gain = EXACT.multiply(row["quantity"], EXACT.subtract(mark, row["mean_price"]))
    return PositionOut(**row, mark_price=mark, unrealised=gain)
