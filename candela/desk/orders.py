"""Orders by hand: asked for in a row that an executor takes through the same gates as a bot's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from candela.bots.checks import BadOrder, check_order
from candela.desk.accounts import account_named
from candela.desk.halts import active_halts
from candela.desk.running import Killed
from candela.desk.users import subscription_of
from candela.errors import Conflict, NotFound
from candela.gates import ask
from candela.ids import new_id
from candela.money import ZERO, plain
from candela.plans import plan_named, refuse_beyond

if TYPE_CHECKING:
    from candela.bots.market import Market
    from candela.clock import Clock
    from candela.desk.accounts import AccountRow
    from candela.desk.session import TenantSession

__all__ = ["NotEnough", "OrderRequestRow", "UnknownRequest", "request_order", "request_row"]

_INSERT: Final = """
INSERT INTO trading.order_requests
    (tenant_id, request_id, account_id, symbol, side, kind, quantity, price, valid_until,
     requested_by, requested_at)
VALUES
    (%(tenant)s, %(request)s, %(account)s, %(symbol)s, %(side)s, %(kind)s, %(quantity)s,
     %(price)s, %(until)s, %(by)s, %(at)s)
ON CONFLICT (tenant_id, request_id) DO NOTHING
"""
_ROW: Final = """
SELECT r.request_id, a.name AS account, r.symbol, r.side, r.kind, r.quantity, r.price,
    r.valid_until, r.state, r.reason, r.requested_by, r.requested_at, r.answered_at,
    i.state AS intent_state, i.state_reason AS intent_reason,
    d.gates, f.executed, f.value, f.fills
FROM trading.order_requests AS r
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
LEFT JOIN trading.intents AS i USING (tenant_id, intent_id)
LEFT JOIN trading.decisions AS d USING (tenant_id, decision_id)
LEFT JOIN LATERAL (
    SELECT sum(t.quantity) AS executed, sum(t.quantity * t.price) AS value, count(*) AS fills
    FROM trading.orders AS o INNER JOIN trading.fills AS t USING (tenant_id, client_id)
    WHERE o.tenant_id = r.tenant_id AND o.intent_id = r.intent_id
) AS f ON true
WHERE r.tenant_id = %(tenant)s AND r.request_id = %(request)s
"""
_HELD: Final = """
SELECT
    coalesce(sum(p.quantity), 0) - coalesce((
        SELECT sum(r.amount) FROM trading.reservations AS r
        INNER JOIN trading.intents AS i USING (tenant_id, intent_id)
        WHERE r.tenant_id = %(tenant)s AND i.account_id = %(account)s
            AND i.symbol = %(symbol)s AND i.side = 'sell' AND i.bot_id IS NOT NULL
    ), 0) AS held
