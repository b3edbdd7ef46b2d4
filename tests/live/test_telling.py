"""People are told once of trades that closed, bots that stand or were halted, keys that died."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb

from candela.ids import new_id
from live.telling import tell_news
from tests.fixtures.desk import clock, desk

if TYPE_CHECKING:
    from datetime import datetime

    from tests.fixtures.desk import Desk

__all__ = ["clock", "desk"]

ALL = range(64)
_TRADE = """
INSERT INTO trading.trades (tenant_id, trade_id, account_id, bot_id, mode, symbol, direction,
    status, opened_at, closed_at, pnl)
SELECT tenant_id, %(id)s, account_id, bot_id, 'paper', 'BTC/USDT', 'long', %(status)s, %(opened)s,
    %(closed)s, %(pnl)s
FROM trading.bots WHERE tenant_id = %(tenant)s
"""
_LOG = """
INSERT INTO trading.bot_logs (tenant_id, bot_id, log_id, logged_at, level, event, message, data)
SELECT tenant_id, bot_id, %(id)s, %(at)s, 'info', %(event)s, %(words)s, %(data)s
FROM trading.bots WHERE tenant_id = %(tenant)s
"""


def trade(desk: Desk, pnl: str | None, closed_at: datetime | None) -> None:
    values = {
        "id": new_id(desk.clock.now()),
        "status": "open" if pnl is None else "closed",
        "opened": desk.clock.now() - timedelta(hours=1),
        "closed": closed_at,
        "pnl": pnl,
    }
    with desk.session() as session:
        session.run(_TRADE, values)


def log(desk: Desk, event: str, words: str, **data: str) -> None:
    now = desk.clock.now()
    values = {"id": new_id(now), "at": now, "event": event, "words": words, "data": Jsonb(data)}
    with desk.session() as session:
        session.run(_LOG, values)


def look(desk: Desk) -> int:
    return tell_news(desk.database, desk.clock, ALL)


def told(desk: Desk, table: str = "notifications") -> list[tuple[str, dict[str, Any]]]:
    with desk.database.connect() as connection:
        query = f"SELECT kind, params FROM notify.{table} ORDER BY created_at, params::text"
        return connection.execute(query.encode()).fetchall()


def test_trade_when_it_closed_then_in_the_inbox_once_and_in_no_mail(desk: Desk) -> None:
    desk.bot()
    trade(desk, None, None)
    assert look(desk) == 0, "it is open"
    trade(desk, "1.25", desk.clock.now())
    assert (look(desk), look(desk)) == (1, 0)
    # Booked late, and closed by the venue before what was told already.
    trade(desk, "-2", desk.clock.now() - timedelta(minutes=30))
    trade(desk, "-3", desk.clock.now() - timedelta(days=3))
    desk.clock.at += timedelta(seconds=1)
    assert (look(desk), look(desk)) == (1, 0)
    common = {"bot": "one", "symbol": "BTC/USDT", "mode": "paper", "currency": "USDT"}
    assert told(desk) == [
        ("trade_closed", common | {"profit": "1.25"}),
        ("trade_closed", common | {"profit": "-2"}),
    ]
    assert told(desk, "mails") == []


@pytest.mark.parametrize("state", ["error", "blocked"])
def test_bot_when_it_stands_though_it_is_wanted_then_told_once_by_mail_too(
    desk: Desk, state: str
) -> None:
    desk.bot()
    statement = (
        "UPDATE trading.bots SET wanted = 'running', state = %(state)s, state_at = %(at)s,"
        " state_reason = 'books_differ: by 2' WHERE tenant_id = %(tenant)s"
    )
    for expected in (1, 1):
        with desk.session() as session:
            session.run(statement, {"state": state, "at": desk.clock.now()})
        assert (look(desk), look(desk)) == (expected, 0)
        desk.clock.at += timedelta(minutes=5)
    line = ("bot_halted", {"bot": "one", "reason": "books_differ: by 2"})
    assert told(desk) == told(desk, "mails") == [line, line]


def test_breaker_when_it_refuses_again_and_again_then_told_once_a_start(desk: Desk) -> None:
    desk.bot()
    with desk.session() as session:
        session.run("UPDATE trading.bots SET wanted_at = %(at)s", {"at": desk.clock.now()})
    log(desk, "refused", "entry refused by balance: 5 are free", gate="balance")
    assert look(desk) == 0, "no breaker"
    words = "entry of BTC/USDT refused by loss_streak: 3 losses in a row"
    for _ in range(3):
        log(desk, "refused", words, gate="loss_streak")
        desk.clock.at += timedelta(minutes=1)
    assert (look(desk), look(desk)) == (1, 0)
    with desk.session() as session:
        session.run("UPDATE trading.bots SET wanted_at = %(at)s", {"at": desk.clock.now()})
    assert look(desk) == 0, "it was started anew"
    log(desk, "refused", words, gate="loss_streak")
    log(desk, "halted", "all is sold: enough")
    assert (look(desk), look(desk)) == (2, 0)
    assert sorted(one["reason"] for _, one in told(desk, "mails")) == [
        "all is sold: enough",
        words,
        words,
    ]


def test_account_when_the_venue_refuses_its_key_then_the_key_is_told_of_and_not_each_bot(
    desk: Desk,
) -> None:
    desk.bot()
    reason = "credentials_dead: the venue refuses the key"
    with desk.session() as session:
        values = {"at": desk.clock.now(), "reason": reason}
        for statement in (
            (
                "UPDATE trading.accounts SET state = 'blocked', state_reason = %(reason)s,"
                " state_at = %(at)s WHERE tenant_id = %(tenant)s"
            ),
            (
                "UPDATE trading.bots SET wanted = 'running', state = 'blocked', state_at = %(at)s,"
                " state_reason = %(reason)s WHERE tenant_id = %(tenant)s"
            ),
        ):
            session.run(statement, values)
    assert (look(desk), look(desk)) == (1, 0)
    line = ("key_refused", {"label": "paper", "venue": "binance", "reason": reason})
    assert told(desk) == told(desk, "mails") == [line]


def test_news_when_of_a_part_that_is_not_held_then_left_to_whoever_holds_it(desk: Desk) -> None:
    desk.bot()
    trade(desk, "1", desk.clock.now())
    with desk.session() as session:
        others = [shard for shard in ALL if shard != session.shard]
    assert tell_news(desk.database, desk.clock, others) == 0
    assert tell_news(desk.database, desk.clock, []) == 0
    assert look(desk) == 1
