"""Pure arithmetic of bets: acceptance and result become trade row, money and states of order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from candela.money import EXACT, ZERO
from candela.orders.bets import Bet, BetEnding, BetIntent, BetOrder, BetShown, BetStatus
from candela.orders.graph import may_move
from candela.orders.records import Account, LedgerEntry
from candela.orders.words import OrderState

__all__ = ["DISPUTED", "Ended", "bet_opened", "bet_settled", "ending_of", "order_moved"]

DISPUTED: Final = "disputed"
"""Reason of a bet that the broker told two results of: only a person ends it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a result did.

    Parameters
    ----------
    kind
        ``same``: it was booked already; ``disputed``: it contradicts what is booked, and no money
        moved.
    """

    kind: Literal["settled", "unknown", "same", "disputed"]
    bet: Bet
    entry: LedgerEntry | None = None


def order_moved(
    order: BetOrder,
    state: OrderState,
    at: datetime,
    *,
    reason: str | None = None,
    venue_bet_id: str | None = None,
) -> BetOrder | None:
    """Return the attempt after some news, None where the declared graph does not lead there."""
    if not may_move(order.state, state):
        return None
    return replace(
        order,
        state=state,
        reason=reason if reason is not None else order.reason,
        venue_bet_id=venue_bet_id or order.venue_bet_id,
        answered_at=order.answered_at or (at if state is not OrderState.UNKNOWN else None),
        final_at=at if state.is_final else None,
    )


def bet_opened(account: Account, intent: BetIntent, shown: BetShown) -> tuple[Bet, LedgerEntry]:
    """Return the trade row of an accepted bet, and the stake that left the balance.

    Stake and payout are what the broker took and promised, whatever was asked for.
    """
    bet = Bet(
        account=account.key,
        trade_id=intent.intent_id,
        bot_id=intent.bot_id,
        mode=account.mode,
        asset=intent.asset,
        side=intent.side,
        status=BetStatus.OPEN,
        stake=shown.stake,
        payout_ratio=shown.payout_ratio,
        ladder_step=intent.ladder_step,
        bar_at=intent.bar_at,
        opened_at=shown.opened_at,
        expires_at=shown.expires_at,
        venue_bet_id=shown.venue_bet_id,
        entry_price=shown.entry_price,
    )
    entry = LedgerEntry(
        account=account.key,
        entry_key=f"stake:{bet.trade_id}",
        ccy=intent.ccy,
        amount=-shown.stake,
        kind="stake",
        occurred_at=shown.opened_at,
        bot_id=intent.bot_id,
    )
    return bet, entry


def ending_of(shown: BetShown) -> BetEnding | None:
    """Return how a bet ended, None where the broker shows it open."""
    if not shown.status.is_known:
        return None
    return BetEnding(shown.status, shown.paid, shown.exit_price)


def bet_settled(
    bet: Bet, ending: BetEnding, ccy: str, now: datetime, *, by_hand: bool = False
) -> Ended:
    """Return a bet after a result: the first known one is booked, an equal one changes nothing.

    A result after ``unknown`` is late, and booked. One that contradicts what is booked makes the
    bet unknown again without moving money, until a person says what is true.

    Parameters
    ----------
    by_hand
        A person's word: it ends a dispute, and money that was booked wrongly is moved.
    """
    if not ending.status.is_known:
        if bet.status is not BetStatus.OPEN:
            return Ended("same", bet)
        unknown = replace(bet, status=BetStatus.UNKNOWN, reason=ending.reason)
        return Ended("unknown", unknown)
    is_disputed = bet.reason == DISPUTED
    if not by_hand:
        if is_disputed:
            return Ended("same", bet)
        if bet.status.is_known:
            if (bet.status, bet.paid) == (ending.status, ending.paid):
                return Ended("same", bet)
            disputed = replace(bet, status=BetStatus.UNKNOWN, closed_at=None, reason=DISPUTED)
            return Ended("disputed", disputed)
    after = replace(
        bet,
        status=ending.status,
        paid=ending.paid,
        exit_price=ending.exit_price if ending.exit_price is not None else bet.exit_price,
        closed_at=bet.expires_at,
        reason=ending.reason or ending.status.value,
    )
    difference = EXACT.subtract(ending.paid, bet.paid)
    return Ended("settled", after, _payout(bet, difference, ccy, now, by_hand=by_hand))


def _payout(
    bet: Bet, amount: Decimal, ccy: str, now: datetime, *, by_hand: bool
) -> LedgerEntry | None:
    if amount == ZERO:
        return None
    key = f"payout:{bet.trade_id}"
    return LedgerEntry(
        account=bet.account,
        entry_key=f"{key}:{now.isoformat()}" if by_hand else key,
        ccy=ccy,
        amount=amount,
        kind="payout",
        occurred_at=now if by_hand else bet.expires_at,
        bot_id=bet.bot_id,
        note="by hand" if by_hand else None,
    )
