"""Trades over HTTP: pages that hold still, filters, sums, CSV, lineage, and other tenants'."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.trades.schemas import TradeDetail, TradeLine, TradePage
from candela.ids import new_id
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from datetime import datetime

    from tests.fixtures.api import Api, Person


def add_trade(person: Person, at: datetime = NOW, **fields: Any) -> UUID:
    """Write a trade of a person's paper account."""
    trade_id = new_id(at)
    with person.desk.session() as session:
        row = session.row("SELECT account_id FROM trading.accounts WHERE name = 'paper'", {})
        assert row is not None
        values = {
            "tenant_id": person.desk.user.tenant_id,
            "trade_id": trade_id,
            "account_id": row["account_id"],
            "mode": "paper",
            "symbol": "BTC/USDT",
            "direction": "long",
            "status": "closed",
            "quantity": "0.01000",
            "entry_price": "0.00000812",
            "pnl": "1.50",
            "opened_at": at,
            "closed_at": at,
        } | fields
        marks = ", ".join(f"%({name})s" for name in values)
        statement = f"INSERT INTO trading.trades ({', '.join(values)}) VALUES ({marks})"
        session.connection.execute(statement.encode(), values)
    return trade_id


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["trade_id"] for one in answer.json()["items"]]


def test_page_of_trades_always_is_what_the_document_says(person: Person) -> None:
    bot = person.desk.bot('say "hi" \\ <b>')
    add_trade(person, bot_id=bot.bot_id, symbol='A"B', exit_reason="stop")
    add_trade(person, stake="1", kind="fixed_payout", direction="call", status="won",
              payout_ratio="0.85", expires_at=NOW, ladder_step=2)  # fmt: skip
    answer = person.get("/trades")
    assert answer.headers["content-type"] == "application/json"
    found = TradePage.model_validate_json(answer.text)
    assert {one.bot for one in found.items} == {'say "hi" \\ <b>', None}
    raw = {one["kind"]: one for one in answer.json()["items"]}
    assert raw["spot"]["symbol"] == 'A"B'
    assert raw["spot"]["entry_price"] == "0.00000812", "exact, a string, no zeros added"
    assert raw["spot"]["quantity"] == "0.01"
    assert raw["fixed_payout"]["payout_ratio"] == "0.85"
    assert set(raw["spot"]) == set(TradeLine.model_fields), "and no other fields"


