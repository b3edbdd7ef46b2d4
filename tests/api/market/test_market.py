"""Market data over HTTP: closed candles as far back as the plan shows them, symbols, venues."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from candela.candles.read import read_candles
from candela.candles.store import CandleStore
from candela.db.connect import Role
from candela.desk.users import change_plan
from candela.market.timeframe import Timeframe
from tests.fixtures.candles import BTC, HOUR, START, batch, made_up

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

PATH = "/market/candles?instrument=bitvavo:BTC/EUR"


@pytest.fixture
def reader(api: Api) -> Person:
    """Give somebody on the plan free, ten days and a half hour after the first of 240 hours."""
    api.clock.at = START + timedelta(days=10, minutes=30)
    with api.database.connect(Role.PIPELINES) as connection:
        CandleStore(connection, api.clock).write(
            batch(made_up(240, timeframe=HOUR), timeframe=HOUR)
        )
    return api.person(plan="free")


@pytest.mark.parametrize("timeframe", ["1h", "4h", "2h", "1d"])
def test_candles_always_are_those_of_the_reading_path_and_closed(
    api: Api, reader: Person, timeframe: str
) -> None:
    with reader.desk.session() as session:
        change_plan(session, "pro", clock=api.clock)
    wanted = read_candles(api.database, BTC, Timeframe.parse(timeframe)).frame
    answer = reader.get(f"{PATH}&timeframe={timeframe}")
    assert answer.status_code == 200, answer.text
    found = answer.json()["candles"]
    assert [one["close"] for one in found] == wanted["close"].to_list()
    assert [datetime.fromisoformat(one["time"]) for one in found] == wanted["time"].to_list()
    last = datetime.fromisoformat(found[-1]["time"])
    assert last + Timeframe.parse(timeframe).delta <= api.clock.now()
    api.clock.at = START + timedelta(hours=30, minutes=30)
    early = reader.get(f"{PATH}&timeframe={timeframe}").json()["candles"]
    ends = datetime.fromisoformat(early[-1]["time"]) + Timeframe.parse(timeframe).delta
    assert ends <= api.clock.now(), "an open bar is never shown"


def test_candles_when_asked_for_in_parts_then_each_once(api: Api, reader: Person) -> None:
    first = api.clock.now() - timedelta(days=5)
    query = f"{PATH}&timeframe=1h&limit=50&from="
    seen: list[str] = []
    following: str | None = first.isoformat().replace("+00:00", "Z")
    while following:
        part = reader.get(query + following.replace("+00:00", "Z")).json()
        seen += [one["time"] for one in part["candles"]]
        following = part["next_from"]
    assert len(seen) == len(set(seen)) == 119, "of 120 hours, all that begin in them"
    assert seen == sorted(seen)


def test_candles_when_older_than_the_plan_shows_then_left_out_or_refused(
    api: Api, reader: Person
) -> None:
    page = reader.get(f"{PATH}&timeframe=1h&from=1999-01-01T00:00:00Z&limit=5000").json()
    shown_from = datetime.fromisoformat(page["history_from"])
    assert shown_from == api.clock.now() - timedelta(days=7)
    assert datetime.fromisoformat(page["candles"][0]["time"]) >= shown_from
    old = (START + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    refused = reader.get(f"{PATH}&timeframe=1h&to={old}")
    assert (refused.status_code, refused.json()["code"]) == (403, "plan_limit_reached")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("instrument=bitvavo:BTC/EUR&timeframe=366d&limit=5000", 200, id="for-ever"),
        pytest.param("instrument=bitvavo:NO/NE&timeframe=1h", 404, id="unknown"),
        pytest.param("instrument=bitvavo:BTC/EUR&timeframe=1m", 404, id="too-fine"),
        pytest.param("instrument=nothing&timeframe=1h", 422, id="no-instrument"),
        pytest.param("instrument=bitvavo:BTC/EUR&timeframe=999999w", 422, id="too-long"),
        pytest.param(
            "instrument=bitvavo:BTC/EUR&timeframe=1h&from=2026-01-02T00:00:00Z"
            "&to=2026-01-01T00:00:00Z", 422, id="backwards",
        ),
    ],
)  # fmt: skip
def test_candles_when_asked_for_oddly_then_said_so(reader: Person, query: str, status: int) -> None:
    assert reader.get(f"/market/candles?{query}").status_code == status


def test_symbols_and_venues_always_say_what_is_stored(reader: Person) -> None:
    (symbol,) = reader.get("/market/symbols?search=btc&venue=bitvavo").json()["items"]
    assert (symbol["instrument"], symbol["timeframes"]) == ("bitvavo:BTC/EUR", ["1h"])
    assert reader.get("/market/symbols?search=nothing").json() == {
        "items": [],
        "next_cursor": None,
    }
    cursor = "bitvavo:AAA/EUR"
    assert len(reader.get(f"/market/symbols?cursor={cursor}").json()["items"]) == 1
    (venue,) = reader.get("/market/venues").json()["items"]
    assert (venue["venue"], venue["instruments"]) == ("bitvavo", 1)
    (quality,) = reader.get("/market/quality?instrument=bitvavo:BTC/EUR").json()
    assert (quality["timeframe"], quality["rows_new"]) == ("1h", 240)
