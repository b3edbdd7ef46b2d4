"""The declared graph of order and intent states, and how news of an attempt moves along it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from candela.orders.records import Order
from candela.orders.words import IntentState, OrderState, VenueOrderState

__all__ = [
    "INTENT_EDGES",
    "LATE_EDGES",
    "ORDER_EDGES",
    "may_end",
    "may_move",
    "moved",
    "state_shown",
]

_ENDS: Final = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED}
)

ORDER_EDGES: Final[Mapping[OrderState, frozenset[OrderState]]] = {
    OrderState.CREATED: frozenset({OrderState.SENDING}),
    OrderState.SENDING: _ENDS | {OrderState.UNKNOWN, OrderState.OPEN, OrderState.ABSENT},
    OrderState.UNKNOWN: _ENDS | {OrderState.OPEN, OrderState.ABSENT},
    # Not OPEN to ABSENT: what a venue once accepted cannot be proved never to have been.
    OrderState.OPEN: _ENDS | {OrderState.CANCELING},
    # Not back to OPEN: an older report would hide that a cancellation is under way.
    OrderState.CANCELING: _ENDS,
    OrderState.FILLED: frozenset(),
    OrderState.CANCELED: frozenset(),
    OrderState.EXPIRED: frozenset(),
    OrderState.REJECTED: frozenset(),
    # Absence is our conclusion, not the venue's word: where the venue shows the order after all,
    # the venue is right.
    OrderState.ABSENT: frozenset(
        {OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED}
    ),
}
"""Where news may take an attempt."""

LATE_EDGES: Final[Mapping[OrderState, frozenset[OrderState]]] = {
    OrderState.CANCELED: frozenset({OrderState.FILLED}),
    OrderState.EXPIRED: frozenset({OrderState.FILLED}),
    # A fill of an order that was refused or absent shows that it lives.
    OrderState.REJECTED: frozenset({OrderState.OPEN, OrderState.FILLED}),
    OrderState.ABSENT: frozenset({OrderState.OPEN, OrderState.FILLED}),
}
"""Where a fill that is booked late may take an attempt that was final, and nothing else may."""

INTENT_EDGES: Final[Mapping[IntentState, frozenset[IntentState]]] = {
    IntentState.COMMITTED: frozenset({IntentState.WORKING, IntentState.DONE, IntentState.FAILED}),
    IntentState.WORKING: frozenset({IntentState.DONE, IntentState.FAILED}),
    IntentState.DONE: frozenset(),
    # By a late fill alone.
    IntentState.FAILED: frozenset({IntentState.DONE}),
}
"""Where an intent may go."""

_SHOWN: Final = {
    VenueOrderState.OPEN: OrderState.OPEN,
    VenueOrderState.FILLED: OrderState.FILLED,
    VenueOrderState.CANCELED: OrderState.CANCELED,
    VenueOrderState.EXPIRED: OrderState.EXPIRED,
    VenueOrderState.REJECTED: OrderState.REJECTED,
}


def may_move(before: OrderState, after: OrderState, *, by_late_fill: bool = False) -> bool:
    """Return whether the graph has this edge."""
    if after in ORDER_EDGES[before]:
        return True
    return by_late_fill and after in LATE_EDGES.get(before, frozenset())


def may_end(state: IntentState) -> bool:
    """Return whether an intent can still be ended, and its reservation be released."""
    return not state.is_final


def state_shown(state: VenueOrderState) -> OrderState:
    """Return the state of an attempt that a venue shows so."""
    return _SHOWN[state]


def moved(
    order: Order,
    state: OrderState,
    at: datetime,
    *,
    reason: str | None = None,
    venue_order_id: str | None = None,
    venue_executed: Decimal | None = None,
) -> Order | None:
    """Return the order after some news, or None where the news says nothing new.

    A state that the graph does not lead to is older than what is known and ignored; the venue's id
    and its cumulative quantity are taken all the same, the latter only where it grew.
    """
    goes = state is not order.state and may_move(order.state, state)
    learns_id = venue_order_id is not None and order.venue_order_id is None
    grows = venue_executed is not None and venue_executed > order.venue_executed
    if not (goes or learns_id or grows):
        return None
    after = state if goes else order.state
    answered_at = order.answered_at
    if answered_at is None and (learns_id or (goes and after not in _UNANSWERED)):
        answered_at = at
    final_at = order.final_at
    if goes:
        final_at = at if after.is_final else None
    return replace(
        order,
        state=after,
        reason=reason if goes and reason is not None else order.reason,
        venue_order_id=venue_order_id if learns_id else order.venue_order_id,
        venue_executed=(
            venue_executed if grows and venue_executed is not None else order.venue_executed
        ),
        answered_at=answered_at,
        final_at=final_at,
    )


_UNANSWERED: Final = frozenset(
    {OrderState.CREATED, OrderState.SENDING, OrderState.UNKNOWN, OrderState.ABSENT}
)
