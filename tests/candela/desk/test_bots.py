"""Bots: all is checked before anything is written, and each configuration is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from candela.bots.checks import AmountBelowMinimum, RuinNotRead, SymbolNotTrading
from candela.bots.config import BadBotConfig
from candela.desk.accounts import UnknownAccount
from candela.desk.bots import (
    BadBot,
    BotHolds,
    BotNameTaken,
    BotRuns,
    UnknownBot,
    all_bots,
    bot_named,
    change_bot,
    remove_bot,
)
from candela.desk.opening import add_paper
from candela.desk.running import start_bot
from tests.fixtures.desk import config_of, definition_of, market_of

if TYPE_CHECKING:
    from uuid import UUID

    from candela.errors import CandelaError
    from tests.fixtures.desk import Desk

LADDER = {"martingale": {"first_stake": "5", "factor": "2", "steps": 3}}


def hold(desk: Desk, bot_id: UUID, quantity: str = "0.01") -> None:
    with desk.session() as session:
        session.run(
            "INSERT INTO trading.positions (tenant_id, bot_id, symbol, account_id, quantity,"
            " mean_price, updated_at) SELECT tenant_id, bot_id, 'BTC/USDT', account_id,"
            " %(quantity)s, 20000, now() FROM trading.bots WHERE bot_id = %(bot)s"
            " AND tenant_id = %(tenant)s",
            {"bot": bot_id, "quantity": Decimal(quantity)},
        )


def change(desk: Desk, name: str, **fields: Any) -> int:
    config = config_of(**fields)
    with desk.session() as session:
        bot = change_bot(
            session,
            name,
            config=config,
            definition=definition_of(config),
            market=market_of(config),
            changed_by="me",
            clock=desk.clock,
        )
    return bot.version


def test_create_when_all_is_well_then_stopped_with_its_whole_configuration(desk: Desk) -> None:
    made = desk.bot("one", capital="0.1E3", stop_loss="0.02", limits={"daily_loss": "5"})
    with desk.session() as session:
        found = bot_named(session, "one")
    assert found == made
    assert (found.wanted, found.state, found.version, found.is_active) == (
        "stopped",
        "stopped",
        1,
        False,
    )
    assert found.config.capital == Decimal(100)
    assert found.config.limits.daily_loss == Decimal(5)
    assert found.config.parameters == {"fast": 10, "slow": 30}
    assert desk.count("live.definitions") == 1


def test_create_when_two_run_the_same_then_one_definition_is_evaluated(desk: Desk) -> None:
    first, second = desk.bot("one"), desk.bot("two", capital="70")
    third = desk.bot("three", parameters={"fast": 11})
    assert first.definition_id == second.definition_id != third.definition_id
    assert desk.count("live.definitions") == 2


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"account": "nowhere"}, UnknownAccount),
        ({"name": ""}, BadBot),
        ({"name": "x" * 61}, BadBot),
        ({"name": "two\nlines"}, BadBot),
        ({"instrument": "kraken:BTC/USD"}, BadBot),
        ({"instrument": "binance:BTC/EUR"}, BadBotConfig),
        ({"kind": "fixed_payout"}, BadBot),
        ({"payout": {}}, BadBotConfig),
        ({"capital": "4.99"}, AmountBelowMinimum),
        ({"sizing": {"kind": "fraction", "value": 0.05}}, AmountBelowMinimum),
        ({"sizing": {"kind": "fixed_value", "value": 4}}, AmountBelowMinimum),
        ({"sizing": {"kind": "fixed_units", "value": 0.000001}}, AmountBelowMinimum),
        ({"limits": {"capital_per_trade": "4"}}, AmountBelowMinimum),
        ({"limits": LADDER}, RuinNotRead),
    ],
)
def test_create_when_wrong_then_one_error_and_nothing_written(
    desk: Desk, fields: dict[str, Any], error: type[CandelaError]
) -> None:
    with pytest.raises(error) as caught:
        desk.bot(**fields)
    assert caught.value.hint
    assert desk.count("trading.bots") == desk.count("live.definitions") == 0
    assert desk.count("live.outbox") == 0


def test_create_when_symbol_is_halted_then_refused(desk: Desk) -> None:
    config = config_of()
    with pytest.raises(SymbolNotTrading):
        desk.bot(market=market_of(config, is_trading=False))


def test_create_when_one_name_at_once_then_one_is_made(desk: Desk) -> None:
    def attempt(_: int) -> bool:
        try:
            desk.bot("same")
        except BotNameTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(12))) == 1
    assert desk.count("trading.bots") == 1


def test_change_when_stopped_then_a_version_more_and_the_old_one_stays(desk: Desk) -> None:
    desk.bot("one")
    assert change(desk, "one", capital="80") == 2
    with desk.session() as session:
        assert bot_named(session, "one").config.capital == Decimal(80)
    assert desk.count("trading.bot_versions") == 2


def test_change_when_running_then_refused(desk: Desk) -> None:
    desk.bot("one")
    with desk.session() as session:
        start_bot(session, "one", clock=desk.clock)
    with pytest.raises(BotRuns):
        change(desk, "one", capital="80")


def test_change_when_it_holds_another_symbol_then_refused(desk: Desk) -> None:
    hold(desk, desk.bot("one").bot_id)
    assert change(desk, "one", capital="80") == 2
    with pytest.raises(BotHolds):
        change(desk, "one", instrument="binance:ETH/USDT")


def test_remove_when_it_runs_or_holds_then_refused_and_else_its_name_is_free(desk: Desk) -> None:
    bot = desk.bot("one")
    with desk.session() as session:
        start_bot(session, "one", clock=desk.clock)
    with pytest.raises(BotRuns), desk.session() as session:
        remove_bot(session, "one", clock=desk.clock)
    with desk.session() as session:
        session.run(
            "UPDATE trading.bots SET wanted = 'stopped', state = 'stopping'"
            " WHERE tenant_id = %(tenant)s",
            {},
        )
    with pytest.raises(BotRuns, match="stopping"), desk.session() as session:
        remove_bot(session, "one", clock=desk.clock)
    with desk.session() as session:
        session.run("UPDATE trading.bots SET state = 'stopped' WHERE tenant_id = %(tenant)s", {})
    hold(desk, bot.bot_id)
    with pytest.raises(BotHolds), desk.session() as session:
        remove_bot(session, "one", clock=desk.clock)
    with desk.session() as session:
        session.run("UPDATE trading.positions SET quantity = 0 WHERE tenant_id = %(tenant)s", {})
        remove_bot(session, "one", clock=desk.clock)
    with pytest.raises(UnknownBot), desk.session() as session:
        bot_named(session, "one")
    again = desk.bot("one")
    assert again.bot_id != bot.bot_id
    with desk.session() as session:
        assert len(all_bots(session)) == 1


def test_create_when_account_has_another_currency_then_says_which(desk: Desk) -> None:
    with desk.session() as session:
        add_paper(
            session,
            name="euros",
            venue="binance",
            opening=Decimal(100),
            quote_ccy="EUR",
            clock=desk.clock,
        )
    with pytest.raises(BadBotConfig, match="in USDT, the account is kept in EUR"):
        desk.bot("one", account="euros")
    config = config_of(instrument="binance:BTC/EUR")
    made = desk.bot("one", account="euros", instrument=config.instrument)
    assert made.config.symbol == "BTC/EUR"


def test_market_when_rules_are_unknown_then_small_amounts_pass(desk: Desk) -> None:
    config = config_of(capital="1")
    market = market_of(config)
    bare = replace(market, rules=replace(market.rules, minimum_notional=Decimal(0)))
    assert desk.bot(capital="1", market=bare).config.capital == Decimal(1)
