"""A broker of fixed payouts with its own ledger as truth, which loses answers and results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Literal

from candela.brokers.payout_port import (
    Contract,
    ContractState,
    Funds,
    PayoutAsset,
    PayoutEvent,
    PayoutOutcome,
    PayoutRequest,
)
from candela.brokers.port import EventKind, NoInformation
from candela.orders.words import OutcomeKind

if TYPE_CHECKING:
    from candela.clock import Clock

Buy = Literal["ok", "refused", "throttled", "lost", "dropped", "late"]
"""lost: never arrives; dropped: taken, the answer is lost; late: taken after the answer is lost."""
Result = Literal["ok", "lost", "late", "twice", "contradictory", "never"]

CENT = Decimal("0.01")
FENCE_S = 15.0
_UNTAKEN: dict[str, tuple[float, PayoutOutcome]] = {
    "refused": (0.1, PayoutOutcome(OutcomeKind.REFUSED, "closed the asset is closed", "closed")),
    "throttled": (0.1, PayoutOutcome(OutcomeKind.THROTTLED, "busy", "busy", 1.0)),
    "lost": (12.0, PayoutOutcome(OutcomeKind.UNKNOWN, "no answer")),
}
PAYOUT = Decimal("0.85")


@dataclass(slots=True)
class Truth:
    """A contract as the house has it, and whose it is, which it never shows."""

    contract: Contract
    request_id: str
    told_at: datetime | None = None


@dataclass(slots=True)
class House:
    """The broker: money, contracts, and what goes wrong next.

    Parameters
    ----------
    buys, results
        Asked for each purchase and each expiry.
    win
        Asked at each expiry: what becomes of the contract.
    deaf
        Whether a question goes unanswered now.
    """

    clock: Clock
    free: Decimal = Decimal(1_000)
    buys: Callable[[], Buy] = lambda: "ok"
    results: Callable[[], Result] = lambda: "ok"
    win: Callable[[], ContractState] = lambda: ContractState.WON
    deaf: Callable[[], bool] = lambda: False
    contracts: dict[str, Truth] = field(default_factory=dict[str, Truth])
    links: list[HouseLink] = field(default_factory=list["HouseLink"])
    asked: int = 0
    late_s: float = 6.0

    def take(self, request: PayoutRequest, *, is_ours: bool = True) -> Contract | None:
        """Open a contract, where the money and the time are there."""
        now = self.clock.now()
        if request.stake > self.free or request.expires_at <= now:
            return None
        self.free -= request.stake
        contract = Contract(
            contract_id=f"h{len(self.contracts) + 1}",
            request_id=None,
            asset=request.asset,
            direction=request.direction,
            stake=request.stake,
            payout=PAYOUT,
            opened_at=now,
            expires_at=request.expires_at,
            entry_price=Decimal(100),
        )
        owner = request.request_id if is_ours else ""
        self.contracts[contract.contract_id] = Truth(contract, owner)
        wait_s = (request.expires_at - now).total_seconds()
        asyncio.get_running_loop().call_later(wait_s, self.expire, contract.contract_id)
        return contract

    def expire(self, contract_id: str) -> None:
        """Give a contract its result, and tell of it as faults allow."""
        truth = self.contracts[contract_id]
        state = self.win()
        paid = Decimal(0)
        if state is ContractState.WON:
            won = (truth.contract.stake * PAYOUT).quantize(CENT, ROUND_FLOOR)
            paid = truth.contract.stake + won
        elif state is ContractState.TIED:
            paid = truth.contract.stake
        now = self.clock.now()
        self.free += paid
        truth.contract = replace(
            truth.contract, state=state, returned=paid, settled_at=now, exit_price=Decimal(101)
        )
        fault = self.results()
        if fault == "never":
            return
        truth.told_at = now + timedelta(seconds=45.0 if fault == "late" else 0.0)
        if fault in {"lost", "late"}:
            return
        told = truth.contract
        if fault == "contradictory":
            other = ContractState.LOST if state is ContractState.WON else ContractState.WON
            self.push(replace(told, state=other, returned=told.stake - paid))
        self.push(told)
        if fault == "twice":
            self.push(told)

    def push(self, contract: Contract) -> None:
        """Tell all links of a contract."""
        for link in self.links:
            link.queue.put_nowait(PayoutEvent(EventKind.ORDER, contract))

    def shown(self) -> list[Contract]:
        """Return contracts as the statement has them now."""
        now = self.clock.now()
        found: list[Contract] = []
        for truth in self.contracts.values():
            one = truth.contract
            if one.state.is_final and (truth.told_at is None or truth.told_at > now):
                one = replace(one, state=ContractState.OPEN, returned=None, settled_at=None)
            found.append(one)
        return found


class HouseLink:
    """One process's connection to the house: the `PayoutBroker` of these tests."""

    def __init__(self, house: House, name: str = "house") -> None:
        self.house = house
        self._name = name
        self.queue: asyncio.Queue[PayoutEvent] = asyncio.Queue()
        self.queue.put_nowait(PayoutEvent(EventKind.CONNECTED))
        self.sent: list[PayoutRequest] = []
        house.links.append(self)

    @property
    def venue(self) -> str:
        return self._name

    @property
    def keeps_request_ids(self) -> bool:
        return False

    @property
    def fence_s(self) -> float:
        return FENCE_S

    @property
    def settle_s(self) -> float:
        return 5.0

    async def login(self) -> None:
        return None

    async def assets(self) -> Mapping[str, PayoutAsset]:
        return {"EUR/USD": PayoutAsset("EUR/USD", is_open=True, payout=PAYOUT)}

    async def buy(self, request: PayoutRequest) -> PayoutOutcome:
        """Send as the fault of this purchase says; what is on the wire arrives though we die."""
        self.sent.append(request)
        house, fault = self.house, self.house.buys()
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[Contract | None] = loop.create_future()

        def arrive() -> None:
            contract = house.take(request)
            if not taken.done():
                taken.set_result(contract)

        if fault in _UNTAKEN:
            wait_s, outcome = _UNTAKEN[fault]
            await asyncio.sleep(wait_s)
            return outcome
        loop.call_later(house.late_s if fault == "late" else 0.05, arrive)
        if fault == "late":
            await asyncio.sleep(2.0)
            return PayoutOutcome(OutcomeKind.UNKNOWN, "reset")
        contract = await taken
        if fault == "dropped":
            await asyncio.sleep(1.0)
            return PayoutOutcome(OutcomeKind.UNKNOWN, "reset")
        await asyncio.sleep(0.05)
        if contract is None:
            return PayoutOutcome(OutcomeKind.REFUSED, "money or time is over", "refused")
        return PayoutOutcome(OutcomeKind.ACCEPTED, contract=contract)

    async def result(self, contract_id: str) -> Contract | None:
        await self._question()
        return next((one for one in self.house.shown() if one.contract_id == contract_id), None)

    async def open_contracts(self) -> tuple[Contract, ...]:
        await self._question()
        return tuple(one for one in self.house.shown() if not one.state.is_final)

    async def statement(self, since: datetime) -> tuple[Contract, ...]:
        await self._question()
        return tuple(
            one
            for one in self.house.shown()
            if one.settled_at is not None and one.settled_at >= since
        )

    async def balance(self) -> Funds:
        await self._question()
        return Funds("USD", self.house.free)

    async def events(self) -> AsyncIterator[PayoutEvent]:
        while True:
            yield await self.queue.get()

    async def close(self) -> None:
        self.house.links.remove(self)

    async def _question(self) -> None:
        self.house.asked += 1
        await asyncio.sleep(0.05)
        if self.house.deaf():
            raise NoInformation("the house is silent", "Ask again.")