FROM trading.positions AS p
WHERE p.tenant_id = %(tenant)s AND p.account_id = %(account)s AND p.symbol = %(symbol)s
"""


class NotEnough(Conflict):
    """The account has less free than the order takes."""

    code = "not_enough"


class UnknownRequest(NotFound):
    """The tenant asked for no such order."""

    code = "unknown_request"


@dataclass(frozen=True, slots=True)
class OrderRequestRow:
    """An order by hand, and what became of it.

    Parameters
    ----------
    state
        ``waiting`` for an executor, ``taken`` as an intent, ``refused`` by `reason`, or
        ``lapsed``: no executor came before `valid_until`.
    executed, value
        Base filled so far, and what it was worth in quote.
    """

    request_id: UUID
    account: str
    symbol: str
    side: Literal["buy", "sell"]
    kind: Literal["market", "limit"]
    quantity: Decimal
    price: Decimal | None
    valid_until: datetime | None
    state: str
    reason: str | None
    requested_by: str
    requested_at: datetime
    answered_at: datetime | None
    intent_state: str | None
    intent_reason: str | None
    gates: list[dict[str, Any]] | None
    executed: Decimal | None
    value: Decimal | None
    fills: int

    @property
    def is_final(self) -> bool:
        """Whether nothing more can come of it."""
        if self.state in {"refused", "lapsed"}:
            return True
        return self.intent_state in {"done", "failed"}


def request_order(
    session: TenantSession,
    *,
    account: str,
    market: Market,
    side: Literal["buy", "sell"],
    quantity: Decimal,
    price: Decimal | None,
    requested_by: str,
    clock: Clock,
    valid_s: int = 60,
    request_id: UUID | None = None,
) -> OrderRequestRow:
    """Ask for an order of no bot; a limit order where a price is given.

    Parameters
    ----------
    quantity, price
        Base, and quote per base.
    valid_s
        Seconds in which an executor has to take it; later it is not wanted any more.
    request_id
        Of the caller's own, so that a repeated call asks for one order.

    Raises
    ------
    UnknownAccount
        There is none of that name.
    BadOrder
        The account is of another venue, or the order is none that the venue takes.
    AmountBelowMinimum, SymbolNotTrading
        See `candela.bots.checks.check_order`.
    Killed, PlanLimitReached
        A kill switch is on, or the plan does not trade the account's mode.
    NotEnough
        Less is free; what bots hold is not free.
    """
    kind: Literal["market", "limit"] = "market" if price is None else "limit"
    session.lock()
    place = account_named(session, account)
    if place.venue != market.instrument.venue or place.kind != "spot":
        message = f"{market.instrument} is not traded on {account}: {place.kind} at {place.venue}."
        raise BadOrder(message, f"Name an account for spot at {market.instrument.venue}.")
    check_order(market, kind, quantity, price)
    # What closes a position stays possible when a plan has lapsed or a kill switch is on.
    if side == "buy":
        _refuse_entry(session, place, clock)
    _refuse_beyond_free(session, place, market, side, quantity, price)
    now = clock.now()
    request = request_id or new_id(now)
    session.run(
        _INSERT,
        {
            "request": request,
            "account": place.account_id,
            "symbol": market.instrument.symbol,
            "side": side,
            "kind": kind,
            "quantity": quantity,
            "price": price,
            "until": now + timedelta(seconds=valid_s),
            "by": requested_by,
            "at": now,
        },
    )
    session.announce(str(request), {"request": str(request)})
    return request_row(session, request)


def request_row(session: TenantSession, request_id: UUID) -> OrderRequestRow:
    """Return what became of an order that was asked for.

    Raises
    ------
    UnknownRequest
        There is none of that id.
    """
    row = session.row(_ROW, {"request": request_id})
    if row is None:
        raise UnknownRequest(f"No order {request_id} was asked for.", "Check the id.")
    return OrderRequestRow(**row)


def _refuse_entry(session: TenantSession, place: AccountRow, clock: Clock) -> None:
    for halt in active_halts(session):
        if halt.covers(place.account_id, None):
            message = f"The kill switch of {halt.words} is on: {halt.reason}."
            raise Killed(message, "Release it first: candela kill --release")
    subscription = subscription_of(session)
    plan = plan_named(subscription.plan)
    stands = "in force" if subscription.in_force(clock.now()) else "lapsed"
    phrase = f"The plan {plan.plan} is {{value}}; entries need it {{limit}}."
    modes = f"The account is {{value}}, the plan {plan.plan} trades: {{limit}}."
    refuse_beyond(
        (
            ask("plan_in_force", stands, "equal", "in force", phrase),
            ask("plan_mode", place.mode, "one_of", plan.modes, modes),
        )
    )


def _refuse_beyond_free(
    session: TenantSession,
    place: AccountRow,
    market: Market,
    side: str,
    quantity: Decimal,
    price: Decimal | None,
) -> None:
    """Refuse what the account cannot pay; without a price the executor's quote decides."""
    if not place.balances:
        # Nobody has looked into the account yet.
        return
    if side == "buy":
        ccy, need, held = market.rules.quote, quantity * (price or ZERO), ZERO
    else:
        ccy, need = market.rules.base, quantity
        values = {"account": place.account_id, "symbol": market.instrument.symbol}
        row = session.row(_HELD, values)
        held = ZERO if row is None else Decimal(row["held"])
    total, reserved = place.balances.get(ccy, (ZERO, ZERO))
    free = max(ZERO, total - reserved - held)
    if need <= free and free > 0:
        return
    by_bots = f", {plain(held)} of it held by bots" if held else ""
    message = (
        f"The order takes {plain(need) if need else 'some'} {ccy}, and {place.name} has"
        f" {plain(free)} {ccy} free of {plain(total)}{by_bots}."
    )
    raise NotEnough(message, "Give a smaller quantity.")
