"""S23 and S24: no secret in any form or encoding reaches a log, and no text writes a line."""

from __future__ import annotations

import base64
import io
import json
import logging
import random
import string
import sys
from collections.abc import Callable, Iterator
from typing import Final, Literal
from urllib.parse import quote

import pytest

from candela.logging import configure_logging, request_id
from candela.secrecy import redact

LETTERS: Final = string.ascii_letters + string.digits


def _word(chance: random.Random, size: int) -> str:
    return "".join(chance.choices(LETTERS, k=size))


# Each makes a secret and a text that holds it, as our own code or a library would write it.
SECRETS: Final[dict[str, Callable[[random.Random, str], str]]] = {
    "api key": lambda _, secret: f"apiKey={secret}",
    "header": lambda _, secret: f"X-MBX-APIKEY: {secret}",
    "signature": lambda _, secret: f"https://api.venue.example/order?qty=1&signature={secret}",
    "jwt": lambda chance, secret: f"eyJ{_word(chance, 20)}.eyJ{_word(chance, 40)}.{secret}",
    "our token": lambda _, secret: f"cnd_{secret}",
    "stripe": lambda chance, secret: f"{chance.choice(['sk', 'rk'])}_live_{secret}",
    "webhook": lambda _, secret: f"whsec_{secret}",
    "ticket": lambda _, secret: f'"WebSocket /events?ticket={secret}" [accepted]',
    "password": lambda _, secret: f"postgresql://candela:{secret}@db:5432/candela",
    "bearer": lambda _, secret: f"Bearer {secret}",
    "hash": lambda _, secret: f"$argon2id$v=19$m=65536,t=3,p=4${secret}",
}

ENCODINGS: Final[dict[str, Callable[[str], str]]] = {
    "plain": lambda text: text,
    "json in json": lambda text: json.dumps(json.dumps({"was": text})),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hexadecimal": lambda text: text.encode().hex(),
    "escapes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "html": lambda text: "".join(f"&#{ord(one)};" for one in text),
}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give a stream for the root logger, which is put back as it was afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield io.StringIO()
    root.handlers[:], root.level = before


@pytest.mark.parametrize("form", ["json", "console"])
def test_s23_log_when_secrets_come_in_any_encoding_then_none_of_10000_leaks(
    stream: io.StringIO, form: Literal["json", "console"]
) -> None:
    chance = random.Random(23)
    configure_logging("DEBUG", form, stream=stream)
    log = logging.getLogger("candela.canaries")
    leaked: list[str] = []
    kinds = [(kind, encoding) for kind in SECRETS for encoding in ENCODINGS]
    for number in range(5_000):
        kind, encoding = kinds[number % len(kinds)]
        secret = _word(chance, 24)
        hidden = ENCODINGS[encoding](SECRETS[kind](chance, secret))
        stream.seek(0)
        stream.truncate()
        if number % 3:
            log.warning("It said %s on the way", hidden)
        else:
            log.warning("It failed", extra={"answer": hidden})
        written = stream.getvalue()
        # In the encoding that it was written in, whichever way the letters fell.
        marks = {secret, ENCODINGS[encoding](secret)[4:-4], secret.encode().hex()}
        if any(mark in written for mark in marks) or "***" not in written:
            leaked.append(f"{kind} as {encoding}: {written}")
    assert leaked == []


@pytest.mark.parametrize(
    "text",
    [
        "0199a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b",
        "0199a1b23c4d7e5f8a9b0c1d2e3f4a5b",
        "/api/v1/bots/{bot_id}/logs/stream",
        "candela.desk.opening.open_account_of_tenant",
        "/srv/candela/api/kit/limits.py:120",
        "https://docs.example/a%20b/c%2Fd?limit=5&amp;x=1",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_s23_redact_when_a_text_only_looks_encoded_then_it_stays(text: str) -> None:
    assert redact(text) == text


def test_s23_traceback_of_the_interpreter_when_it_holds_a_secret_then_it_is_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    try:
        configure_logging("INFO", "json")
        hook = sys.excepthook
        hook(ValueError, ValueError("sk_live_" + "a" * 24), None)
    finally:
        root.handlers[:], root.level = before
    written = capsys.readouterr().err
    assert "ValueError" in written
    assert "sk_live" not in written


@pytest.mark.parametrize("form", ["json", "console"])
def test_s24_log_when_texts_hold_line_ends_and_escapes_then_one_line_is_written(
    stream: io.StringIO, form: Literal["json", "console"]
) -> None:
    configure_logging("INFO", form, stream=stream)
    evil = 'x"}\r\n{"level":"info"} \x1b[2J\x9b31m\x00\x85\u2028\u2029\x7f\x0b\x0c'
    logging.getLogger("candela.a").warning("bot %s", evil, extra={"name_of_bot": evil})
    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    assert written.rstrip("\n").isprintable()
    if form == "json":
        assert json.loads(written)["message"] == f"bot {evil}"


def test_log_when_a_request_is_served_then_its_id_stands_in_the_line(stream: io.StringIO) -> None:
    configure_logging("INFO", "json", stream=stream)
    token = request_id.set("request-1")
    try:
        logging.getLogger("candela.a").info("seen")
    finally:
        request_id.reset(token)
    assert json.loads(stream.getvalue())["request_id"] == "request-1"
