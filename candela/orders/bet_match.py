"""Which bet at a broker is the one whose answer was lost: by evidence, never by time alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from candela.money import ZERO
from candela.orders.bets import BetIntent, BetOrder, BetShown

__all__ = ["Ruling", "rule_on"]

_SKEW: Final = timedelta(seconds=2)
"""How far the broker's clock may be off ours where it stamps a bet."""
_SLOT: Final = timedelta(seconds=5)
"""How far an expiry may be off what was asked for: brokers round to a grid of their own."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the evidence says of an attempt.

    Parameters
    ----------
    kind
        ``ambiguous``: several bets may be it, or money is missing that no bet explains; a person
        must look. ``open``: nothing is proved yet.
    """

    kind: Literal["found", "absent", "ambiguous", "open"]
    shown: BetShown | None = None
    words: str = ""


def rule_on(
    order: BetOrder,
    intent: BetIntent,
    shown: Iterable[BetShown],
    known: Collection[str],
    missing: Decimal | None,
    now: datetime,
) -> Ruling:
    """Rule on an attempt by open positions, statement and balance, all asked for after its send.

    Parameters
    ----------
    shown
        Open positions and the statement since before the send; each bet may come twice.
    known
        The broker's ids of bets that are ours already.
    missing
        What the balance lacks of what our ledger says, without this bet: 0 or the stake where
        nothing else happened; None: it cannot be said now.
    now
        When the evidence began to be asked for.
    """
    mine = {
        one.venue_bet_id: one
        for one in shown
        if one.venue_bet_id not in known and _is_like(one, order, intent)
    }
    if len(mine) == 1:
        return Ruling("found", next(iter(mine.values())))
    if len(mine) > 1:
        ids = ", ".join(sorted(mine))
        return Ruling("ambiguous", words=f"any of {ids} may be it")
    if now < order.fence_at or missing is None:
        return Ruling("open")
    if missing != ZERO:
        words = f"the broker shows no such bet, and {missing:f} {intent.ccy} are missing"
        return Ruling("ambiguous", words=words)
    return Ruling("absent")


def _is_like(one: BetShown, order: BetOrder, intent: BetIntent) -> bool:
    if one.client_id is not None:
        return one.client_id == order.client_id
    if (one.asset, one.side, one.stake) != (order.asset, order.side, order.stake):
        return False
    if not order.sent_at - _SKEW <= one.opened_at <= order.fence_at + _SKEW:
        return False
    lasts = one.expires_at - one.opened_at
    return (
        abs(one.expires_at - intent.expires_at) <= _SLOT
        or abs(lasts - timedelta(seconds=intent.duration_s)) <= _SLOT
    )
