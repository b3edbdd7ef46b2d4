"""Orders by hand: refused before they are written where that is certain, and followed after."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from candela.bots.checks import AmountBelowMinimum, BadOrder, SymbolNotTrading
from candela.db.connect import Role
from candela.desk.accounts import AccountInUse, UnknownAccount, close_account
from candela.desk.halts import kill
from candela.desk.orders import NotEnough, UnknownRequest, request_order, request_row
from candela.desk.running import Killed
from candela.desk.session import tenant_session
from candela.desk.users import change_plan, create_user
from candela.ids import new_id
from candela.plans import PlanLimitReached
from tests.fixtures.desk import config_of, market_of

if TYPE_CHECKING:
    from uuid import UUID

    from candela.desk.orders import OrderRequestRow
    from candela.errors import CandelaError
    from tests.fixtures.desk import Desk

MARKET = market_of(config_of())


def ask(
    desk: Desk,
    side: str = "buy",
    quantity: str = "0.01",
    price: str | None = "20000",
    **options: Any,
) -> OrderRequestRow:
    words: dict[str, Any] = {"account": "paper", "market": MARKET} | options
    with desk.session() as session:
        return request_order(
            session,
            side="buy" if side == "buy" else "sell",
            quantity=Decimal(quantity),
            price=None if price is None else Decimal(price),
            requested_by=desk.user.email,
            clock=desk.clock,
            **words,
        )


def test_request_when_all_is_well_then_it_waits_and_is_announced(desk: Desk) -> None:
    row = ask(desk)
    assert (row.state, row.kind, row.price, row.is_final) == (
        "waiting",
        "limit",
        Decimal(20000),
        False,
    )
    with desk.session() as session:
        told = session.row("SELECT stream, key, payload FROM live.outbox", {})
    assert told is not None
    assert told["payload"]["request"] == told["key"] == str(row.request_id)


def test_request_when_sent_twice_under_one_id_then_one_order_is_asked_for(desk: Desk) -> None:
    name = new_id(desk.clock.now())
    assert ask(desk, request_id=name) == ask(desk, request_id=name)
    assert desk.count("trading.order_requests") == 1


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"account": "nowhere"}, UnknownAccount),
        ({"market": market_of(config_of(instrument="kraken:BTC/USD"))}, BadOrder),
        ({"market": market_of(config_of(), is_trading=False)}, SymbolNotTrading),
        ({"quantity": "0"}, BadOrder),
        ({"quantity": "-1"}, BadOrder),
        ({"quantity": "nan"}, BadOrder),
        ({"quantity": "0.000015"}, BadOrder),
        ({"price": "20000.001"}, BadOrder),
        ({"quantity": "0.0001", "price": "20000"}, AmountBelowMinimum),
        ({"quantity": "0.051"}, NotEnough),
        ({"side": "sell"}, NotEnough),
    ],
)
def test_request_when_wrong_then_one_error_and_nothing_written(
    desk: Desk, given: dict[str, Any], error: type[CandelaError]
) -> None:
    with pytest.raises(error) as caught:
        ask(desk, **given)
    assert caught.value.hint
    assert desk.count("trading.order_requests") == desk.count("live.outbox") == 0


def test_request_when_killed_or_lapsed_then_buys_are_refused_and_sells_go_on(desk: Desk) -> None:
    with desk.session() as session:
        session.run(
            "INSERT INTO trading.balances (tenant_id, account_id, ccy, total)"
            " SELECT tenant_id, account_id, 'BTC', 1 FROM trading.accounts"
            " WHERE tenant_id = %(tenant)s",
            {},
        )
        kill(session, by="me", reason="smoke", clock=desk.clock, account="paper")
    with pytest.raises(Killed, match="smoke"):
        ask(desk)
    assert ask(desk, "sell").state == "waiting"


def test_request_when_the_plan_is_over_then_buys_are_refused(desk: Desk) -> None:
    with desk.session() as session:
        change_plan(session, "free", clock=desk.clock)
        session.run(
            "UPDATE tenancy.subscriptions SET status = 'expired' WHERE tenant_id = %(tenant)s", {}
        )
    with pytest.raises(PlanLimitReached):
        ask(desk)


def test_sell_when_a_bot_holds_it_then_only_the_rest_is_free(desk: Desk) -> None:
    bot = desk.bot("one")
    with desk.session() as session:
        values = {"bot": bot.bot_id, "account": bot.account_id}
        session.run(
            "INSERT INTO trading.balances (tenant_id, account_id, ccy, total)"
            " VALUES (%(tenant)s, %(account)s, 'BTC', 0.05)",
            values,
        )
        session.run(
            "INSERT INTO trading.positions (tenant_id, bot_id, symbol, account_id, quantity,"
            " mean_price, updated_at) VALUES (%(tenant)s, %(bot)s, 'BTC/USDT', %(account)s, 0.03,"
            " 20000, now())",
            values,
        )
    with pytest.raises(NotEnough, match="held by bots"):
        ask(desk, "sell", "0.03")
    assert ask(desk, "sell", "0.02").state == "waiting"


@pytest.mark.parametrize(
    ("state", "intent", "is_final"),
    [("refused", None, True), ("lapsed", None, True), ("taken", "working", False)],
)
def test_row_when_an_executor_answered_then_it_tells(
    desk: Desk, state: str, intent: str | None, *, is_final: bool
) -> None:
    row = ask(desk)
    intent_id: UUID | None = None
    with desk.session() as session:
        if intent is not None:
            intent_id = new_id(desk.clock.now())
            session.run(
                "INSERT INTO trading.intents (tenant_id, intent_id, account_id, symbol, bar_at,"
                " leg, source, side, kind, quantity, shard, epoch, state, created_at)"
                " SELECT tenant_id, %(intent)s, account_id, 'BTC/USDT', now(), 'manual', 'manual',"
                " 'buy', 'market', 0.01, 0, 1, %(state)s, now() FROM trading.accounts"
                " WHERE tenant_id = %(tenant)s",
                {"intent": intent_id, "state": intent},
            )
        session.run(
            "UPDATE trading.order_requests SET state = %(state)s, reason = 'why',"
            " intent_id = %(intent)s, answered_at = now() WHERE tenant_id = %(tenant)s",
            {"state": state, "intent": intent_id},
        )
        found = request_row(session, row.request_id)
    assert (found.state, found.intent_state, found.is_final) == (state, intent, is_final)


def test_row_when_of_another_tenant_then_unknown(desk: Desk) -> None:
    row = ask(desk)
    other = create_user(desk.database, "other@example.com", clock=desk.clock)
    with (
        pytest.raises(UnknownRequest),
        tenant_session(desk.database, other.tenant_id, role=Role.APP) as session,
    ):
        request_row(session, row.request_id)


def test_account_when_an_order_waits_then_not_closed(desk: Desk) -> None:
    ask(desk)
    with pytest.raises(AccountInUse, match="BTC/USDT waits"), desk.session() as session:
        close_account(session, "paper", clock=desk.clock)
