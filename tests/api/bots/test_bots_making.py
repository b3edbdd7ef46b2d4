"""Making, changing and removing bots over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.api.bots.making import CONFIG, account_of, faults, made, make
from tests.fixtures.desk import count

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person


def test_bot_when_made_is_stopped_with_its_parameters_costs_and_place(person: Person) -> None:
    found = make(person)
    assert found.status_code == 201, found.text
    bot = found.json()
    assert found.headers["location"] == f"/api/v1/bots/{bot['bot_id']}"
    assert (bot["wanted"], bot["state"], bot["version"]) == ("stopped", "stopped", 1)
    assert (bot["mode"], bot["capital"]) == ("paper", "50")
    assert bot["config"]["parameters"] == {
        "fast": 10,
        "slow": 30,
        "kind": "simple",
        "short": False,
    }
    assert bot["config"]["costs"]["taker_fee_bps"] == 10.0
    assert person.get(f"/bots/{bot['bot_id']}").json() == bot
    with person.desk.session() as session:
        row = session.row(
            "SELECT action, detail ->> 'name' AS name FROM audit.entries"
            " WHERE tenant_id = %(tenant)s",
            {},
        )
    assert row == {"action": "bot.create", "name": "one"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"capital": "0"}, "body.config.capital", id="no-capital"),
        pytest.param({"capital": "NaN"}, "body.config.capital", id="capital-nan"),
        pytest.param({"instrument": "BTC"}, "body.config.instrument", id="no-instrument"),
        pytest.param(
            {"instrument": "binance:NO/PE"}, "body.config.instrument", id="unknown-symbol"
        ),
        pytest.param({"instrument": "nowhere:BTC/USDT"}, "body.config.instrument", id="no-venue"),
        pytest.param({"timeframe": "1 minute"}, "body.config.timeframe", id="no-timeframe"),
        pytest.param({"timeframe": "7m"}, "body.config.timeframe", id="odd-timeframe"),
        pytest.param({"strategy": "ma_crossing"}, "body.config.strategy", id="no-strategy"),
        pytest.param({"extra": 1}, "body.config.extra", id="unknown-field"),
        pytest.param({"parameters": {"fast": 1}}, "body.config.parameters.fast", id="below-bound"),
        pytest.param(
            {"parameters": {"fast": 50, "slow": 20}}, "body.config.parameters.fast", id="crossed"
        ),
        pytest.param({"parameters": {"nope": 1}}, "body.config.parameters.nope", id="no-parameter"),
        pytest.param(
            {"parameters": {"kind": "a\0b"}}, "body.config.parameters.kind", id="character-nul"
        ),
        pytest.param(
            {"limits": {"trading_hours": {"windows": ["always"]}}},
            "body.config.limits.trading_hours",
            id="no-hours",
        ),
    ],
)
def test_bot_with_unusable_field_is_refused_by_its_name_and_nothing_is_written(
    person: Person, change: dict[str, Any], field: str
) -> None:
    found = faults(make(person, config=change))
    assert field in found, found
    assert found[field]
    assert count(person.desk.database, "trading.bots") == 0


def test_parameters_that_contradict_each_other_are_answered_with_a_value_that_passes(
    person: Person,
) -> None:
    found = faults(make(person, config={"parameters": {"fast": 50, "slow": 20}}))
    assert found["body.config.parameters.fast"].endswith("; 19 would pass")


@pytest.mark.parametrize(
    "name", ["", " x", "a\0b", "x" * 61], ids=["empty", "blank", "nul", "long"]
)
def test_name_that_is_none_is_refused(person: Person, name: str) -> None:
    assert make(person, name).status_code == 422


def test_name_that_is_taken_is_a_conflict(person: Person) -> None:
    made(person)
    assert (make(person).status_code, make(person).json()["code"]) == (409, "bot_name_taken")


def test_foreign_bot_and_account_always_answer_as_absent_ones(api: Api, person: Person) -> None:
    other = api.person("other@example.com")
    bot_id, nobody = made(other)["bot_id"], str(uuid4())
    etag = {"if-match": '"1"'}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("PATCH", "", {"json": {"name": "mine"}}),
        ("DELETE", "", {}),
        ("GET", "/config", {}),
        ("PUT", "/config", {"json": {"config": CONFIG}, "headers": etag}),
        *(("GET", f"/{one}", {}) for one in ("versions", "runs", "decisions", "orders", "status")),
        *(("GET", f"/{one}", {}) for one in ("chart", "logs")),
        *(("POST", f"/{one}", {}) for one in ("start", "stop", "restart", "kill", "release")),
    ]
    for method, path, options in calls:
        foreign = person.call(method, f"/bots/{bot_id}{path}", **options)
        absent = person.call(method, f"/bots/{nobody}{path}", **options)
        assert foreign.status_code == absent.status_code == 404, (method, path, foreign.text)
        texts = [
            {name: str(value).replace(which, "ID") for name, value in one.json().items()}
            for one, which in ((foreign, bot_id), (absent, nobody))
        ]
        for text in texts:
            text.pop("request_id")
        assert texts[0] == texts[1]
    theirs = account_of(other)
    assert make(person, account_id=theirs).status_code == 404
    assert person.post(f"/accounts/{theirs}/kill").status_code == 404
    assert other.get(f"/bots/{bot_id}").json()["wanted"] == "stopped"


def test_config_changes_only_for_who_read_the_version_in_force(person: Person) -> None:
    path = f"/bots/{made(person)['bot_id']}/config"
    read = person.get(path)
    assert read.headers["etag"] == '"1"'
    body = {"config": read.json()["config"] | {"capital": "60"}}
    assert person.call("PUT", path, json=body).status_code == 428
    first = person.call("PUT", path, json=body, headers={"if-match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert first.json()["config"]["capital"] == "60"
    late = person.call("PUT", path, json=body, headers={"if-match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "config_changed")
    versions = person.get(path.replace("config", "versions")).json()
    assert [one["version"] for one in versions] == [2, 1]
    assert [one["config"]["capital"] for one in versions] == ["60", "50"]


def test_bot_that_runs_is_neither_changed_nor_removed(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    assert person.post(f"/bots/{bot_id}/start").status_code == 202
    changed = person.call(
        "PUT", f"/bots/{bot_id}/config", json={"config": CONFIG}, headers={"if-match": "*"}
    )
    assert (changed.status_code, changed.json()["code"]) == (409, "bot_runs")
    assert person.call("DELETE", f"/bots/{bot_id}").status_code == 409
    renamed = person.call("PATCH", f"/bots/{bot_id}", json={"name": "two"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "two")
    assert person.call("PATCH", f"/bots/{bot_id}", json={"capital": "1"}).status_code == 422


def test_bot_that_is_removed_is_gone_and_its_name_free(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    assert person.call("DELETE", f"/bots/{bot_id}").status_code == 204
    assert person.get(f"/bots/{bot_id}").status_code == 404
    made(person)


def test_list_pages_through_every_bot_once_and_filters(person: Person) -> None:
    ids = sorted(made(person, f"bot {number}")["bot_id"] for number in range(5))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2", "sort": "oldest"} | ({"cursor": cursor} if cursor else {})
        page = person.get("/bots", params=params).json()
        seen += [one["bot_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids
    assert [one["bot_id"] for one in person.get("/bots").json()["items"]] == ids[::-1]
    assert len(person.get("/bots", params={"strategy": "ma_cross"}).json()["items"]) == 5
    for params in ({"strategy": "dca"}, {"mode": "live"}, {"state": "running"}):
        assert person.get("/bots", params=params).json()["items"] == []
    assert person.get("/bots", params={"cursor": "x"}).status_code == 422
    assert person.get("/bots", params={"limit": "0"}).status_code == 422


def test_ladder_needs_its_ruin_read_and_takes_no_word_that_was_made_up(person: Person) -> None:
    ladder = {"first_stake": "1", "factor": "2", "steps": 3}
    lie = {
        "first_stake": "1",
        "factor": "2",
        "steps": 3,
        "largest_stake": None,
        "payout_ratio": "0.8",
        "bankroll": "50",
        "win_rate": 0.9,
        "rounds": 1000,
        "ruin_ratio": 0.0,
        "acknowledged_at": "2026-03-01T00:00:00Z",
    }
    config = {"limits": {"martingale": ladder | {"acknowledgement": lie}}}
    refused = make(person, config=config)
    assert (refused.status_code, refused.json()["code"]) == (409, "ruin_not_read")
    told = {"win_rate": 0.7, "rounds": 100, "payout_ratio": "1"}
    shown = person.post("/bots/ruin", json={"config": CONFIG | config, "ruin": told})
    assert shown.status_code == 200, shown.text
    ratio = shown.json()["ruin_ratio"]
    assert shown.json()["words"]
    otherwise = make(person, config=config, ruin=told | {"acknowledged_ruin_ratio": ratio + 0.01})
    assert otherwise.json()["code"] == "ruin_read_otherwise"
    bot = made(person, config=config, ruin=told | {"acknowledged_ruin_ratio": ratio})
    word = bot["config"]["limits"]["martingale"]["acknowledgement"]
    assert word["ruin_ratio"] == ratio
