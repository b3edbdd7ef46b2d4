"""Paper contracts of fixed payouts: results by quotes, money exact, nothing invented."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from candela.brokers.paper_payout import PaperPayoutBroker, PaperPayoutVenue
from candela.brokers.payout_port import ContractState, Direction, PayoutOutcome, PayoutRequest
from candela.brokers.port import EventKind
from candela.clock import FixedClock
from candela.orders.words import OutcomeKind, Quote
from candela.payout.rules import PayoutRules, StakeSizing

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
ASSET = "EUR/USD"


@dataclass
class Stage:
    """One account, a clock and a feed that are moved by hand."""

    refund_ties: bool = True
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))

    def __post_init__(self) -> None:
        rules = PayoutRules(
            payout=Decimal("0.83"),
            refund_ties=self.refund_ties,
            sizing=StakeSizing(max_stake=Decimal(500)),
        )
        self.venue = PaperPayoutVenue("paper", {ASSET: rules}, self.clock, closes_s=10)
        self.broker: PaperPayoutBroker = self.venue.open()
        self.broker.restore((), Decimal(1000))
        self.quote("1.1000")

    def quote(self, price: str, after_s: float = 0) -> None:
        self.clock.at += timedelta(seconds=after_s)
        half = Decimal("0.0001")
        mid = Decimal(price)
        self.venue.on_quote(Quote(ASSET, mid - half, mid + half, self.clock.at))

    def buy(
        self,
        name: str = "a",
        *,
        direction: Direction = Direction.CALL,
        stake: str = "100",
        expiry_s: float = 60,
        smallest: str = "0",
    ) -> PayoutOutcome:
        request = PayoutRequest(
            name,
            ASSET,
            direction,
            Decimal(stake),
            START + timedelta(seconds=expiry_s),
            Decimal(smallest),
        )
        return asyncio.run(self.broker.buy(request))

    def free(self) -> Decimal:
        return asyncio.run(self.broker.balance()).free


@pytest.mark.parametrize(
    ("direction", "price", "state", "free"),
    [
        (Direction.CALL, "1.1001", ContractState.WON, "1083"),
        (Direction.CALL, "1.0999", ContractState.LOST, "900"),
        (Direction.PUT, "1.0999", ContractState.WON, "1083"),
        (Direction.PUT, "1.1001", ContractState.LOST, "900"),
        (Direction.PUT, "1.1000", ContractState.TIED, "1000"),
    ],
)
def test_contract_when_it_expires_then_is_settled_at_the_last_quote_before(
    direction: Direction, price: str, state: ContractState, free: str
) -> None:
    stage = Stage()
    assert stage.buy(direction=direction).kind is OutcomeKind.ACCEPTED
    assert stage.free() == 900
    stage.quote(price, 60)
    # That quote is of the instant of the expiry itself; the next one says that it is over.
    assert len(asyncio.run(stage.broker.open_contracts())) == 1
    stage.quote("9.9999", 1)
    contract = asyncio.run(stage.broker.result("paper-a"))
    assert contract is not None
    assert (contract.state, contract.exit_price) == (state, Decimal(price))
    assert stage.free() == Decimal(free)
    assert asyncio.run(stage.broker.statement(START)) == (contract,)


def test_tie_when_the_rules_do_not_refund_it_then_the_stake_is_lost() -> None:
    stage = Stage(refund_ties=False)
    stage.buy()
    stage.quote("1.1000", 60)
    stage.quote("1.1000", 1)
    assert stage.free() == 900


def test_profit_when_it_is_no_whole_cent_then_is_rounded_down_to_one() -> None:
    stage = Stage()
    stage.buy(stake="0.07")
    stage.quote("1.2", 59)
    stage.quote("1.2", 2)
    assert stage.free() == Decimal("1000.05")


def test_expiry_when_quotes_have_stopped_then_gives_the_stake_back_and_no_result() -> None:
    stage = Stage()
    stage.buy()
    stage.clock.at += timedelta(seconds=61)
    assert stage.venue.settle() == 0
    stage.clock.at += timedelta(seconds=10)
    assert stage.venue.settle() == 1
    contract = asyncio.run(stage.broker.result("paper-a"))
    assert contract is not None
    assert (contract.state, contract.exit_price) == (ContractState.CANCELED, None)
    assert stage.free() == 1000


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"expiry_s": 9.9}, "late"),
        ({"expiry_s": -1}, "late"),
        ({"smallest": "0.84"}, "payout"),
        ({"stake": "500.01"}, "stake"),
        ({"stake": "0.005"}, "stake"),
        ({"stake": "0.015"}, "stake"),
    ],
)
def test_purchase_when_it_cannot_be_then_is_refused_by_name(
    options: dict[str, str | float], code: str
) -> None:
    stage = Stage()
    outcome = stage.buy(**options)  # pyright: ignore[reportArgumentType]
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code)
    assert stage.free() == 1000


def test_purchase_when_money_is_short_or_the_price_old_then_nothing_is_bought() -> None:
    stage = Stage()
    for name in "abc":
        stage.buy(name, stake="400")
    assert asyncio.run(stage.broker.result("paper-c")) is None
    assert stage.free() == 200
    stage.clock.at += timedelta(seconds=6)
    outcome = stage.buy("d", stake="10")
    assert (outcome.kind, outcome.code) == (OutcomeKind.THROTTLED, "offline")


def test_purchase_when_the_id_is_known_then_is_not_bought_twice() -> None:
    stage = Stage()
    stage.buy()
    assert stage.buy().kind is OutcomeKind.UNKNOWN
    assert stage.free() == 900


def test_account_when_restored_then_its_contracts_are_settled_as_before() -> None:
    stage = Stage()
    stage.buy()
    kept = asyncio.run(stage.broker.open_contracts())
    again = stage.venue.open()
    again.restore(kept, Decimal(900))
    asyncio.run(stage.broker.close())
    stage.quote("1.2", 58)
    stage.quote("1.2", 3)
    assert asyncio.run(again.balance()).free == 1083
    assert stage.venue.settle() == 0


def test_stream_when_a_contract_ends_then_tells_it() -> None:
    async def run() -> list[object]:
        stage, told = Stage(), list[object]()
        events = stage.broker.events()
        assert (await anext(events)).kind is EventKind.CONNECTED
        expires_at = START + timedelta(seconds=60)
        await stage.broker.buy(PayoutRequest("a", ASSET, Direction.CALL, Decimal(1), expires_at))
        stage.quote("1.2", 60)
        stage.quote("1.2", 1)
        for _ in range(2):
            event = await anext(events)
            assert event.contract is not None
            told.append(event.contract.state)
        return told

    assert asyncio.run(run()) == [ContractState.OPEN, ContractState.WON]


@given(
    st.lists(
        st.tuples(st.sampled_from(Direction), st.integers(1, 20_000), st.integers(-3, 3)),
        min_size=1,
        max_size=20,
    )
)
def test_money_for_any_history_is_that_of_its_results(
    history: list[tuple[Direction, int, int]],
) -> None:
    stage = Stage()
    expected = Decimal(1000)
    for number, (direction, cents, move) in enumerate(history):
        begin = stage.clock.at
        stage.quote("1.1")
        stake = Decimal(cents) / 100
        request = PayoutRequest(str(number), ASSET, direction, stake, begin + timedelta(seconds=60))
        outcome = asyncio.run(stage.broker.buy(request))
        stage.quote(str(Decimal("1.1") + Decimal(move) / 1000), 60)
        stage.quote("1.1", 1)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            continue
        sign = move if direction is Direction.CALL else -move
        profit = (stake * 100 * Decimal("0.83")) // 1 / 100
        expected += profit if sign > 0 else -stake if sign < 0 else 0
    assert stage.free() == expected
    assert asyncio.run(stage.broker.open_contracts()) == ()
