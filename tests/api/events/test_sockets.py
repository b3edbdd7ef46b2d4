"""S29: sockets open by one-time tickets, carry one tenant's lines, and are closed in time."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
import redis
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from candela.bus import journal_key
from candela.ids import new_id
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.testclient import WebSocketTestSession

    from tests.fixtures.api import Api, Person


def ticket_of(person: Person) -> str:
    answered = person.post("/events/tickets")
    assert answered.status_code == 201, answered.text
    return answered.json()["ticket"]


def opened(
    api: Api, query: str, path: str = "/events", **options: Any
) -> AbstractContextManager[WebSocketTestSession]:
    return api.client.websocket_connect(f"/api/v1{path}?{query}", **options)


def tell(redis_url: str, person: Person, message: str, bot: UUID | None = None) -> str:
    """Write a line as the journal of an executor does."""
    client: Any = redis.Redis.from_url(redis_url)  # pyright: ignore[reportUnknownMemberType]
    fields = {
        "bot": str(bot or new_id(NOW)),
        "at": NOW.isoformat(),
        "level": "info",
        "event": "trade",
        "message": message,
        "data": json.dumps({"price": "1.5"}),
    }
    with client:
        return client.xadd(journal_key(person.desk.user.tenant_id), fields).decode()


def refused(api: Api, query: str, path: str = "/events", **options: Any) -> dict[str, Any]:
    with pytest.raises(WebSocketDenialResponse) as caught, opened(api, query, path, **options):
        pass
    return caught.value.json()


def closed_with(socket: WebSocketTestSession) -> int:
    with pytest.raises(WebSocketDisconnect) as caught:
        socket.receive_text()
    return caught.value.code


def test_s29_socket_with_a_ticket_gets_lines_of_its_tenant_alone(
    api: Api, redis_url: str, person: Person
) -> None:
    other = api.person("other@example.com")
    with opened(api, f"ticket={ticket_of(person)}") as socket:
        tell(redis_url, other, "not yours")
        tell(redis_url, person, "yours")
        line = socket.receive_json()
    assert (line["type"], line["message"], line["data"]) == ("log", "yours", {"price": "1.5"})
    assert api.state.hub.count == 0


def test_s29_ticket_when_shown_twice_then_the_second_is_refused(api: Api, person: Person) -> None:
    ticket = ticket_of(person)
    with opened(api, "", subprotocols=[f"ticket.{ticket}"]):
        pass
    assert refused(api, f"ticket={ticket}")["code"] == "no_such_ticket"


@pytest.mark.parametrize("ticket", ["", "x", "x" * 5_000, "%00", "%F0%9F%A6%8A"], ids=range(5))
def test_s29_ticket_when_it_is_none_of_ours_then_it_is_refused(api: Api, ticket: str) -> None:
    assert refused(api, f"ticket={ticket}")["code"] == "no_such_ticket"


def test_s29_ticket_lives_half_a_minute_and_redis_holds_only_its_hash(
    api: Api, redis_url: str, person: Person
) -> None:
    ticket = ticket_of(person)
    client: Any = redis.Redis.from_url(redis_url)  # pyright: ignore[reportUnknownMemberType]
    with client:
        (key,) = client.keys("candela:{ticket:*")
        assert 0 < client.pttl(key) <= 30_000
        assert ticket.encode() not in key + client.get(key)
        client.delete(key)
    assert refused(api, f"ticket={ticket}")["code"] == "no_such_ticket"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://testserver.evil.example",
        "http://evil-testserver",
        "https://testserver",
        "http://testserver:81",
    ],
)
def test_s29_socket_of_a_foreign_page_is_refused_before_its_ticket_is_spent(
    api: Api, person: Person, origin: str
) -> None:
    ticket = ticket_of(person)
    said = refused(api, f"ticket={ticket}", headers={"origin": origin})
    assert said["code"] == "foreign_origin"
    with opened(api, f"ticket={ticket}", headers={"origin": "http://testserver"}):
        pass


def test_s29_log_stream_of_a_foreign_or_absent_bot_is_refused_alike(
    api: Api, redis_url: str, person: Person
) -> None:
    other = api.person("other@example.com")
    theirs, mine = other.desk.bot().bot_id, person.desk.bot().bot_id
    answers = [
        refused(api, f"ticket={ticket_of(person)}", f"/bots/{bot}/logs/stream")
        for bot in (theirs, new_id(NOW))
    ]
    assert [one["code"] for one in answers] == ["no_such_bot", "no_such_bot"]
    path = f"/bots/{mine}/logs/stream"
    with opened(api, f"ticket={ticket_of(person)}", path) as socket:
        tell(redis_url, person, "of another bot")
        tell(redis_url, person, "of this one", mine)
        assert socket.receive_json()["message"] == "of this one"


def test_socket_that_comes_back_gets_what_it_missed_once(
    api: Api, redis_url: str, person: Person
) -> None:
    seen = tell(redis_url, person, "seen")
    tell(redis_url, person, "missed")
    with opened(api, f"ticket={ticket_of(person)}&after={seen}") as socket:
        tell(redis_url, person, "live")
        assert [socket.receive_json()["message"] for _ in range(2)] == ["missed", "live"]
    with opened(api, f"ticket={ticket_of(person)}&after=5-0") as socket:
        assert socket.receive_json() == {"type": "reset"}


def test_s29_session_that_ends_closes_its_socket_within_five_seconds(
    api: Api, person: Person
) -> None:
    with opened(api, f"ticket={ticket_of(person)}") as socket:
        began = time.monotonic()
        with api.database.connect() as connection:
            connection.execute(
                "UPDATE identity.sessions SET ended_at = %s, ended_reason = 'logout'", (NOW,)
            )
        assert closed_with(socket) == 4401
        assert time.monotonic() - began <= 5


def test_s29_socket_that_reads_too_slowly_is_dropped(
    api: Api, redis_url: str, person: Person
) -> None:
    with opened(api, f"ticket={ticket_of(person)}"):
        hub = api.state.hub
        (watcher,) = next(iter(hub._watchers.values()))
        # Nobody takes from the queue any more, as where the network does not take it.
        assert all(watcher.put("x") for _ in range(1_500 - len(watcher.lines)))
        assert not watcher.put("x")


def test_sockets_of_one_tenant_are_bounded(api: Api, person: Person) -> None:
    from contextlib import ExitStack

    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(opened(api, f"ticket={ticket_of(person)}"))
        assert refused(api, f"ticket={ticket_of(person)}")["code"] == "too_many_sockets"
