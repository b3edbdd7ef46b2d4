"""What a broker of fixed payouts shows, in the words of our books."""

from __future__ import annotations

from decimal import Decimal

from candela.brokers.payout_port import Contract, ContractState
from candela.brokers.port import NoInformation
from candela.money import ZERO
from candela.orders.bets import BetShown, BetSide, BetStatus

__all__ = ["shown_of"]


def shown_of(contract: Contract) -> BetShown:
    """Return a contract as a bet.

    What came back decides where a contract did not run to a clear end: sold early, or at the price
    of entry without the stake.

    Raises
    ------
    NoInformation
        It is over, and the broker does not say what came back.
    """
    paid = ZERO
    if contract.state.is_final:
        if contract.returned is None:
            raise NoInformation(
                f"bet {contract.contract_id} is {contract.state} and nothing is said of money",
                "Ask for the statement again.",
            )
        paid = contract.returned
    return BetShown(
        venue_bet_id=contract.contract_id,
        asset=contract.asset,
        side=BetSide(contract.direction.value),
        stake=contract.stake,
        payout_ratio=contract.payout,
        opened_at=contract.opened_at,
        expires_at=contract.expires_at,
        status=_status(contract.state, contract.stake, paid),
        paid=paid,
        entry_price=contract.entry_price,
        exit_price=contract.exit_price,
        client_id=contract.request_id,
    )


def _status(state: ContractState, stake: Decimal, paid: Decimal) -> BetStatus:
    if state is ContractState.OPEN:
        return BetStatus.OPEN
    if state is ContractState.CANCELED and paid == stake:
        return BetStatus.VOID
    if paid == stake:
        return BetStatus.DRAWN
    return BetStatus.WON if paid > stake else BetStatus.LOST
