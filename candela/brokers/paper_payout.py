"""The paper broker of fixed payouts: contracts settled from quotes by the simulator's rules."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from candela.brokers.payout_port import (
    Contract,
    ContractState,
    Direction,
    Funds,
    PayoutAsset,
    PayoutEvent,
    PayoutOutcome,
    PayoutRequest,
)
from candela.brokers.port import EventKind, NoInformation
from candela.money import EXACT, ZERO
from candela.orders.words import OutcomeKind, Quote

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.payout.rules import PayoutRules

__all__ = ["PaperPayoutBroker", "PaperPayoutVenue"]

_FENCE_S: Final = 1.0
_OFFLINE_S: Final = 2.0
_FRESH: Final = timedelta(seconds=5)


class PaperPayoutVenue:
    """All paper accounts of one broker of fixed payouts in a process.

    A contract is settled at the middle of the last quote at or before its expiry, as soon as a
    later one, or `settle`, says that the expiry is over. Where that last quote is older than
    `fresh`, there was no price: the stake comes back.

    Parameters
    ----------
    rules
        Payout, ties and the smallest amount of money, by asset.
    closes_s
        Purchases for an expiry end so many seconds before it.
    """

    def __init__(
        self,
        venue: str,
        rules: Mapping[str, PayoutRules],
        clock: Clock,
        *,
        fresh: timedelta = _FRESH,
        closes_s: float = 0.0,
    ) -> None:
        self.venue = venue
        self.rules = dict(rules)
        self.clock = clock
        self.closes_s = closes_s
        self._fresh = fresh
        self._last: dict[str, Quote] = {}
        self._due: dict[str, list[tuple[datetime, int, PaperPayoutBroker, str]]] = {}
        self._turn = 0

    def open(self, currency: str = "USD") -> PaperPayoutBroker:
        """Return the broker of an account; `PaperPayoutBroker.restore` gives it what it has."""
        return PaperPayoutBroker(self, currency)

    def on_quote(self, quote: Quote) -> int:
        """Settle what expired before a quote, then take it in; returns how many were settled."""
        settled = self._settle(quote.symbol, quote.at, is_open_end=True)
        last = self._last.get(quote.symbol)
        if last is None or quote.at >= last.at:
            self._last[quote.symbol] = quote
        return settled

    def settle(self) -> int:
        """Settle what has expired by the clock, where quotes have stopped coming."""
        now = self.clock.now()
        return sum(self._settle(asset, now, is_open_end=False) for asset in list(self._due))

    def price(self, asset: str) -> Decimal | None:
        """Return the middle of the last quote, None where it is not fresh."""
        last = self._last.get(asset)
        if last is None or self.clock.now() - last.at > self._fresh:
            return None
        return last.mid

    def list_contract(self, broker: PaperPayoutBroker, contract: Contract) -> None:
        """Settle a contract when its time comes."""
        self._turn += 1
        entry = (contract.expires_at, self._turn, broker, contract.contract_id)
        heapq.heappush(self._due.setdefault(contract.asset, []), entry)

    def _settle(self, asset: str, until: datetime, *, is_open_end: bool) -> int:
        due, last, settled = self._due.get(asset, []), self._last.get(asset), 0
        # A quote of the very instant of the expiry still counts, so that it waits for the next.
        while due and (due[0][0] < until if is_open_end else due[0][0] + self._fresh <= until):
            expires_at, _, broker, contract_id = heapq.heappop(due)
            is_priced = last is not None and expires_at - last.at <= self._fresh
            broker.settle(contract_id, last.mid if is_priced and last is not None else None)
            settled += 1
        return settled


class PaperPayoutBroker:
    """One paper account; what it holds is what our ledger says."""

    def __init__(self, place: PaperPayoutVenue, currency: str) -> None:
        self._place = place
        self._currency = currency
        self._free = ZERO
        self._contracts: dict[str, Contract] = {}
        self._events: asyncio.Queue[PayoutEvent] | None = None

    @property
    def venue(self) -> str:
        """Id of the broker whose payouts it takes."""
        return self._place.venue

    @property
    def keeps_request_ids(self) -> bool:
        """Whether contracts can be found by our own id: here they can."""
        return True

    @property
    def fence_s(self) -> float:
        """Seconds after the start of a purchase after which it can no longer appear unseen."""
        return _FENCE_S

    @property
    def settle_s(self) -> float:
        """Seconds after an expiry by which its result is due."""
        return 2 * _FRESH.total_seconds()

    def restore(self, contracts: Iterable[Contract], free: Decimal) -> None:
        """Take over what our ledger has: open contracts, and the money that is not staked."""
        self._free = free
        self._contracts = {one.contract_id: one for one in contracts}
        for one in self._contracts.values():
            if not one.state.is_final:
                self._place.list_contract(self, one)

    async def login(self) -> None:
        """Do nothing: paper asks for no password."""

    async def assets(self) -> Mapping[str, PayoutAsset]:
        """Return what can be bought now, by name; closed while there is no fresh price."""
        return {
            name: PayoutAsset(
                name,
                is_open=self._place.price(name) is not None,
                payout=rules.payout,
                minimum_stake=rules.sizing.minimum_stake or rules.money_step,
                maximum_stake=rules.sizing.max_stake,
                closes_s=self._place.closes_s,
            )
            for name, rules in self._place.rules.items()
        }

    async def buy(self, request: PayoutRequest) -> PayoutOutcome:
        """Buy one contract at the middle of the last quote."""
        now, asset = self._place.clock.now(), (await self.assets()).get(request.asset)
        price = self._place.price(request.asset)
        contract_id = f"paper-{request.request_id}"
        if contract_id in self._contracts:
            return PayoutOutcome(OutcomeKind.UNKNOWN, "duplicate the id is in use", "duplicate")
        if asset is not None and price is None:
            words = "offline nothing was sent: there is no fresh price"
            return PayoutOutcome(OutcomeKind.THROTTLED, words, "offline", _OFFLINE_S)
        refusal = self._refusal(request, asset, now)
        if refusal is not None or asset is None:
            words = refusal or f"asset {request.asset} is not offered"
            return PayoutOutcome(OutcomeKind.REFUSED, words, words.split(" ", 1)[0])
        contract = Contract(
            contract_id=contract_id,
            request_id=request.request_id,
            asset=request.asset,
            direction=request.direction,
            stake=request.stake,
            payout=asset.payout,
            opened_at=now,
            expires_at=request.expires_at,
            entry_price=price,
        )
        self._free -= request.stake
        self._contracts[contract_id] = contract
        self._place.list_contract(self, contract)
        self._tell(contract)
        return PayoutOutcome(OutcomeKind.ACCEPTED, contract=contract)

    async def result(self, contract_id: str) -> Contract | None:
        """Return a contract, or None where there is none."""
        return self._contracts.get(contract_id)

    async def open_contracts(self) -> tuple[Contract, ...]:
        """Return every open contract of the account."""
        return tuple(one for one in self._contracts.values() if not one.state.is_final)

    async def statement(self, since: datetime) -> tuple[Contract, ...]:
        """Return all contracts settled since an instant, oldest first."""
        settled = (
            (one.settled_at, one.contract_id, one)
            for one in self._contracts.values()
            if one.settled_at is not None and one.settled_at >= since
        )
        return tuple(one for _, _, one in sorted(settled, key=lambda row: row[:2]))

    async def balance(self) -> Funds:
        """Return what may be staked."""
        return Funds(self._currency, self._free)

    async def events(self) -> AsyncIterator[PayoutEvent]:
        """Yield the account's events for ever."""
        events = self._events = asyncio.Queue[PayoutEvent]()
        events.put_nowait(PayoutEvent(EventKind.CONNECTED))
        while True:
            yield await events.get()

    async def close(self) -> None:
        """Forget the account; `restore` brings it back."""
        self._contracts = {}
        self._events = None

    def settle(self, contract_id: str, price: Decimal | None) -> None:
        """Give a contract its result at a price; without one its stake comes back."""
        contract = self._contracts.get(contract_id)
        if contract is None or contract.state.is_final:
            return
        rules = self._place.rules[contract.asset]
        state = ContractState.CANCELED if price is None else _state(contract, price)
        returned = contract.stake
        if state is ContractState.WON:
            profit = EXACT.multiply(contract.stake, contract.payout)
            steps = EXACT.divide(profit, rules.money_step).to_integral_value(ROUND_FLOOR)
            returned += EXACT.multiply(steps, rules.money_step)
        elif state is ContractState.LOST or (state is ContractState.TIED and not rules.refund_ties):
            returned = ZERO
        self._free += returned
        settled = replace(
            contract,
            state=state,
            exit_price=price,
            returned=returned,
            settled_at=self._place.clock.now(),
        )
        self._contracts[contract_id] = settled
        self._tell(settled)

    def _refusal(
        self, request: PayoutRequest, asset: PayoutAsset | None, now: datetime
    ) -> str | None:
        if asset is None:
            return None
        step = self._place.rules[request.asset].money_step
        largest = asset.maximum_stake if asset.maximum_stake is not None else request.stake
        last_at = request.expires_at - timedelta(seconds=asset.closes_s)
        found = {
            f"late the asset closed for {request.expires_at:%H:%M:%S} before": now >= last_at,
            f"payout is {asset.payout}, less than {request.smallest_payout}": (
                asset.payout < request.smallest_payout
            ),
            f"stake {request.stake} is not {asset.minimum_stake} to {largest}": (
                not asset.minimum_stake <= request.stake <= largest
            ),
            f"stake {request.stake} is no multiple of {step}": request.stake % step != 0,
            "funds insufficient balance": request.stake > self._free,
        }
        return next((words for words, is_so in found.items() if is_so), None)

    def _tell(self, contract: Contract) -> None:
        if self._events is not None:
            self._events.put_nowait(PayoutEvent(EventKind.ORDER, contract))


def _state(contract: Contract, price: Decimal) -> ContractState:
    entry = contract.entry_price
    if entry is None:
        message = f"contract {contract.contract_id} has no price of entry."
        raise NoInformation(message, "Restore it from the ledger with its price.")
    if price == entry:
        return ContractState.TIED
    is_above = price > entry
    is_won = is_above is (contract.direction is Direction.CALL)
    return ContractState.WON if is_won else ContractState.LOST
