"""Tests of the arithmetic of executions: fees, dust, late fills, sums that are exact."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from candela.money import ZERO, quotient
from candela.orders.booking import Touched, book_execution, fill_of, left_of, same_content
from candela.orders.graph import may_move
from candela.orders.records import LedgerEntry, Position, Trade
from candela.orders.words import IntentState, OrderState, Side
from tests.candela.orders.made import (
    ACCOUNT,
    BOT,
    KEY,
    NOW,
    RULES,
    SYMBOL,
    an_execution,
    an_intent,
    an_order,
    touched,
)

BUY = an_intent(1, Side.BUY, "1")
SELL = an_intent(2, Side.SELL, "1")


def held(quantity: str, dust: str = "0") -> tuple[Position, Trade]:
    effect = book_execution(touched(BUY), an_execution(Side.BUY, quantity), NOW, RULES)
    position, trade = effect.touched.position, effect.touched.trade
    assert position is not None
    assert trade is not None
    return replace(position, dust=Decimal(dust)), trade


def test_buy_with_a_fee_in_base_makes_less_arrive() -> None:
    effect = book_execution(
        touched(BUY), an_execution(Side.BUY, "1", fee="0.001", fee_ccy="BTC"), NOW, RULES
    )
    assert effect.touched.position is not None
    assert effect.touched.position.quantity == Decimal("0.999")
    amounts = [(entry.ccy, entry.amount) for entry in effect.entries]
    assert amounts == [("BTC", 1), ("USDT", -100), ("BTC", Decimal("-0.001"))]


def test_fee_in_a_third_asset_is_booked_apart_and_valued_where_a_rate_is_known() -> None:
    execution = an_execution(Side.BUY, "1", fee="0.5", fee_ccy="BNB")
    unvalued = book_execution(touched(BUY), execution, NOW, RULES).touched.position
    valued = book_execution(touched(BUY), execution, NOW, RULES, Decimal(600)).touched.position
    assert unvalued is not None
    assert valued is not None
    assert (unvalued.quantity, unvalued.fees) == (1, 0)
    assert (valued.quantity, valued.fees, valued.realised) == (1, 300, -300)


def test_entry_takes_its_terms_over_and_opens_a_trade_with_an_id_that_repeats() -> None:
    first = book_execution(touched(BUY), an_execution(Side.BUY, "1"), NOW, RULES).touched
    second = book_execution(touched(BUY), an_execution(Side.BUY, "1"), NOW, RULES).touched
    assert first.position is not None
    assert first.position.terms == BUY.terms
    assert first.trade == second.trade


def test_order_filled_up_ends_its_intent_and_releases_the_rest() -> None:
    effect = book_execution(touched(BUY), an_execution(Side.BUY, "1"), NOW, RULES)
    assert effect.touched.order.state is OrderState.FILLED
    assert effect.touched.intent.state is IntentState.DONE
    assert effect.touched.reservation.amount == 0


def test_order_shown_as_filled_with_executions_missing_does_not_end_its_intent() -> None:
    order = an_order(BUY, state=OrderState.FILLED, venue_executed=Decimal(1))
    effect = book_execution(touched(BUY, order=order), an_execution(Side.BUY, "0.4"), NOW, RULES)
    assert effect.touched.intent.state is IntentState.WORKING
    assert effect.touched.order.executed == Decimal("0.4")


def test_rest_below_the_least_value_closes_the_trade_as_dust() -> None:
    position, trade = held("1")
    before = touched(SELL, position=position, trade=trade)
    effect = book_execution(before, an_execution(Side.SELL, "0.96", "120"), NOW, RULES)
    after, closed = effect.touched.position, effect.touched.trade
    assert after is not None
    assert closed is not None
    assert (after.quantity, after.dust) == (0, Decimal("0.04"))
    assert closed.status == "closed"
    assert closed.pnl == Decimal("0.96") * 120 - 100
    assert closed.exit_reason == "exit"


def test_dust_joins_the_next_entry() -> None:
    flat = Position(BOT, KEY, SYMBOL, dust=Decimal("0.04"))
    effect = book_execution(
        touched(BUY, position=flat), an_execution(Side.BUY, "1"), NOW, RULES
    ).touched
    assert effect.position is not None
    assert (effect.position.quantity, effect.position.dust) == (Decimal("1.04"), 0)
    assert effect.position.mean_price == 100


def test_last_part_of_an_exit_after_its_trade_was_closed_amends_that_trade() -> None:
    position, trade = held("1")
    order = an_order(SELL)
    first = book_execution(
        touched(SELL, position=position, trade=trade, order=order),
        an_execution(Side.SELL, "0.99", "120"),
        NOW,
        RULES,
    ).touched
    last = book_execution(
        first, an_execution(Side.SELL, "0.01", "120", trade_id="t2"), NOW, RULES
    ).touched
    assert last.position is not None
    assert last.trade is not None
    assert (last.position.quantity, last.position.dust) == (0, 0)
    assert last.trade.pnl == 20
    assert last.position.realised == 20


def test_fill_after_cancellation_is_booked_and_called_late() -> None:
    order = an_order(BUY, state=OrderState.CANCELED, final_at=NOW)
    failed = replace(BUY, state=IntentState.FAILED, final_at=NOW)
    before = touched(failed, order=order, reservation=replace(BUY.reserve, amount=ZERO))
    effect = book_execution(before, an_execution(Side.BUY, "0.5"), NOW, RULES)
    assert effect.is_late
    assert effect.touched.order.state is OrderState.CANCELED
    assert effect.touched.intent.state is IntentState.DONE
    assert effect.touched.position is not None
    assert effect.touched.position.quantity == Decimal("0.5")


def test_more_sold_than_held_is_owed_as_negative_dust() -> None:
    position, trade = held("0.5")
    effect = book_execution(
        touched(SELL, position=position, trade=trade), an_execution(Side.SELL, "0.6"), NOW, RULES
    ).touched
    assert effect.position is not None
    assert (effect.position.quantity, effect.position.dust) == (0, Decimal("-0.1"))


def test_intent_without_a_bot_moves_money_and_no_position() -> None:
    manual = replace(BUY, bot_id=None)
    effect = book_execution(touched(manual), an_execution(Side.BUY, "1"), NOW, RULES)
    assert effect.touched.position is None
    assert len(effect.entries) == 2


@pytest.mark.parametrize(
    "change", [{"quantity": Decimal(2)}, {"price": Decimal(9)}, {"fee_ccy": "BNB"}]
)
def test_other_content_under_a_known_trade_id_is_seen(change: dict[str, Any]) -> None:
    execution = an_execution(Side.BUY, "1", fee="1")
    fill = fill_of(an_order(BUY), BUY, execution)
    assert same_content(fill, execution)
    assert not same_content(fill, replace(execution, **change))


def test_currency_of_a_fee_of_nothing_is_no_other_content() -> None:
    order = an_order(BUY)
    free = replace(an_execution(Side.BUY, "0.4"), fee=ZERO, fee_ccy="BTC")
    fill = fill_of(order, BUY, free)
    assert same_content(fill, replace(free, fee_ccy="USDT"))
    paid = replace(free, fee=Decimal("0.1"))
    assert not same_content(fill, paid)
    assert not same_content(fill_of(order, BUY, paid), replace(paid, fee_ccy="USDT"))


def test_reservation_never_goes_below_nothing() -> None:
    assert left_of(Decimal(50), an_execution(Side.BUY, "1")) == 0
    assert left_of(Decimal(150), an_execution(Side.BUY, "1", fee="1")) == 49
    assert left_of(Decimal(2), an_execution(Side.SELL, "1")) == 1


AMOUNTS = st.integers(1, 3_000).map(lambda number: Decimal(number) / 1000)
PRICES = st.integers(9_000, 11_000).map(lambda number: Decimal(number) / 100)
FEES = st.sampled_from(["BTC", "USDT", "BNB"])


class Trading(RuleBasedStateMachine):
    """Intents of one bot whose orders fill in parts, end, and fill late."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.position: Position | None = None
        self.trades: dict[object, Trade] = {}
        self.rows: dict[str, Touched] = {}
        self.entries: list[LedgerEntry] = []

    @rule(side=st.sampled_from(list(Side)), quantity=AMOUNTS)
    def send(self, side: Side, quantity: Decimal) -> None:
        """Let an order be accepted."""
        self.number += 1
        intent = an_intent(self.number, side, str(quantity))
        row = Touched(ACCOUNT, an_order(intent), intent, intent.reserve)
        self.rows[row.order.client_id] = row

    @precondition(lambda self: bool(self.rows))
    @rule(data=st.data(), share=st.integers(1, 1000), price=PRICES, fee_ccy=FEES)
    def fill(self, data: st.DataObject, share: int, price: Decimal, fee_ccy: str) -> None:
        """Let a part of an order fill, whatever state it is in."""
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        rest = row.order.quantity - row.order.executed
        quantity = (rest * share / 1000).quantize(Decimal("0.000001"))
        if quantity <= 0:
            return
        self.number += 1
        fee = (quantity / 1000).quantize(Decimal("1e-9"))
        execution = an_execution(
            row.order.side, str(quantity), str(price), str(fee), fee_ccy, f"t{self.number}"
        )
        held_by = None if self.position is None else self.position.trade_id
        trade = None if held_by is None else self.trades.get(held_by)
        effect = book_execution(
            replace(row, position=self.position, trade=trade), execution, NOW, RULES
        )
        after = effect.touched
        if after.order.state is not row.order.state:
            assert may_move(row.order.state, after.order.state, by_late_fill=True)
        assert effect.is_late == row.order.state.is_final
        assert after.reservation.amount <= row.reservation.amount
        self.position = after.position
        if after.trade is not None:
            self.trades[after.trade.trade_id] = after.trade
        self.rows[row.order.client_id] = replace(after, position=None, trade=None)
        self.entries += effect.entries

    @precondition(lambda self: bool(self.rows))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Let an order end with its rest."""
        client_id = data.draw(st.sampled_from(sorted(self.rows)))
        row = self.rows[client_id]
        if may_move(row.order.state, OrderState.CANCELED):
            order = replace(row.order, state=OrderState.CANCELED, final_at=NOW)
            self.rows[client_id] = replace(row, order=order)

    @invariant()
    def position_is_the_sum_of_movements(self) -> None:
        """What the bot holds, with its dust, is what the ledger moved in base."""
        moved = sum((one.amount for one in self.entries if one.ccy == "BTC"), ZERO)
        total = ZERO if self.position is None else self.position.quantity + self.position.dust
        assert total == moved
        assert self.position is None or self.position.quantity >= 0

    @invariant()
    def profit_is_the_sum_of_money(self) -> None:
        """What was realised, less what is open, is what the ledger moved in quote."""
        if self.position is None:
            return
        money = sum((one.amount for one in self.entries if one.ccy == "USDT"), ZERO)
        cost = ZERO
        if self.position.opened_at is not None and self.position.trade_id is not None:
            trade = self.trades[self.position.trade_id]
            gone = trade.entry_value * min(trade.exit_quantity, trade.quantity)
            cost = trade.entry_value
            if trade.exit_quantity:
                cost -= quotient(gone, trade.quantity)
        assert self.position.realised - cost == money


Trading.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestTrading = Trading.TestCase