def test_pages_when_trades_are_added_meanwhile_then_none_twice_and_none_left_out(
    person: Person,
) -> None:
    made = [str(add_trade(person, NOW - timedelta(minutes=n // 2))) for n in range(7)]
    first = person.get("/trades?limit=3")
    add_trade(person, NOW + timedelta(minutes=1))
    seen, cursor = ids(first), first.json()["next_cursor"]
    while cursor:
        following = person.get(f"/trades?limit=3&cursor={cursor}")
        seen += ids(following)
        cursor = following.json()["next_cursor"]
    assert sorted(seen) == sorted(made)
    assert len(set(seen)) == 7


FILTERS: dict[str, tuple[str, set[str]]] = {
    "bot": ("bot={bot}", {"bot"}),
    "hand": ("manual=true", {"hand", "lost", "even", "old"}),
    "machine": ("manual=false", {"bot"}),
    "symbol": ("symbol=ETH%2FUSDT", {"lost"}),
    "open": ("status=open", {"bot"}),
    "win": ("result=win", {"hand", "old"}),
    "loss": ("result=loss", {"lost"}),
    "even": ("result=even", {"even"}),
    "span": ("since=2026-03-02T11:00:00Z&until=2026-03-02T14:30:00%2B02:00", {
        "bot", "hand", "lost", "even"}),
    "before": ("until=2026-03-02T11:00:00Z", {"old"}),
    "kind": ("kind=fixed_payout", set()),
    "mode": ("mode=live", set()),
    "several": ("manual=true&result=win&symbol=BTC/USDT&limit=1", {"hand"}),
}  # fmt: skip


def test_trades_when_filtered_then_just_those(person: Person) -> None:
    bot = person.desk.bot()
    made = {
        "bot": add_trade(person, bot_id=bot.bot_id, pnl=None, status="open"),
        "hand": add_trade(person),
        "lost": add_trade(person, pnl="-2", symbol="ETH/USDT"),
        "even": add_trade(person, pnl="0"),
        "old": add_trade(person, NOW - timedelta(days=3)),
    }
    for name, (query, wanted) in FILTERS.items():
        found = ids(person.get(f"/trades?{query.format(bot=bot.bot_id)}"))
        assert set(found) == {str(made[one]) for one in wanted}, name
    totals = person.get("/trades?totals=true&manual=true").json()["totals"]
    assert totals == [
        {
            "mode": "paper", "ccy": "USDT", "trades": 4, "closed": 4, "wins": 2, "losses": 1,
            "pnl": "1", "fees": "0",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param("limit=0", "query.limit", id="limit"),
        pytest.param("limit=1&nonsense=1", "query.nonsense", id="unknown"),
        pytest.param("symbol=%00", "query.symbol", id="nul"),
        pytest.param("since=2026-01-01", "query.since", id="no-zone"),
        pytest.param("since=0001-01-01T00:00:00Z", "query.since", id="year-1"),
        pytest.param("bot=1", "query.bot", id="bot"),
        pytest.param("cursor=WzEsMl0", None, id="cursor"),
    ],
)
def test_trades_when_asked_for_wrongly_then_the_field_is_named(
    person: Person, query: str, field: str | None
) -> None:
    answer = person.get(f"/trades?{query}")
    assert answer.status_code == 422, answer.text
    named = [fault["field"] for fault in answer.json()["faults"]]
    assert named == ([field] if field else [])


def test_trades_of_another_tenant_always_are_as_if_there_were_none(
    api: Api, person: Person
) -> None:
    other = api.person("other@example.com")
    bot = other.desk.bot()
    foreign = add_trade(other, bot_id=bot.bot_id)
    assert ids(person.get("/trades")) == []
    assert ids(person.get(f"/trades?bot={bot.bot_id}")) == []
    assert len(ids(other.get("/trades"))) == 1, "the plan kept for one tenant serves the next"
    absent = new_id(NOW)
    answers = [person.get(f"/trades/{one}") for one in (foreign, absent)]
    bodies = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    for body, one in zip(bodies, (foreign, absent), strict=True):
        assert body.pop("request_id")
        body["detail"] = body["detail"].replace(str(one), "ID")
    assert bodies[0] == bodies[1]
    assert "T" not in person.get("/trades.csv").text.partition("\r\n")[2]


def test_csv_when_names_look_like_formulas_then_no_cell_is_one(person: Person) -> None:
    bot = person.desk.bot("=1+1")
    add_trade(person, bot_id=bot.bot_id, exit_reason="@SUM(A1)", pnl="-3")
    add_trade(person, exit_reason="+cmd|' /C calc'!A0")
    answer = person.get("/trades.csv?status=closed")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(row["exit_reason"] for row in rows) == ["'+cmd|' /C calc'!A0", "'@SUM(A1)"]
    assert {row["bot"] for row in rows} == {"'=1+1", ""}
    assert {row["pnl"] for row in rows} == {"-3", "1.5"}, "numbers stay numbers"


def test_csv_when_longer_than_a_part_then_all_rows_and_one_header(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("api.trades.repository", "api.trades.service"):
        monkeypatch.setattr(f"{module}.EXPORT_CHUNK", 2)
    made = {str(add_trade(person, NOW - timedelta(minutes=n // 2))) for n in range(5)}
    rows = list(csv.DictReader(io.StringIO(person.get("/trades.csv").text)))
    assert {row["trade_id"] for row in rows} == made
    assert len(rows) == 5


def test_trade_when_shown_then_its_fills_orders_decision_and_no_others(person: Person) -> None:
    bot = person.desk.bot()
    trade = add_trade(person, bot_id=bot.bot_id, closed_at=NOW + timedelta(minutes=5))
    ends = NOW + timedelta(minutes=5)
    decision = new_id(NOW)
    with person.desk.session() as session:
        session.run(
            "INSERT INTO trading.decisions (tenant_id, decision_id, bot_id, definition_id, symbol,"
            " bar_at, leg, action, outcome, gates, decided_at) VALUES (%(tenant)s, %(id)s, %(bot)s,"
            " %(definition)s, 'BTC/USDT', %(at)s, 'entry', 'enter', 'intent',"
            ' \'[{"gate": "plan", "words": "yes"}]\', %(at)s)',
            {"id": decision, "bot": bot.bot_id, "at": NOW, "definition": bot.definition_id},
        )
        for number, at in enumerate((NOW, ends, ends + timedelta(seconds=1))):
            intent, client = new_id(at), f"client-{number}"
            values = {
                "intent": intent, "client": client, "account": bot.account_id, "bot": bot.bot_id,
                "decision": decision if number == 0 else None, "at": at, "leg": f"leg {number}",
            }  # fmt: skip
            session.run(
                "INSERT INTO trading.intents (tenant_id, intent_id, account_id, bot_id,"
                " decision_id, symbol, bar_at, leg, source, side, kind, quantity, shard, epoch,"
                " created_at) VALUES (%(tenant)s, %(intent)s, %(account)s, %(bot)s, %(decision)s,"
                " 'BTC/USDT', %(at)s, %(leg)s, 'signal', 'buy', 'market', 1, 0, 1, %(at)s)",
                values,
            )
            session.run(
                "INSERT INTO trading.orders (tenant_id, client_id, intent_id, account_id, attempt,"
                " symbol, side, kind, quantity, state, created_at) VALUES (%(tenant)s, %(client)s,"
                " %(intent)s, %(account)s, 1, 'BTC/USDT', 'buy', 'market', 1, 'filled', %(at)s)",
                values,
            )
            session.run(
                "INSERT INTO trading.fills (tenant_id, account_id, symbol, trade_id, client_id,"
                " bot_id, side, quantity, price, fee, fee_ccy, is_maker, executed_at, booked_at)"
                " VALUES (%(tenant)s, %(account)s, 'BTC/USDT', %(client)s, %(client)s, %(bot)s,"
                " 'buy', 1, 2, 0.1, 'USDT', false, %(at)s, %(at)s)",
                values,
            )
    answer = person.get(f"/trades/{trade}")
    found = TradeDetail.model_validate_json(answer.text)
    assert [one.client_id for one in found.fills] == ["client-0", "client-1"]
    assert [one.leg for one in found.orders] == ["leg 0", "leg 1"]
    (why,) = found.decisions
    assert (why.decision_id, why.strategy, why.bar) == (decision, "ma_cross", None)
    assert why.gates == [{"gate": "plan", "words": "yes"}]
    assert answer.json()["fills"][0]["fee"] == "0.1"
