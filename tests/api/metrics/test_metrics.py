"""Figures over the wire: with their samples, as texts where they are money, of the caller alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pipelines.defs.performance.keeping import roll_up
from tests.fixtures.desk import NOW
from tests.pipelines.test_performance import add_trade

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person


def test_metrics_when_asked_then_money_is_text_and_few_samples_give_no_ratio(
    api: Api, person: Person
) -> None:
    bot = person.desk.bot("one").bot_id
    for number in range(6):
        add_trade(person.desk, bot, "1.10" if number else "-0.5", NOW - timedelta(days=number))
    roll_up(api.database, api.clock)
    whole = person.get("/metrics", params={"bot": str(bot), "period": "all"}).json()["items"][0]
    assert (whole["trades"], whole["wins"], whole["net_profit"]) == (6, 5, "5")
    assert whole["win_rate"] == {"value": 5 / 6, "samples": 6, "fewest": 5}
    assert whole["profit_factor"] == {"value": None, "samples": 6, "fewest": 10}
    assert whole["sharpe"]["value"] is None
    days = person.get("/metrics", params={"bot": str(bot), "from": "2026-02-27", "limit": 2}).json()
    assert [one["starts_on"] for one in days["items"]] == ["2026-03-02", "2026-03-01"]
    assert days["has_more"] is True
    assert days["zone"] == "UTC"
    assert days["items"][0]["win_rate"]["value"] is None


def test_equity_when_asked_then_is_a_curve_by_mode_in_order_of_time(
    api: Api, person: Person
) -> None:
    bot = person.desk.bot("one").bot_id
    for number in range(3):
        add_trade(person.desk, bot, "2", NOW + timedelta(days=number))
    roll_up(api.database, api.clock)
    told = person.get("/metrics/equity", params={"mode": "paper"}).json()
    (curve,) = told["series"]
    assert told["scope"] == "user"
    # The first trade is booked on the day on which the account was opened with 1,000.
    assert [point["equity"] for point in curve["points"]] == ["1002", "1004", "1006"]
    assert curve["points"][0]["deposits"] == "1000"
    none = person.get("/metrics/equity", params={"mode": "live"}).json()
    assert none["series"] == []


def test_metrics_when_of_another_tenant_then_answer_as_if_they_were_not(
    api: Api, person: Person
) -> None:
    other = api.person("other@example.com")
    bot = other.desk.bot("theirs").bot_id
    add_trade(other.desk, bot, "2", NOW)
    roll_up(api.database, api.clock)
    assert person.get("/metrics", params={"period": "all"}).json()["items"][0]["trades"] == 0
    for path in ("/metrics", "/metrics/equity"):
        foreign = person.get(path, params={"bot": str(bot)})
        absent = person.get(path, params={"bot": str(uuid4())})
        assert foreign.status_code == absent.status_code == 404
        assert foreign.json()["code"] == absent.json()["code"] == "unknown_bot"
        account = person.get(path, params={"account": str(uuid4())})
        assert account.status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "bad_span"),
        ({"bot": str(uuid4()), "account": str(uuid4())}, "which_series"),
        ({"from": "0001-01-01"}, None),
        ({"period": "year"}, None),
        ({"limit": "0"}, None),
        ({"bot": "x"}, None),
    ],
    ids=["span", "two", "first-year", "period", "limit", "id"],
)
def test_metrics_when_asked_wrongly_then_say_what_is_wrong(
    person: Person, query: dict[str, str], code: str | None
) -> None:
    answer = person.get("/metrics", params=query)
    assert answer.status_code == 422
    assert code is None or answer.json()["code"] == code
