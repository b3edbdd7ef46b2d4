"""Starting and stopping: limits hold however many starts come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from candela.db.connect import Role
from candela.desk.bots import bot_named
from candela.desk.halts import active_halts, kill, kill_platform, release, release_platform
from candela.desk.opening import add_paper
from candela.desk.running import BalanceShared, Killed, restart_bot, start_bot, stop_bot
from candela.desk.session import tenant_session
from candela.desk.users import change_plan, create_user
from candela.errors import CandelaError
from candela.plans import PlanLimitReached

if TYPE_CHECKING:
    from candela.desk.bots import BotRow
    from tests.fixtures.desk import Desk


def plan(desk: Desk, name: str) -> None:
    with desk.session() as session:
        change_plan(session, name, clock=desk.clock)


def start(desk: Desk, name: str) -> BotRow:
    with desk.session() as session:
        return start_bot(session, name, clock=desk.clock)


def stop(desk: Desk, name: str, *, flatten: bool = False) -> BotRow:
    with desk.session() as session:
        return stop_bot(session, name, clock=desk.clock, flatten=flatten)


def outbox(desk: Desk) -> list[dict[str, Any]]:
    with desk.session() as session:
        rows = session.rows("SELECT stream, payload FROM live.outbox ORDER BY seq", {})
    assert {row["stream"] for row in rows} <= {"wanted"}
    # That a plan changed is news of its own.
    return [row["payload"] for row in rows if "plan" not in row["payload"]]


def test_start_when_stopped_then_wanted_and_announced_once(desk: Desk) -> None:
    made = desk.bot("one")
    assert start(desk, "one").wanted == "running"
    desk.clock.at += timedelta(seconds=5)
    again = start(desk, "one")
    assert again.wanted_at == desk.clock.at - timedelta(seconds=5)
    told = outbox(desk)
    assert [one["bot"] for one in told] == [str(made.bot_id)]
    assert told[0]["tenant"] == str(desk.user.tenant_id)


def test_start_when_fifty_at_once_and_the_plan_has_one_then_one_starts(desk: Desk) -> None:
    plan(desk, "free")
    names = [f"bot{number}" for number in range(50)]
    for name in names:
        desk.bot(name, capital="10")

    def attempt(name: str) -> str:
        try:
            return start(desk, name).wanted
        except PlanLimitReached:
            return "refused"

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(attempt, names))
    assert results.count("running") == 1
    assert results.count("refused") == 49
    with desk.session() as session:
        rows = session.rows("SELECT 1 FROM trading.bots WHERE wanted = 'running'", {})
    assert len(rows) == len(outbox(desk)) == 1


def test_start_when_two_share_a_balance_at_once_then_one_starts(desk: Desk) -> None:
    plan(desk, "pro")
    for name in ("a", "b"):
        desk.bot(name, capital="600")

    def attempt(name: str) -> str:
        try:
            return start(desk, name).wanted
        except BalanceShared as error:
            return error.message

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(attempt, ("a", "b")))
    assert "running" in results
    assert any("1200 USDT" in one and "1000 USDT" in one for one in results)


def test_start_when_other_accounts_have_their_own_balance_then_both_start(desk: Desk) -> None:
    plan(desk, "pro")
    desk.paper("second")
    desk.bot("a", capital="600")
    desk.bot("b", capital="600", account="second")
    assert start(desk, "a").wanted == start(desk, "b").wanted == "running"


def test_start_when_it_lost_and_holds_then_what_it_has_left_is_what_it_needs(desk: Desk) -> None:
    bot = desk.bot("one", capital="1000")
    with desk.session() as session:
        # 200 lost, and 300 of the rest are in a position.
        session.run(
            "INSERT INTO trading.positions (tenant_id, bot_id, symbol, account_id, quantity,"
            " mean_price, realised, updated_at) VALUES (%(tenant)s, %(bot)s, 'BTC/USDT',"
            " %(account)s, 0.01, 30000, -200, now())",
            {"bot": bot.bot_id, "account": bot.account_id},
        )
        session.run("UPDATE trading.balances SET total = 500 WHERE tenant_id = %(tenant)s", {})
    assert start(desk, "one").wanted == "running"
    stop(desk, "one")
    with desk.session() as session:
        session.run("UPDATE trading.balances SET total = 499 WHERE tenant_id = %(tenant)s", {})
    with pytest.raises(BalanceShared):
        start(desk, "one")


@pytest.mark.parametrize(
    ("chosen", "fields", "words"),
    [
        ("free", {"capital": "101"}, "101 USD"),
        ("free", {"timeframes": 2}, "timeframes"),
        ("basic", {"capital": "10001"}, "10001 USD"),
    ],
)
def test_start_when_the_plan_does_not_include_it_then_says_the_numbers(
    desk: Desk, chosen: str, fields: dict[str, Any], words: str
) -> None:
    plan(desk, chosen)
    desk.bot("one", **fields)
    with pytest.raises(PlanLimitReached, match=words):
        start(desk, "one")
    assert outbox(desk) == []


def test_start_when_the_plan_has_one_symbol_and_three_bots_then_symbols_count(desk: Desk) -> None:
    plan(desk, "basic")
    for number, base in enumerate("ABC"):
        desk.bot(base, capital="10", instrument=f"binance:{base}/USDT")
        assert start(desk, base).wanted == "running", number
    desk.bot("D", capital="10", instrument="binance:D/USDT")
    with pytest.raises(PlanLimitReached, match="active bots"):
        start(desk, "D")
    plan(desk, "free")
    stop(desk, "A")
    stop(desk, "B")
    stop(desk, "C")
    assert start(desk, "D").wanted == "running"


def test_start_when_the_plan_has_lapsed_then_refused(desk: Desk) -> None:
    desk.bot("one")
    with desk.session() as session:
        session.run(
            "UPDATE tenancy.subscriptions SET status = 'expired' WHERE tenant_id = %(tenant)s", {}
        )
    with pytest.raises(PlanLimitReached, match="lapsed"):
        start(desk, "one")


def test_stop_when_still_stopping_then_it_counts_as_active(desk: Desk) -> None:
    plan(desk, "free")
    desk.bot("one", capital="10")
    desk.bot("two", capital="10")
    start(desk, "one")
    with desk.session() as session:
        session.run("UPDATE trading.bots SET state = 'running' WHERE name = 'one'", {})
    assert stop(desk, "one").is_active
    with pytest.raises(PlanLimitReached):
        start(desk, "two")
    with desk.session() as session:
        session.run("UPDATE trading.bots SET state = 'stopped' WHERE name = 'one'", {})
    assert start(desk, "two").wanted == "running"


def test_stop_when_flattened_later_then_the_wish_is_added_and_told(desk: Desk) -> None:
    desk.bot("one")
    start(desk, "one")
    with desk.session() as session:
        session.run("UPDATE trading.bots SET state = 'running' WHERE name = 'one'", {})
    assert not stop(desk, "one").flatten_on_stop
    assert stop(desk, "one", flatten=True).flatten_on_stop
    assert stop(desk, "one", flatten=True).flatten_on_stop
    assert [one["wanted"] for one in outbox(desk)] == ["running", "stopped", "stopped"]


def test_restart_when_running_then_wanted_anew(desk: Desk) -> None:
    desk.bot("one")
    first = start(desk, "one").wanted_at
    desk.clock.at += timedelta(minutes=1)
    with desk.session() as session:
        again = restart_bot(session, "one", clock=desk.clock)
    assert (again.wanted, again.wanted_at) == ("running", first + timedelta(minutes=1))
    assert len(outbox(desk)) == 2


@pytest.mark.parametrize("scope", ["bot", "account", "tenant", "platform"])
def test_kill_when_on_then_no_start_until_released(desk: Desk, scope: str) -> None:
    desk.bot("one")
    scopes: dict[str, dict[str, Any]] = {"bot": {"bot": "one"}, "account": {"account": "paper"}}
    names = scopes.get(scope, {})
    words: dict[str, Any] = {"by": "me", "clock": desk.clock}
    with desk.database.connect(Role.EXECUTOR, autocommit=True) as operator:
        for _ in range(2):  # a second time changes nothing
            if scope == "platform":
                kill_platform(operator, reason="smoke", **words)
            else:
                with desk.session() as session:
                    assert kill(session, reason="smoke", **words, **names).scope == scope
        assert desk.count("trading.halts") == 1
        with pytest.raises(Killed, match="smoke"):
            start(desk, "one")
        if scope == "platform":
            assert release_platform(operator, **words)
            assert not release_platform(operator, **words)
        else:
            with desk.session() as session:
                assert release(session, **words, **names)
                assert not release(session, **words, **names)
    assert start(desk, "one").wanted == "running"


def test_kill_when_repeated_with_flatten_then_it_sells_and_keeps_its_reason(desk: Desk) -> None:
    desk.bot("one")
    with desk.session() as session:
        kill(session, by="me", reason="first", clock=desk.clock, bot="one")
        halt = kill(session, by="me", reason="second", clock=desk.clock, bot="one", flatten=True)
        assert (halt.reason, halt.flatten, len(active_halts(session))) == ("first", True, 1)


def test_kill_when_of_one_tenant_then_another_starts(desk: Desk) -> None:
    other = create_user(desk.database, "other@example.com", clock=desk.clock)
    with tenant_session(desk.database, other.tenant_id) as session:
        kill(session, by="other", reason="mine", clock=desk.clock)
    desk.bot("one")
    assert start(desk, "one").wanted == "running"
    with desk.session() as session:
        assert active_halts(session) == []


def test_kill_platform_when_asked_by_a_door_of_the_application_then_refused(desk: Desk) -> None:
    import psycopg

    with (
        desk.database.connect(Role.APP, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        kill_platform(connection, by="me", reason="no", clock=desk.clock)
    assert desk.count("trading.halts") == 0


def test_start_when_balance_is_not_known_yet_then_left_to_the_orders(desk: Desk) -> None:
    plan(desk, "pro")
    with desk.session() as session:
        add_paper(
            session,
            name="new",
            venue="binance",
            opening=Decimal(1),
            quote_ccy="EUR",
            clock=desk.clock,
        )
        session.run("UPDATE trading.accounts SET quote_ccy = 'USDT' WHERE name = 'new'", {})
    desk.bot("one", account="new", capital="500")
    assert start(desk, "one").wanted == "running"


def test_bot_when_read_then_no_start_was_half_done(desk: Desk) -> None:
    desk.bot("one")
    with pytest.raises(CandelaError):
        start(desk, "two")
    with desk.session() as session:
        assert bot_named(session, "one").wanted == "stopped"
