"""Alerts fire when what they measure reaches its limit, once a cooldown, and are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from candela.candles.store import CandleStore
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.desk.alerts import create_alert
from candela.ids import new_id
from live.alerts import check_alerts
from tests.fixtures.candles import batch, made_up
from tests.fixtures.desk import BTC, clock, desk

if TYPE_CHECKING:
    from uuid import UUID

    from tests.fixtures.desk import Desk

__all__ = ["clock", "desk"]

ALL = range(64)


@dataclass
class Watch:
    """A tenant with a bot, and what its alerts say."""

    desk: Desk
    bot_id: UUID

    def alert(self, kind: Any, *, of_bot: bool = True, **condition: object) -> None:
        with self.desk.session() as session:
            create_alert(
                session,
                user_id=self.desk.user.user_id,
                name=kind,
                kind=kind,
                bot_id=self.bot_id if of_bot else None,
                condition=condition,
                channels=["inbox", "mail"],
                cooldown_s=3_600,
                clock=self.desk.clock,
            )

    def trade(self, pnl: str) -> None:
        now = self.desk.clock.now()
        with self.desk.session() as session:
            session.run(
                "INSERT INTO trading.trades (tenant_id, trade_id, account_id, bot_id, mode, symbol,"
                " direction, status, opened_at, closed_at, pnl) SELECT tenant_id, %(id)s,"
                " account_id, bot_id, 'paper', 'BTC/USDT', 'long', 'closed', %(at)s, %(at)s,"
                " %(pnl)s FROM trading.bots WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s",
                {"id": new_id(now), "at": now, "pnl": pnl, "bot": self.bot_id},
            )

    def look(self) -> int:
        return check_alerts(self.desk.database, self.desk.clock, ALL)

    def told(self) -> list[dict[str, Any]]:
        with self.desk.session() as session:
            inbox = session.rows(
                "SELECT params FROM notify.notifications WHERE tenant_id = %(tenant)s ORDER BY 1",
                {},
            )
            mails = session.rows(
                "SELECT params FROM notify.mails WHERE tenant_id = %(tenant)s ORDER BY 1", {}
            )
        assert inbox == mails
        return [row["params"] for row in inbox]


def candle(at: datetime, close: float) -> pl.DataFrame:
    """Return one candle of a minute that closes at a price."""
    return made_up(1, start=at).with_columns(
        *(pl.lit(close).alias(name) for name in ("open", "high", "low", "close"))
    )


@pytest.fixture
def watch(desk: Desk) -> Watch:
    return Watch(desk, desk.bot().bot_id)


def test_loss_when_it_reaches_the_limit_then_told_once_a_cooldown(watch: Watch) -> None:
    watch.alert("loss", amount="5", days=1)
    watch.trade("-4.99")
    assert watch.look() == 0
    watch.trade("-0.01")
    assert (watch.look(), watch.look()) == (1, 0)
    assert watch.told() == [{"name": "loss", "value": "5", "limit": "5"}]
    watch.desk.clock.at += timedelta(hours=1)
    assert watch.look() == 1
    watch.desk.clock.at += timedelta(days=2)
    assert watch.look() == 0, "the losses are older than a day"


@pytest.mark.parametrize(
    ("direction", "price", "fires"),
    [
        ("above", "61000", 0),
        ("above", "60000.5", 1),
        ("below", "60000.5", 1),
        ("below", "60000", 0),
    ],
)
def test_price_when_the_last_close_is_at_the_limit_or_beyond_then_told(
    watch: Watch, direction: str, price: str, fires: int
) -> None:
    instrument = "binance:BTC/USDT"
    watch.alert("price", of_bot=False, instrument=instrument, direction=direction, price=price)
    assert watch.look() == 0, "no candle yet"
    at = watch.desk.clock.now()
    for age, close in ((20, 70_000), (2, 60_000.5), (-5, 1)):
        bar = candle(at - timedelta(minutes=age), close)
        with watch.desk.database.connect(Role.PIPELINES) as connection:
            CandleStore(connection, SystemClock()).write(batch(bar, instrument=BTC))
    assert watch.look() == fires


def test_profit_and_share_of_wins_when_reached_then_told(watch: Watch) -> None:
    watch.alert("profit", amount="2", days=30)
    watch.alert("win_rate", direction="below", ratio="0.5", days=30, trades=4)
    for pnl in ("3", "-1", "-1"):
        watch.trade(pnl)
    assert watch.look() == 0, "too few trades for a share, too little profit"
    watch.trade("1.5")
    assert watch.look() == 2
    assert {one["name"]: one["value"] for one in watch.told()} == {
        "profit": "2.5",
        "win_rate": "0.5",
    }


def test_bot_when_it_stands_though_it_is_wanted_then_told(watch: Watch) -> None:
    watch.alert("bot_stopped", of_bot=False)
    assert watch.look() == 0, "stopped because its user wants so"
    with watch.desk.session() as session:
        session.run(
            "UPDATE trading.bots SET wanted = 'running', state = 'error'"
            " WHERE tenant_id = %(tenant)s",
            {},
        )
    assert watch.look() == 1


def test_alert_when_switched_off_or_of_a_shard_that_is_not_held_then_silent(watch: Watch) -> None:
    watch.alert("loss", amount="1", days=1)
    watch.trade("-5")
    with watch.desk.session() as session:
        others = [shard for shard in ALL if shard != session.shard]
        assert check_alerts(watch.desk.database, watch.desk.clock, others) == 0
        assert check_alerts(watch.desk.database, watch.desk.clock, []) == 0
        session.run("UPDATE trading.alerts SET is_active = false WHERE tenant_id = %(tenant)s", {})
    assert watch.look() == 0
