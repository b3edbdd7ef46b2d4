"""Brokers of fixed-payout accounts: paper over live quotes; others as adapters of them exist."""

from __future__ import annotations

from decimal import Decimal

from candela.brokers.paper_payout import PaperPayoutVenue
from candela.brokers.payout_port import Contract, Direction, PayoutBroker
from candela.clock import Clock
from candela.errors import BrokerError
from candela.orders.bets import Bet, BetBook
from candela.orders.records import Account
from candela.orders.words import Quote
from candela.payout.rules import PayoutRules
from live.bots.runner import BotRunner

__all__ = ["NoPayoutAdapter", "PaperBets"]


class NoPayoutAdapter(BrokerError):
    """No adapter speaks with that broker of fixed payouts."""

    code = "no_payout_adapter"


class PaperBets:
    """Paper accounts of all brokers, each broker's over the quotes of its instruments."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._venues: dict[str, PaperPayoutVenue] = {}

    async def open(self, account: Account, book: BetBook) -> PayoutBroker:
        """Return the broker of a paper account, with what our ledger says of it.

        Raises
        ------
        NoPayoutAdapter
            The account is no paper account.
        """
        if account.mode != "paper":
            raise NoPayoutAdapter(
                f"{account.venue} cannot be bet with in mode {account.mode}",
                "Bet on paper; see docs/concepts/bets.md for what an adapter has to do.",
            )
        venue = self._venue(account.venue)
        for bet in book.bets:
            # Its bot may be gone; its contract is settled by the terms that it was opened on.
            venue.rules.setdefault(bet.asset, PayoutRules(payout=bet.payout_ratio))
        broker = venue.open(account.quote_ccy)
        broker.restore([_contract(bet) for bet in book.bets], book.balance.total)
        return broker

    def prepare(self, account: Account, runner: BotRunner) -> None:
        """Offer what a bot bets on, on its terms; of several bots those of the last one."""
        if account.mode == "paper" and runner.config.payout is not None:
            self._venue(account.venue).rules[runner.symbol] = runner.config.payout

    def on_quote(self, venue: str, quote: Quote) -> None:
        """Settle what expired before a quote."""
        found = self._venues.get(venue)
        if found is not None:
            found.on_quote(quote)

    def _venue(self, venue: str) -> PaperPayoutVenue:
        found = self._venues.get(venue)
        if found is None:
            found = self._venues[venue] = PaperPayoutVenue(venue, {}, self._clock)
        return found


def _contract(bet: Bet) -> Contract:
    return Contract(
        contract_id=bet.venue_bet_id,
        request_id=None,
        asset=bet.asset,
        direction=Direction(bet.side.value),
        stake=bet.stake,
        payout=Decimal(bet.payout_ratio),
        opened_at=bet.opened_at,
        expires_at=bet.expires_at,
        entry_price=bet.entry_price,
    )
