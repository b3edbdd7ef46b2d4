"""Failures told apart by raw code and HTTP status."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from candela.venues.classify import Action, Answer, classify, raw_code, retry_after_s
from candela.venues.retry import RetryPolicy

RETRY, SLOW, RESYNC = Action.RETRY, Action.SLOW, Action.RESYNC
UNKNOWN_SYMBOL, REFUSE = Action.UNKNOWN_SYMBOL, Action.REFUSE
PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"


def answer(
    status: int, body: str = PAGE, headers: dict[str, str] | None = None, *, cut: bool = False
) -> Answer:
    return Answer("host/path", status, headers or {}, body, datetime.now(UTC), is_cut=cut)


@pytest.mark.parametrize(
    ("venue", "status", "body", "action"),
    [
        ("binance", 500, PAGE, RETRY),
        ("binance", 520, PAGE, RETRY),
        ("binance", 503, '{"code":-1008,"msg":"overloaded"}', SLOW),
        ("binance", 418, "", SLOW),
        ("binance", 429, "", SLOW),
        ("binance", 403, PAGE, SLOW),
        ("binance", 451, PAGE, REFUSE),
        ("binance", 404, PAGE, REFUSE),
        ("binance", 408, "", RETRY),
        ("binance", 400, '{"code":-1121,"msg":"Invalid symbol."}', UNKNOWN_SYMBOL),
        ("binance", 400, '{"code":-1021,"msg":"Timestamp"}', RESYNC),
        ("binance", 400, '{"code":-1003,"msg":"weight"}', SLOW),
        ("binance", 400, '{"code":-1100,"msg":"Illegal characters"}', REFUSE),
        ("binance", 400, '{"code":-1006,"msg":"unexpected response"}', RETRY),
        ("binanceusdm", 400, '{"code":-1121,"msg":"Invalid symbol."}', UNKNOWN_SYMBOL),
        ("bybit", 200, '{"retCode":10006,"retMsg":"Too many visits"}', SLOW),
        ("bybit", 200, '{"retCode":10016,"retMsg":"Server error"}', RETRY),
        ("bybit", 200, '{"retCode":10002,"retMsg":"time exceeds"}', RESYNC),
        ("bybit", 200, '{"retCode":10001,"retMsg":"params error: Symbol Invalid"}', REFUSE),
        ("bitfinex", 500, '["error",11010,"ratelimit: error"]', SLOW),
        ("bitfinex", 500, '["error",10020,"symbol: invalid"]', UNKNOWN_SYMBOL),
        ("bitfinex", 500, '["error",20060,"maintenance"]', RETRY),
        ("kraken", 200, '{"error":["EQuery:Unknown asset pair"]}', UNKNOWN_SYMBOL),
        ("kraken", 200, '{"error":["EAPI:Rate limit exceeded"]}', SLOW),
        ("kraken", 200, '{"error":["EService:Unavailable"]}', RETRY),
        ("kraken", 200, '{"error":["EGeneral:Invalid arguments"]}', REFUSE),
        ("okx", 200, '{"code":"51001","msg":"Instrument ID does not exist"}', UNKNOWN_SYMBOL),
        ("okx", 200, '{"code":"50011","msg":"Requests too frequent"}', SLOW),
        ("kucoin", 200, '{"code":"429000","msg":"Too many requests"}', SLOW),
        (
            "bitvavo",
            400,
            '{"errorCode":205,"error":"market parameter is invalid."}',
            UNKNOWN_SYMBOL,
        ),
        ("gate", 400, '{"label":"INVALID_CURRENCY_PAIR","message":"x"}', UNKNOWN_SYMBOL),
        ("htx", 200, '{"status":"error","err-code":"invalid-symbol"}', UNKNOWN_SYMBOL),
        ("okx", 200, '{"code":"0","data":[]}', RETRY),
    ],
)
def test_classify_of_an_answer_goes_by_code_and_status(
    venue: str, status: int, body: str, action: Action
) -> None:
    assert classify(venue, answer(status, body)).action is action


def test_classify_of_a_cut_body_says_so() -> None:
    verdict = classify("binance", answer(200, '[[1767225600000,"200', cut=True))
    assert verdict.action is RETRY
    assert "cut" in verdict.reason


def test_classify_of_a_ban_is_told_from_a_limit_and_keeps_the_time() -> None:
    ban = classify("binance", answer(418, "", {"retry-after": "3600"}))
    assert (ban.is_ban, ban.wait_s) == (True, 3600)
    limit = classify("binance", answer(429, "", {"retry-after": "7"}))
    assert (limit.is_ban, limit.wait_s) == (False, 7)


def test_classify_never_repeats_what_a_body_says_at_length() -> None:
    assert "signature" not in classify("binance", answer(400, '{"code":-1,"x":"signature"}')).reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12),
        ({"retry-after": "-4"}, 0),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:01:00 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            60,
        ),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(answer(429, "", headers)) == seconds


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", "null", "5", '"text"', '["error"]', '{"error":[]}']
)
def test_raw_code_of_a_body_without_one_is_none(body: str) -> None:
    assert raw_code(body) is None


def test_retry_waits_grow_stay_bounded_and_differ_between_processes() -> None:
    policy = RetryPolicy(base_s=0.5, cap_s=30, random=random.Random(1))
    waits = [policy.wait_s(failures) for failures in range(1, 20)]
    for failures, wait_s in enumerate(waits, start=1):
        longest = min(30, 0.5 * 2 ** (failures - 1))
        assert longest / 2 <= wait_s <= longest
    other = RetryPolicy(base_s=0.5, cap_s=30, random=random.Random(2))
    assert [other.wait_s(failures) for failures in range(1, 20)] != waits
    assert policy.wait_s(10_000) <= 30
