"""Logs: what is shown, and the secrets that never are."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Literal

import pytest

from candela.logging import configure_logging, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary-7f3a9c"

LEAKS = [
    f"postgresql://candela:{CANARY}@db.example:5432/candela",
    f"postgresql+psycopg2://u:{CANARY}@/d?host=/run/x",
    f"redis://:{CANARY}@localhost:6379/0",
    f"postgresql://u:p@rt{CANARY}@host/d",
    f"host=db user=u password={CANARY} dbname=d",
    f"host=db password='{CANARY} and more {CANARY}' dbname=d",
    f"GET /api/v3/order?symbol=BTCUSDT&signature={CANARY}&timestamp=1",
    f"https://venue.example/x?apiKey={CANARY}&limit=5",
    f"https://venue.example/x?access_token={CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"{{'Authorization': 'Basic {CANARY}'}}",
    f"{{'X-MBX-APIKEY': '{CANARY}', 'ok': 1}}",
    f'{{"OK-ACCESS-SIGN": "{CANARY}", "ok": 1}}',
    f"KC-API-PASSPHRASE: {CANARY}",
    f"ccxt({{'apiKey': '{CANARY}', 'secret': \"{CANARY}'x\", 'password': '{CANARY}'}})",
    json.dumps(json.dumps({"secret": CANARY, "privateKey": f'{CANARY}"{CANARY}'})),
    f"Set-Cookie: {CANARY}",
    f"{{'secret': '{CANARY} and cut he",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3ZjNhOWMifQ." + CANARY,
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give a stream for the root logger, which is put back as it was afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield io.StringIO()
    root.handlers[:], root.level = before


@pytest.mark.parametrize("text", LEAKS)
def test_redact_when_a_text_holds_a_secret_then_it_is_gone(text: str) -> None:
    assert CANARY not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "imported 1000 rows of bitfinex:BTC/USD at 12:30:00",
        "https://docs.example/a:b@c?design=3&limit=5",
        "postgresql://candela_owner@/candela?host=/run/candela",
        "assigned: 3 partitions, 5 keys",
    ],
)
def test_redact_when_a_text_holds_no_secret_then_it_stays(text: str) -> None:
    assert redact(text) == text


def test_redact_when_a_text_is_long_then_what_is_around_stays() -> None:
    text = f"{{'a': 1, 'apiKey': '{CANARY}', 'b': 2}} and ?x=1&signature={CANARY}&y=2"
    assert redact(text) == "{'a': 1, 'apiKey': '***', 'b': 2} and ?x=1&signature=***&y=2"


@pytest.mark.parametrize(
    "text",
    [
        "a-" * 300_000,
        "apikey='" + "\\" * 100_000,
        "'secret': '" + '\\\\"' * 100_000,
        "://" + "a:" * 100_000,
        "secret" * 50_000,
        "token" + " " * 200_000,
    ],
)
@pytest.mark.timeout(20)
def test_redact_when_a_text_is_huge_and_odd_then_it_ends(text: str) -> None:
    assert redact(text)


@pytest.mark.parametrize("form", ["json", "console"])
def test_log_when_message_fields_and_exception_hold_secrets_then_none_is_written(
    stream: io.StringIO, form: Literal["json", "console"]
) -> None:
    configure_logging("DEBUG", form, stream=stream, secrets=["plain-" + CANARY])
    log = logging.getLogger("candela.test")
    for text in LEAKS:
        log.info("with %s", text)
    log.info("known %s", "plain-" + CANARY, extra={"api_key": CANARY, "headers": LEAKS[11]})
    try:
        raise ValueError(LEAKS[0])  # noqa: TRY301 - the traceback is what is tested
    except ValueError:
        log.exception("failed")
    written = stream.getvalue()
    assert CANARY not in written
    assert "ValueError" in written
    assert written.count("with ") >= len(LEAKS)


def test_log_when_json_then_each_line_is_one_object(stream: io.StringIO) -> None:
    configure_logging("INFO", "json", stream=stream)
    logging.getLogger("candela.a").warning(
        'two\nlines "quoted"', extra={"rows": 5, "path": "/x", "done": True}
    )
    entry = json.loads(stream.getvalue())
    assert entry["level"] == "warning"
    assert entry["logger"] == "candela.a"
    assert entry["message"] == 'two\nlines "quoted"'
    assert (entry["rows"], entry["path"], entry["done"]) == (5, "/x", True)
    assert entry["time"].endswith("+00:00")


def test_log_when_no_terminal_then_auto_is_json(stream: io.StringIO) -> None:
    configure_logging("INFO", "auto", stream=stream)
    logging.getLogger("candela.a").info("hello")
    assert json.loads(stream.getvalue())["message"] == "hello"


def test_log_when_level_is_debug_then_ccxt_still_writes_no_requests(stream: io.StringIO) -> None:
    configure_logging("DEBUG", "json", stream=stream)
    logging.getLogger("ccxt.base.exchange").debug("fetch, request headers: %s", CANARY)
    logging.getLogger("candela.a").debug("seen")
    assert CANARY not in stream.getvalue()
    assert "seen" in stream.getvalue()
