"""What is held: bots' positions at the last close, external holdings apart, and the chart."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.api.bots.making import account_of, made
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person


def hold(person: Person, bot_id: str) -> None:
    """Let a bot hold 0.25 BTC of 0.4 in its account, and the last close be 110."""
    values = {"bot": bot_id, "account": account_of(person), "at": NOW}
    with person.desk.session() as session:
        session.run(
            "INSERT INTO trading.positions (tenant_id, bot_id, symbol, account_id, quantity,"
            " mean_price, opened_at, updated_at)"
            " VALUES (%(tenant)s, %(bot)s, 'BTC/USDT', %(account)s, 0.25, 100, %(at)s, %(at)s)",
            values,
        )
        session.run(
            "INSERT INTO trading.balances (tenant_id, account_id, ccy, total, updated_at)"
            " VALUES (%(tenant)s, %(account)s, 'BTC', 0.4, %(at)s)",
            values,
        )
    with person.desk.database.connect() as connection:
        connection.execute("INSERT INTO market.venues VALUES ('binance', 'exchange')")
        row = connection.execute(
            "INSERT INTO market.instruments (venue, symbol) VALUES ('binance', 'BTC/USDT')"
            " RETURNING instrument_id"
        ).fetchone()
        assert row is not None
        batch = connection.execute(
            "INSERT INTO market.batches (instrument_id, timeframe_s, kind, source, source_digest,"
            " payload_digest, from_at, to_at, rows_read, known_at)"
            " VALUES (%s, 60, 'live', 's', 'd', 'p', %s, %s, 3, %s) RETURNING batch_id",
            (row[0], NOW - timedelta(minutes=3), NOW, NOW),
        ).fetchone()
        assert batch is not None
        for number, close in ((3, 90), (2, 100), (1, 110)):
            connection.execute(
                "INSERT INTO market.candles VALUES (%s, 100, 120, 80, %s, 1, %s, %s, 60)",
                (NOW - timedelta(minutes=number), close, batch[0], row[0]),
            )


def test_positions_always_show_gain_at_the_last_close_and_the_rest_apart(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    assert person.get("/positions").json()["items"] == []
    hold(person, bot_id)
    (found,) = person.get("/positions").json()["items"]
    assert (found["bot_id"], found["quantity"], found["mode"]) == (bot_id, "0.25", "paper")
    assert (Decimal(found["mark_price"]), Decimal(found["unrealised"])) == (110, Decimal("2.5"))
    assert found["is_protected_at_venue"] is False
    (external,) = person.get("/positions/external").json()
    assert (external["ccy"], external["quantity"]) == ("BTC", "0.15")
    for name in ("bot_id", "account_id"):
        assert person.get("/positions", params={name: bot_id}).status_code == 200
    nobody = {"account_id": bot_id}
    assert person.get("/positions", params=nobody).json()["items"] == []
    assert person.get("/positions/external", params=nobody).json() == []


def test_positions_of_others_are_never_shown(api: Api, person: Person) -> None:
    other = api.person("other@example.com")
    bot_id = made(other)["bot_id"]
    hold(other, bot_id)
    assert person.get("/positions", params={"bot_id": bot_id}).json()["items"] == []
    params = {"account_id": account_of(other)}
    assert person.get("/positions/external", params=params).json() == []


def test_bot_that_holds_is_not_removed_and_its_chart_is_bounded(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    hold(person, bot_id)
    found = person.call("DELETE", f"/bots/{bot_id}")
    assert (found.status_code, found.json()["code"]) == (409, "bot_holds")
    chart = person.get(f"/bots/{bot_id}/chart", params={"limit": "2"}).json()
    assert [one["close"] for one in chart["candles"]] == [100, 110]
    assert (chart["instrument"], chart["markers"]) == ("binance:BTC/USDT", [])
    before = {"before": (NOW - timedelta(minutes=2)).isoformat()}
    assert [
        one["close"] for one in person.get(f"/bots/{bot_id}/chart", params=before).json()["candles"]
    ] == [90]
    assert person.get(f"/bots/{bot_id}/chart", params={"limit": "2001"}).status_code == 422
