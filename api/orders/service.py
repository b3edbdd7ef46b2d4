"""Asking for orders by hand, and telling what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.bots.service import account_with_id
from api.kit.paging import Page, read_cursor, write_cursor
from api.kit.problems import Fault
from api.orders.errors import OrderRefused, PayoutOrdersNotOffered
from api.orders.repository import fills_of, list_requests
from api.orders.schemas import FillOut, PayoutOrderIn, RequestOut, RequestWhole, SpotOrderIn
from candela.audit.record import record
from candela.bots.checks import AmountBelowMinimum, BadOrder
from candela.desk.orders import OrderRequestRow, request_order, request_row
from candela.market.instrument import BadInstrument, Instrument
from candela.venues.errors import UnknownVenue
from candela.venues.stored import InstrumentNotKnown, stored_market_of

if TYPE_CHECKING:
    from uuid import UUID

    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["order", "place_order", "requests_page"]


def place_order(
    session: TenantSession, caller: Caller, body: SpotOrderIn | PayoutOrderIn, *, clock: Clock
) -> OrderRequestRow:
    """Ask for an order; an executor takes it through the same gates as a bot's.

    Raises
    ------
    PayoutOrdersNotOffered
        Contracts cannot be staked by hand.
    OrderRefused
        The symbol, quantity or price cannot be used.
    UnknownAccount, SymbolNotTrading, Killed, PlanLimitReached, NotEnough
        As for `candela.desk.orders.request_order`.
    """
    session.lock()
    account = account_with_id(session, body.account_id)
    if isinstance(body, PayoutOrderIn):
        message = "Contracts with a fixed payout are staked by bots alone, not by hand."
        raise PayoutOrdersNotOffered(message, "Make a bot of a strategy of kind fixed_payout.")
    try:
        market = stored_market_of(session.connection, Instrument(account.venue, body.symbol))
    except (InstrumentNotKnown, BadInstrument, UnknownVenue) as error:
        fault = Fault(field="body.symbol", reason=error.message)
        raise OrderRefused(error.message, error.hint, [fault]) from None
    try:
        row = request_order(
            session,
            account=account.name,
            market=market,
            side=body.side,
            quantity=body.quantity,
            price=body.price,
            requested_by=str(caller.user_id),
            clock=clock,
            valid_s=body.valid_s,
        )
    except (BadOrder, AmountBelowMinimum) as error:
        field = "price" if " price " in error.message else "quantity"
        fault = Fault(field=f"body.{field}", reason=error.message)
        raise OrderRefused(error.message, error.hint, [fault]) from None
    detail = {
        "account": account.name,
        "symbol": body.symbol,
        "side": body.side,
        "quantity": str(body.quantity),
        "price": None if body.price is None else str(body.price),
    }
    record(
        session, caller.actor, "order.place", "order", row.request_id, clock=clock, detail=detail
    )
    return row


def order(session: TenantSession, request_id: UUID) -> RequestWhole:
    """Return an order by hand with its gates and fills.

    Raises
    ------
    UnknownRequest
        There is none of that id.
    """
    row = request_row(session, request_id)
    fields: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
    fields["fills"] = [FillOut(**one) for one in fills_of(session, request_id)]
    return RequestWhole(**fields, is_final=row.is_final)


def requests_page(
    session: TenantSession,
    state: str | None,
    account_id: UUID | None,
    cursor: str | None,
    limit: int,
) -> Page[RequestOut]:
    """Return orders by hand, the newest first.

    Raises
    ------
    BadCursor
        The cursor is none that the list gave out.
    """
    rows = list_requests(session, state, account_id, read_cursor(cursor), limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    following = None if last is None else write_cursor(last["requested_at"], last["request_id"])
    return Page(items=[RequestOut(**row) for row in rows[:limit]], next_cursor=following)
