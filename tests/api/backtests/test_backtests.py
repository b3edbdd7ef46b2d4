"""Backtests over HTTP: asked for, counted under a lock, run by what runs them, read, cancelled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backtest.ledger import Ledger
from backtest.requests import run_request
from backtest.spec import spec_of
from candela.candles.store import CandleStore
from candela.db.connect import Role
from candela.desk.users import change_plan
from candela.ids import new_id
from pipelines.defs.backtests.working import work_off
from tests.fixtures.candles import HOUR, START, batch, made_up
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

BODY: dict[str, Any] = {
    "strategy": "ma_cross",
    "parameters": {"fast": 5, "slow": 20},
    "instruments": ["bitvavo:BTC/EUR"],
    "timeframe": "1h",
}


@pytest.fixture
def candles(api: Api) -> None:
    """Bring in ten days of hours, up to the present of the API."""
    api.clock.at = START + timedelta(days=10)
    with api.database.connect(Role.PIPELINES) as connection:
        CandleStore(connection, api.clock).write(
            batch(made_up(240, timeframe=HOUR), timeframe=HOUR)
        )


def ledger(api: Api) -> Ledger:
    return Ledger(api.database, api.clock, role=Role.PIPELINES)


@pytest.fixture
def reader(api: Api, candles: None) -> Person:
    """Give somebody on the plan basic: 50 backtests a month, 30 days of candles, no sweeps."""
    assert candles is None
    return api.person()


def test_backtest_when_it_was_run_then_its_figures_and_report_are_read(
    api: Api, reader: Person
) -> None:
    asked = reader.post("/backtests", json=BODY | {"cash": "2500.5"})
    assert asked.status_code == 202, asked.text
    order = asked.json()
    assert (order["state"], order["kind"], order["has_report"]) == ("queued", "backtest", False)
    assert spec_of(order["spec"]).cash == 2500.5
    path = f"/backtests/{order['backtest_id']}"
    assert reader.get(f"{path}/report").json()["code"] == "no_report"
    book = ledger(api)
    (request,) = book.open_requests()
    assert (request.surface, request.requested_by) == ("api", f"order {order['backtest_id']}")
    work_off(book, request.request_id, "a worker", run_request)
    done = reader.get(path).json()
    assert (done["state"], done["progress_ratio"], done["error"]) == ("done", 1, None)
    assert done["trials"] == 1
    assert "sharpe" in done["figures"]
    report = reader.get(f"{path}/report")
    assert report.headers["content-type"].startswith("text/html")
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts;")
    assert "<html" in report.text
    plain = reader.get(f"{path}/report", headers={"accept-encoding": "identity"})
    assert plain.text == report.text
    assert reader.call("DELETE", path).json()["code"] == "backtest_over"


def test_backtest_of_another_tenant_always_is_as_if_there_were_none(
    api: Api, reader: Person
) -> None:
    other = api.person("other@example.com")
    foreign = other.post("/backtests", json=BODY).json()["backtest_id"]
    for path in ("", "/report"):
        bodies: list[dict[str, Any]] = []
        for one in (foreign, str(new_id(NOW))):
            answer = reader.get(f"/backtests/{one}{path}")
            assert answer.status_code == 404
            body = answer.json()
            bodies.append(body | {"request_id": "", "detail": body["detail"].replace(one, "ID")})
        assert bodies[0] == bodies[1]
    assert reader.call("DELETE", f"/backtests/{foreign}").status_code == 404
    assert reader.get("/backtests").json()["items"] == []
    assert other.get(f"/backtests/{foreign}").json()["state"] == "queued"


def test_backtest_when_cancelled_then_nobody_works_on_it_and_again_changes_nothing(
    api: Api, reader: Person
) -> None:
    order = reader.post("/backtests", json=BODY).json()
    path = f"/backtests/{order['backtest_id']}"
    for _ in range(2):
        answer = reader.call("DELETE", path)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert ledger(api).open_requests() == []
    with api.database.connect() as connection:
        rows = connection.execute(
            "SELECT action FROM audit.entries WHERE action LIKE 'backtest.%%' ORDER BY happened_at",
            (),
        ).fetchall()
    assert sorted(rows) == [("backtest.cancel",), ("backtest.order",)]


def test_backtests_when_asked_for_at_once_then_no_more_than_the_plan_includes(
    api: Api, reader: Person
) -> None:
    with reader.desk.session() as session:
        change_plan(session, "free", clock=api.clock)
    with ThreadPoolExecutor(20) as crowd:
        waiting = [crowd.submit(reader.post, "/backtests", json=BODY) for _ in range(20)]
        answers = [one.result() for one in waiting]
    found = sorted(answer.status_code for answer in answers)
    assert found == [202] * 5 + [403] * 15
    refused = next(answer for answer in answers if answer.status_code == 403).json()
    assert refused["code"] == "plan_limit_reached"
    assert "6 backtests this month" in refused["detail"]
    page = reader.get("/backtests?limit=3").json()
    assert (page["used_this_month"], page["included_per_month"]) == (5, 5)
    rest = reader.get(f"/backtests?limit=3&cursor={page['next_cursor']}").json()
    seen = [one["backtest_id"] for one in (*page["items"], *rest["items"])]
    assert (len(set(seen)), len(seen), rest["next_cursor"]) == (5, 5, None)
    api.clock.at += timedelta(days=32)
    later = api.person("later@example.com", plan="free")
    assert later.get("/backtests").json()["used_this_month"] == 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"strategy": "nothing"}, 404, "unknown_strategy", id="strategy"),
        pytest.param({"strategy": "/etc/x.py"}, 404, "unknown_strategy", id="file"),
        pytest.param({"parameters": {"fast": 0}}, 422, "bad_parameters", id="bounds"),
        pytest.param({"parameters": {"fast": 50, "slow": 20}}, 422, "bad_parameters", id="cross"),
        pytest.param({"instruments": ["binance:NO/NE"]}, 404, "no_such_instrument", id="unknown"),
        pytest.param({"instruments": ["bitvavo:BTC/EUR"] * 2}, 422, "bad_backtest", id="twice"),
        pytest.param({"timeframe": "7m"}, 404, "no_such_series", id="timeframe"),
        pytest.param({"since": "2020-01-01T00:00:00Z"}, 403, "plan_limit_reached", id="history"),
        pytest.param({"axes": {"fast": [5, 6]}}, 403, "plan_limit_reached", id="sweep"),
        pytest.param({"axes": {"none": [5]}}, 422, "bad_backtest", id="axis"),
        pytest.param(
            {"axes": {"fast": list(range(2, 202)), "slow": list(range(2, 202))}},
            422, "bad_backtest", id="points",
        ),
        pytest.param({"payout": {"payout": "0.8"}}, 422, "bad_backtest", id="payout"),
        pytest.param({"cash": "NaN"}, 422, "invalid_input", id="cash"),
        pytest.param({"costs": {"taker_fee_bps": -1}}, 422, "invalid_input", id="costs"),
        pytest.param({"strategy": "a\x00"}, 422, "invalid_input", id="nul"),
        pytest.param({"as_of": "2026-01-01"}, 422, "invalid_input", id="more"),
    ],
)  # fmt: skip
def test_backtest_when_it_cannot_be_then_refused_and_nothing_is_asked(
    api: Api, reader: Person, change: dict[str, Any], status: int, code: str
) -> None:
    answer = reader.post("/backtests", json=BODY | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert ledger(api).open_requests() == []
    assert reader.desk.count("trading.backtest_orders") == 0


def test_sweep_when_the_plan_has_optimisation_then_every_point_is_run(
    api: Api, reader: Person
) -> None:
    with reader.desk.session() as session:
        change_plan(session, "pro", clock=api.clock)
    body = BODY | {"parameters": {}, "axes": {"fast": [5, 6], "slow": [20, 30]}}
    order = reader.post("/backtests", json=body).json()
    assert order["kind"] == "sweep"
    book = ledger(api)
    (request,) = book.open_requests()
    work_off(book, request.request_id, "a worker", run_request)
    done = reader.get(f"/backtests/{order['backtest_id']}").json()
    assert done["state"] == "done", done["error"]
    assert book.sweep(done["sweep_id"]).total == 4
