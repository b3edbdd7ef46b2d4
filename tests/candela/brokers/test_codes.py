"""What an answer proves, told from status, body and code; a new code is never a refusal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given

from candela.brokers.codes.binance import BINANCE
from candela.brokers.codes.bybit import BYBIT
from candela.brokers.codes.kraken import KRAKEN
from candela.brokers.codes.ruling import CodeTable, Ruling, Sense, judge
from candela.orders.words import OutcomeKind
from candela.venues.classify import Answer

AT = datetime(2026, 1, 1, tzinfo=UTC)
ACCEPTED, REFUSED, UNKNOWN, THROTTLED, DEAD = OutcomeKind
TABLES = [BINANCE, BYBIT, KRAKEN]
IDS = [one.venue for one in TABLES]


def ruled(table: CodeTable, body: object, status: int = 200, **headers: str) -> Ruling:
    text = body if isinstance(body, str) else json.dumps(body)
    return judge(table, Answer("api.test/order", status, headers, text, AT))


def binance(code: int, words: str = "", status: int = 400, **headers: str) -> Ruling:
    return ruled(BINANCE, {"code": code, "msg": words}, status, **headers)


@pytest.mark.parametrize(
    ("code", "words", "kind", "sense"),
    [
        (-2010, "Account has insufficient balance for requested action.", REFUSED, Sense.PLAIN),
        # The raw code alone does not tell these two apart.
        (-2010, "Duplicate order sent.", UNKNOWN, Sense.EXISTS),
        (-1013, "Filter failure: NOTIONAL", REFUSED, Sense.PLAIN),
        (-1111, "Precision is over the maximum.", REFUSED, Sense.PLAIN),
        (-1121, "Invalid symbol.", REFUSED, Sense.PLAIN),
        (-2011, "Unknown order sent.", REFUSED, Sense.PLAIN),
        (-2013, "Order does not exist.", REFUSED, Sense.MISSING),
        (-1021, "Timestamp for this request is outside of the recvWindow.", REFUSED, Sense.CLOCK),
        (-1006, "An unexpected response was received.", UNKNOWN, Sense.PLAIN),
        (-1007, "Timeout waiting for response from backend server.", UNKNOWN, Sense.PLAIN),
        (-1000, "An unknown error occurred.", UNKNOWN, Sense.PLAIN),
        (-1008, "Server is currently overloaded.", THROTTLED, Sense.PLAIN),
        (-1015, "Too many new orders.", THROTTLED, Sense.PLAIN),
        (-2015, "Invalid API-key, IP, or permissions for action.", DEAD, Sense.PLAIN),
        (-2014, "API-key format invalid.", DEAD, Sense.PLAIN),
        (-1022, "Signature for this request is not valid.", DEAD, Sense.PLAIN),
        (-9999, "A code of next year.", UNKNOWN, Sense.PLAIN),
    ],
)
def test_binance_code_always_has_one_meaning(
    code: int, words: str, kind: OutcomeKind, sense: Sense
) -> None:
    ruling = binance(code, words)
    assert (ruling.kind, ruling.sense, ruling.code) == (kind, sense, str(code))


@pytest.mark.parametrize(
    ("code", "kind", "sense"),
    [
        (0, ACCEPTED, Sense.PLAIN),
        (170131, REFUSED, Sense.PLAIN),
        (170213, REFUSED, Sense.MISSING),
        (170141, UNKNOWN, Sense.EXISTS),
        (170007, UNKNOWN, Sense.PLAIN),
        (170146, UNKNOWN, Sense.PLAIN),
        (10016, UNKNOWN, Sense.PLAIN),
        (10002, REFUSED, Sense.CLOCK),
        (10003, DEAD, Sense.PLAIN),
        (33004, DEAD, Sense.PLAIN),
        (10006, THROTTLED, Sense.PLAIN),
        (999999, UNKNOWN, Sense.PLAIN),
    ],
)
def test_bybit_code_with_http_200_always_has_one_meaning(
    code: int, kind: OutcomeKind, sense: Sense
) -> None:
    ruling = ruled(BYBIT, {"retCode": code, "retMsg": "words", "result": {}})
    assert (ruling.kind, ruling.sense) == (kind, sense)


@pytest.mark.parametrize(
    ("errors", "kind", "sense"),
    [
        ([], ACCEPTED, Sense.PLAIN),
        (["WGeneral:A warning"], ACCEPTED, Sense.PLAIN),
        (["EOrder:Insufficient funds"], REFUSED, Sense.PLAIN),
        (["EOrder:Something new of orders"], REFUSED, Sense.PLAIN),
        (["EGeneral:Invalid arguments:volume"], REFUSED, Sense.PLAIN),
        (["EOrder:Unknown order"], REFUSED, Sense.MISSING),
        (["EOrder:Rate limit exceeded"], THROTTLED, Sense.PLAIN),
        (["EGeneral:Temporary lockout"], THROTTLED, Sense.PLAIN),
        (["EAPI:Invalid nonce"], REFUSED, Sense.CLOCK),
        (["EAPI:Invalid signature"], DEAD, Sense.PLAIN),
        (["EGeneral:Permission denied"], DEAD, Sense.PLAIN),
        (["EService:Timeout"], UNKNOWN, Sense.PLAIN),
        (["EGeneral:Internal error"], UNKNOWN, Sense.PLAIN),
        (["EOther:Something else"], UNKNOWN, Sense.PLAIN),
    ],
)
def test_kraken_error_with_http_200_always_has_one_meaning(
    errors: list[str], kind: OutcomeKind, sense: Sense
) -> None:
    ruling = ruled(KRAKEN, {"error": errors, "result": {}})
    assert (ruling.kind, ruling.sense) == (kind, sense)


@pytest.mark.parametrize("table", TABLES, ids=IDS)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 522, 530])
def test_server_error_always_is_unknown_whatever_its_body_says(
    table: CodeTable, status: int
) -> None:
    bodies = (
        "",
        "<html>",
        '{"code":-2010',
        "1",
        {"code": -2010, "msg": "no"},
        {"retCode": 170131},
        {"error": ["EOrder:Insufficient funds"]},
    )
    for body in bodies:
        assert ruled(table, body, status).kind is UNKNOWN


@pytest.mark.parametrize("table", TABLES, ids=IDS)
@pytest.mark.parametrize("status", [200, 400, 403, 404])
def test_body_when_it_cannot_be_read_then_proves_nothing(table: CodeTable, status: int) -> None:
    for body in ("", "<html>blocked</html>", '{"orderId":1'):
        assert ruled(table, body, status).kind is UNKNOWN
    cut = Answer("api.test/order", status, {}, "{}", AT, is_cut=True)
    assert judge(table, cut).kind is UNKNOWN


@pytest.mark.parametrize("table", TABLES, ids=IDS)
def test_error_status_when_it_has_no_code_then_proves_nothing(table: CodeTable) -> None:
    assert ruled(table, {}, 400).kind is UNKNOWN
    assert ruled(table, [], 451).kind is UNKNOWN


def test_throttle_when_it_is_of_the_address_then_says_so_and_how_long() -> None:
    banned = binance(-1003, "banned", 418)
    assert (banned.kind, banned.wait_s, banned.is_for_address) == (THROTTLED, 120.0, True)
    told = ruled(BINANCE, {"code": -1003, "msg": ""}, 429, **{"retry-after": "17"})
    assert (told.wait_s, told.is_for_address) == (17.0, True)
    own = binance(-1015, "Too many new orders; 50 a 10 s.", 429)
    assert (own.kind, own.is_for_address) == (THROTTLED, False)
    page = ruled(BYBIT, "<html>access too frequent</html>", 429)
    assert (page.kind, page.is_for_address) == (THROTTLED, True)


@pytest.mark.parametrize("table", TABLES, ids=IDS)
def test_tables_always_give_each_code_one_meaning(table: CodeTable) -> None:
    groups = [
        table.refused,
        table.unknown,
        table.throttled,
        table.address_wide,
        table.dead,
        table.clock,
        table.missing,
        table.exists,
    ]
    assert sum(map(len, groups)) == len(set[str]().union(*groups))
    assert set(table.waits_s) <= table.throttled | table.address_wide


@given(st.sampled_from(TABLES), st.integers(100, 599), st.text(max_size=60))
def test_any_answer_always_gets_a_ruling_and_garbage_never_a_refusal(
    table: CodeTable, status: int, body: str
) -> None:
    ruling = ruled(table, body, status)
    try:
        is_object = isinstance(json.loads(body), dict)
    except ValueError:
        is_object = False
    if not is_object:
        assert ruling.kind not in {REFUSED, DEAD}
