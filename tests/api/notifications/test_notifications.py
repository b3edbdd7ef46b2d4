"""The inbox over the wire: pages, languages, what was read, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from candela.notify.inbox import notify
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person


def tell(person: Person, count: int = 1) -> None:
    user = person.desk.user.user_id
    with person.desk.session() as session:
        for number in range(count):
            person.desk.clock.at = NOW - timedelta(minutes=number)
            notify(
                session,
                "bot_halted",
                user_id=user,
                clock=person.desk.clock,
                bot=f"bot {number}",
                reason="loss of the day",
            )
        person.desk.clock.at = NOW


def test_inbox_when_paged_then_shows_each_once_newest_first(person: Person) -> None:
    tell(person, 5)
    seen: list[str] = []
    cursor = None
    while True:
        page = person.get(
            "/notifications", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [one["title"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"Your bot bot {number} was halted" for number in range(5)]


def test_inbox_when_the_language_changes_then_old_lines_are_in_the_new_one(
    api: Api, person: Person
) -> None:
    tell(person)
    with api.database.connect() as connection:
        connection.execute("UPDATE tenancy.users SET language = 'pt'")
    (one,) = person.get("/notifications").json()["items"]
    assert one["title"] == "O seu bot bot 0 foi interrompido"
    assert "2 de março de 2026 às 12:00" in one["body"]


def test_inbox_when_read_then_counts_fewer_and_keeps_the_first_time(
    api: Api, person: Person
) -> None:
    tell(person, 3)
    assert person.get("/notifications/unread").json() == {"unread": 3}
    first = person.get("/notifications").json()["items"][0]["notification_id"]
    for _ in range(2):
        assert person.post(f"/notifications/{first}/read").status_code == 204
        api.clock.at += timedelta(minutes=1)
    assert person.get("/notifications/unread").json() == {"unread": 2}
    shown = person.get("/notifications").json()["items"][0]
    assert shown["read_at"] == NOW.isoformat().replace("+00:00", "Z")
    unread = person.get("/notifications", params={"unread": True}).json()["items"]
    assert len(unread) == 2
    assert person.post("/notifications/read-all").json() == {"marked": 2}
    assert person.get("/notifications/unread").json() == {"unread": 0}


def test_inbox_when_of_another_then_is_neither_seen_nor_read(api: Api, person: Person) -> None:
    other = api.person("other@example.com")
    tell(other)
    assert person.get("/notifications").json()["items"] == []
    theirs = other.get("/notifications").json()["items"][0]["notification_id"]
    foreign = person.post(f"/notifications/{theirs}/read")
    absent = person.post(f"/notifications/{uuid4()}/read")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.json()["code"] == absent.json()["code"] == "unknown_notification"
    assert person.post("/notifications/read-all").json() == {"marked": 0}
    assert other.get("/notifications/unread").json() == {"unread": 1}
