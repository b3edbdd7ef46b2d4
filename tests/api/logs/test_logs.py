"""Pages of logs: filters, the plan's retention, and one's own lines alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from candela.ids import new_id
from tests.api.bots.making import made
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person


def note(
    person: Person,
    bot_id: str,
    at: datetime,
    message: str,
    level: str = "info",
    event: str = "order",
) -> None:
    with person.desk.session() as session:
        session.run(
            "INSERT INTO trading.bot_logs VALUES (%(tenant)s, %(bot)s, %(id)s, %(at)s, %(level)s,"
            " %(event)s, %(message)s, %(data)s)",
            {
                "bot": bot_id,
                "id": new_id(at),
                "at": at,
                "level": level,
                "event": event,
                "message": message,
                "data": Jsonb({"n": 1}),
            },
        )


def messages(person: Person, path: str, **params: Any) -> list[str]:
    found = person.get(path, params=params)
    assert found.status_code == 200, found.text
    return [one["message"] for one in found.json()["items"]]


def test_logs_page_newest_first_within_the_plans_retention(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    path = f"/bots/{bot_id}/logs"
    for number in range(5):
        note(person, bot_id, NOW - timedelta(minutes=number), f"line {number}")
    note(person, bot_id, NOW - timedelta(days=31), "too old for the plan basic")
    page = person.get(path, params={"limit": "3"}).json()
    assert [one["message"] for one in page["items"]] == ["line 0", "line 1", "line 2"]
    assert messages(person, path, cursor=page["next_cursor"]) == ["line 3", "line 4"]
    assert datetime.fromisoformat(page["kept_since"]) == NOW - timedelta(days=30)
    assert messages(person, "/logs") == messages(person, path)
    with person.desk.database.connect() as connection:
        connection.execute("UPDATE tenancy.subscriptions SET plan = 'enterprise'")
    assert len(messages(person, path)) == 6


def test_logs_filter_by_level_event_text_and_time(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    path = f"/bots/{bot_id}/logs"
    note(person, bot_id, NOW, "Refused: daily loss", "warning", "refused")
    note(person, bot_id, NOW - timedelta(hours=1), "bought 50%_off", "info", "fill")
    note(person, bot_id, NOW - timedelta(hours=2), "ticked", "debug", "signal")
    assert len(messages(person, path)) == 2
    assert len(messages(person, path, level="debug")) == 3
    assert messages(person, path, level="warning") == ["Refused: daily loss"]
    assert messages(person, path, event="fill") == ["bought 50%_off"]
    assert messages(person, path, text="DAILY") == ["Refused: daily loss"]
    assert messages(person, path, text="0%_") == ["bought 50%_off"]
    since = (NOW - timedelta(minutes=30)).isoformat()
    assert messages(person, path, since=since) == ["Refused: daily loss"]
    assert messages(person, path, until=since) == ["bought 50%_off"]
    for params in ({"level": "loud"}, {"since": "yesterday"}, {"text": "a\0b"}, {"limit": "201"}):
        assert person.get(path, params=params).status_code == 422


def test_logs_always_show_ones_own_lines_alone(api: Api, person: Person) -> None:
    other = api.person("other@example.com")
    note(other, made(other)["bot_id"], NOW, "theirs")
    assert messages(person, "/logs") == []
    assert messages(other, "/logs") == ["theirs"]
