"""Texts: every kind in every language, numbers and days as people write them, nothing unescaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from candela.notify.mails import MAIL_PARAMS, MailKind, mail_params
from candela.notify.rendering import TONGUES, render, render_short
from candela.notify.smtp import (
    BadMailServer,
    Letter,
    MailRefused,
    message_of,
    read_mail_server,
)

AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
BOOK = {
    "mode": "live",
    "currency": "USDT",
    "trades": 3,
    "wins": 2,
    "profit": "-1234.5",
    "fees": "0.01234",
}
PARAMS: dict[str, dict[str, Any]] = {
    "new_login": {"address": "192.0.2.7", "agent": "Firefox"},
    "second_factor_changed": {"change": "codes"},
    "plan_changed": {"plan": "pro"},
    "payment_failed": {"amount": "29", "currency": "usd"},
    "subscription_ends": {"plan": "pro", "ends_at": AT.isoformat()},
    "key_refused": {"label": "mine", "venue": "binance", "reason": "code -2015"},
    "alert": {"name": "BTC is dear", "value": "60001", "limit": "60000"},
    "bot_halted": {"bot": "one", "reason": "loss of the day"},
    "daily_summary": {"day": "2026-03-28", "books": [BOOK]},
    "leaving_confirmed": {"erased_at": AT.isoformat()},
}
LINK = "https://trade.example.com/verify#token=abc"
SERVER = read_mail_server("smtp://127.0.0.1:25", "Candela <no-reply@example.com>")


def link_of(kind: str) -> str | None:
    return LINK if kind in {"verify_address", "reset_password"} else None


@pytest.mark.parametrize("language", ["en", "es", "pt"])
@pytest.mark.parametrize("kind", get_args(MailKind))
def test_mail_when_rendered_in_each_language_then_says_all_of_it(
    kind: MailKind, language: str
) -> None:
    params = mail_params(kind, PARAMS.get(kind, {}))
    assert set(params) == MAIL_PARAMS[kind]
    made = render(kind, params, language=language, zone="Europe/Madrid", at=AT, link=link_of(kind))
    said = made.subject + made.text
    assert "{" not in said
    for name, value in params.items():
        if name in {"address", "agent", "label", "bot", "reason"}:
            assert str(value) in said
            assert str(value) in made.html
    assert (LINK in made.text) == (LINK in made.html) == (link_of(kind) is not None)
    english = render(kind, params, language="en", zone="UTC", at=AT, link=link_of(kind))
    assert language == "en" or made.subject != english.subject or kind == "daily_summary"
    assert language == "en" or made.text != english.text


def test_languages_when_compared_then_have_the_same_texts_and_use_the_same_values() -> None:
    texts = {language: tongue.texts for language, tongue in TONGUES.items()}
    assert set(texts) == {"en", "es", "pt"}
    assert set(texts["en"]) == set(texts["es"]) == set(texts["pt"]) > set(MAIL_PARAMS)
    names = {
        language: {
            kind: set(re.findall(r"\{\{ \(?'?([a-z_.]+)", f"{words.subject}{words.lines}"))
            for kind, words in known.items()
        }
        for language, known in texts.items()
    }
    assert names["en"] == names["es"] == names["pt"]
    assert all(len(tongue.months) == 12 for tongue in TONGUES.values())
    for tongue in TONGUES.values():
        assert set(tongue.words) == set(TONGUES["en"].words)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["28 March 2026", "-1,234.50 USDT", "fees 0.01234"]),
        ("es", ["28 de marzo de 2026", "-1.234,50 USDT", "comisiones 0,01234"]),
        ("pt", ["28 de março de 2026", "-1.234,50 USDT", "taxas 0,01234"]),
    ],
    ids=["en", "es", "pt"],
)
def test_summary_when_rendered_then_writes_numbers_and_days_as_its_language_does(
    language: str, said: list[str]
) -> None:
    params = PARAMS["daily_summary"]
    title, body = render_short("daily_summary", params, language=language, zone="UTC", at=AT)
    assert said[0] in title
    assert all(words in body for words in said)


def test_instant_when_rendered_then_is_on_the_clock_of_the_zone() -> None:
    winter = render("password_changed", {}, language="en", zone="Europe/Madrid", at=AT)
    assert "29 March 2026 at 01:30 (Europe/Madrid)" in winter.text
    summer = render(
        "password_changed", {}, language="en", zone="Europe/Madrid", at=AT.replace(hour=1)
    )
    assert "29 March 2026 at 03:30" in summer.text


def test_words_of_users_when_hostile_then_are_neither_markup_nor_headers_nor_lines() -> None:
    bot = "<script>x</script>\r\nBcc: all@example.com\u202e{{ 7 * 7 }}"
    params = {"bot": bot, "reason": "a" * 5_000}
    made = render("bot_halted", params, language="en", zone="UTC", at=AT)
    assert "<script>" not in made.html
    assert "&lt;script&gt;" in made.html
    assert "\u202e" not in made.text
    assert "{{ 7 * 7 }}" in made.text
    assert len(made.text) < 2_000
    letter = Letter(letter_id="1", to_address="me@example.com", language="en", content=made, at=AT)
    message = message_of(SERVER, letter)
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    for address in ("me@example.com\r\nBcc: you@example.com", "none", ""):
        with pytest.raises(MailRefused):
            message_of(
                SERVER,
                Letter(letter_id="1", to_address=address, language="en", content=made, at=AT),
            )


@pytest.mark.parametrize("params", [{}, {"plan": "pro", "token": "x"}], ids=["less", "more"])
def test_mail_when_given_other_parameters_then_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="plan_changed"):
        mail_params("plan_changed", params)


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://mail.example.com", "a@example.com"),
        ("smtp://", "a@example.com"),
        ("smtp://mail.example.com:x", "a@example.com"),
        ("smtp://u:hunter2hunter2@mail.example.com", "nobody"),
        ("smtp://mail.example.com", "a@example.com\r\nBcc: b@example.com"),
    ],
    ids=["scheme", "host", "port", "sender", "header"],
)
def test_mail_server_when_unusable_then_says_so_without_the_password(url: str, sender: str) -> None:
    with pytest.raises(BadMailServer) as caught:
        read_mail_server(url, sender)
    assert "hunter2" not in str(caught.value)


def test_mail_server_when_shown_then_hides_its_password() -> None:
    server = read_mail_server("smtps://me:s%40cret-word@mail.example.com", "a@example.com")
    assert (server.port, server.security, server.password) == (465, "tls", "s@cret-word")
    assert "cret-word" not in repr(server)
