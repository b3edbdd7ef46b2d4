"""Paths of older systems answer as today's do, and the document says that they are old."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from api.legacy.aliases import ALIASES
from tests.api.bots.making import CONFIG, account_of, made

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

SINGLE = ("start", "stop", "restart", "status", "config", "logs")


def old(person: Person, method: str, path: str, **options: Any) -> Any:
    headers = {"authorization": f"Bearer {person.token}"} | options.pop("headers", {})
    return person.client.request(method, path, headers=headers, **options)


def test_document_always_marks_every_old_path_as_deprecated_with_its_successors_answers(
    api: Api,
) -> None:
    paths = api.client.get("/api/v1/openapi.json").json()["paths"]
    for method, path, new_method, new_path in ALIASES:
        now = paths[f"/api/v1{new_path}"][new_method.lower()]
        before = paths[path][method.lower()]
        assert before["deprecated"], path
        assert before["responses"] == now["responses"], path
        assert before.get("requestBody") == now.get("requestBody"), path
    assert all(
        one["deprecated"] for name in SINGLE for one in paths[f"/api/v1/bot/{name}"].values()
    )
    names = [one["operationId"] for path in paths.values() for one in path.values()]
    assert len(names) == len(set(names))


def test_old_list_start_and_trades_always_answer_as_todays(person: Person) -> None:
    body = {"name": "one", "account_id": account_of(person), "config": CONFIG}
    first = old(person, "POST", "/api/bots/", json=body)
    assert first.status_code == 201
    bot_id = first.json()["bot_id"]
    assert old(person, "GET", "/api/bots/").json() == person.get("/bots").json()
    assert old(person, "POST", f"/api/bots/{bot_id}/start").json()["wanted"] == "running"
    assert old(person, "GET", "/api/trades/").json() == person.get("/trades").json()
    order = {"kind": "spot", "account_id": account_of(person), "symbol": "BTC/USDT"}
    for path in ("/api/v2/user/trade", "/api/iq/trade"):
        whole = order | {"side": "buy", "quantity": "0.001"}
        placed = old(person, "POST", path, json=whole, headers={"idempotency-key": path})
        assert placed.status_code == 202, placed.text
        assert person.get(f"/orders/{placed.json()['request_id']}").json() == placed.json()
    key = {"idempotency-key": "order-without-side"}
    refused = old(person, "POST", "/api/v2/user/trade", json=order, headers=key)
    assert refused.status_code == 422
    assert old(person, "GET", "/api/nothing").status_code == 404


def test_single_bot_is_the_first_one_and_absent_where_there_is_none(person: Person) -> None:
    assert person.get("/bot/status").json()["code"] == "unknown_bot"
    first, _ = sorted(
        (made(person, name) for name in ("one", "two")), key=lambda one: one["bot_id"]
    )
    path = f"/bots/{first['bot_id']}"
    assert person.get("/bot/config").json() == person.get(f"{path}/config").json()
    assert person.get("/bot/config").headers["etag"] == '"1"'
    body = {"config": CONFIG | {"capital": "70"}}
    assert person.call("PUT", "/bot/config", json=body).status_code == 428
    changed = person.call("PUT", "/bot/config", json=body, headers={"if-match": '"1"'})
    assert changed.json()["config"]["capital"] == "70"
    for verb, wanted in (("start", "running"), ("restart", "running"), ("stop", "stopped")):
        assert person.post(f"/bot/{verb}").json()["wanted"] == wanted
        assert person.get(path).json()["wanted"] == wanted
    status = person.get("/bot/status")
    assert status.json() == person.get(f"{path}/status").json()
    known = {"if-none-match": status.headers["etag"]}
    assert person.get("/bot/status", headers=known).status_code == 304
    logs, now = person.get("/bot/logs").json(), person.get(f"{path}/logs").json()
    assert logs == now
    assert re.match(r"\d{4}-", logs["kept_since"])
