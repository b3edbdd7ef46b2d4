"""Keys whose venue is silent lapse; those of who left live until what is held was sold."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from candela.desk.keychecks import AskedKey, doomed_keys, not_answered
from candela.desk.leaving import leave
from candela.desk.secrets import seal_secret
from candela.errors import CandelaError
from candela.vault.credential import Credential
from candela.vault.masterkeys import MasterKeys

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from tests.fixtures.desk import Desk

MASTERS = MasterKeys({1: Credential(bytes(range(100, 132)))})
SILENT = CandelaError("binance did not answer in 60 s.")


def stored(desk: Desk, state: str) -> UUID:
    """Seal a key that somebody asks about now."""
    with desk.session() as session:
        key_id = seal_secret(
            session,
            MASTERS,
            {"api_key": Credential("k" * 20), "secret": Credential("s" * 20)},
            purpose="exchange",
            label="a",
            venue="binance",
            shown=Credential("k" * 20),
            clock=desk.clock,
        )
        session.run(
            "UPDATE tenancy.secrets SET mode = 'live', check_state = %(state)s, asked_at = %(at)s,"
            " try_at = %(at)s WHERE tenant_id = %(tenant)s",
            {"state": state, "at": desk.clock.now()},
        )
    return key_id


def row(desk: Desk) -> dict[str, Any]:
    with desk.session() as session:
        found = session.row("SELECT * FROM tenancy.secrets", {})
    assert found is not None
    return found


def silent(desk: Desk, key_id: UUID, asked_at: datetime, state: str) -> str:
    key = AskedKey(desk.user.tenant_id, key_id, "binance", "live", asked_at, state)
    with desk.session() as session:
        return not_answered(session, key, SILENT, clock=desk.clock)


@pytest.mark.parametrize("state", ["checking", "good"])
def test_key_when_its_venue_is_silent_for_ten_minutes_then_a_new_one_lapses_and_is_destroyed(
    desk: Desk, state: str
) -> None:
    asked_at = desk.clock.now()
    key_id = stored(desk, state)
    desk.clock.at += timedelta(minutes=10, microseconds=-1)
    assert silent(desk, key_id, asked_at, state) == state
    waits = row(desk)
    assert waits["try_at"] == desk.clock.now() + timedelta(seconds=15)
    assert bytes(waits["sealed"]) != b""
    assert silent(desk, key_id, asked_at - timedelta(minutes=1), state) == "gone"
    desk.clock.at += timedelta(microseconds=1)
    # One that was good before goes on: silence says nothing of it.
    assert silent(desk, key_id, asked_at, state) == ("lapsed" if state == "checking" else "good")
    after = row(desk)
    assert (bytes(after["sealed"]) == b"") == (state == "checking")
    assert after["try_at"] is None
    assert after["check_state"] == ("lapsed" if state == "checking" else "good")


def doomed(desk: Desk) -> list[UUID]:
    with desk.session() as session:
        tenants = [session.tenant_id]
        found = doomed_keys(session.connection, tenants, desk.clock.now())
    return [key_id for _, key_id in found]


@pytest.mark.parametrize("how", ["sold", "late"])
def test_key_when_its_owner_left_and_sells_then_it_goes_once_all_is_sold_or_in_an_hour(
    desk: Desk, how: str
) -> None:
    bot = desk.bot()
    key_id = stored(desk, "good")
    with desk.session() as session:
        session.run("UPDATE trading.accounts SET secret_id = %(key)s", {"key": key_id})
        session.run(
            "INSERT INTO trading.positions (tenant_id, bot_id, symbol, account_id, quantity,"
            " mean_price, updated_at)"
            " SELECT tenant_id, bot_id, 'BTC/USDT', account_id, 1, 1, now() FROM trading.bots"
            " WHERE bot_id = %(bot)s",
            {"bot": bot.bot_id},
        )
        left = leave(session, flatten=True, clock=desk.clock)
    assert (left.keys_destroyed, left.keys_waiting) == (0, 1)
    assert bytes(row(desk)["sealed"]) != b""
    assert doomed(desk) == []
    if how == "sold":
        with desk.session() as session:
            session.run("UPDATE trading.positions SET quantity = 0", {})
    else:
        desk.clock.at += timedelta(hours=1, microseconds=-1)
        assert doomed(desk) == []
        desk.clock.at += timedelta(microseconds=1)
    assert doomed(desk) == [key_id]
