"""Texts from kind and parameters: plain and HTML, in a language and on the clock of a zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined

from candela.notify.texts.en import ENGLISH
from candela.notify.texts.es import SPANISH
from candela.notify.texts.pt import PORTUGUESE
from candela.notify.texts.words import Tongue

__all__ = ["TONGUES", "Rendered", "render", "render_short"]

TONGUES: Final[Mapping[str, Tongue]] = {"en": ENGLISH, "es": SPANISH, "pt": PORTUGUESE}
"""Languages by the code that users have."""
_LONGEST: Final = 300
_DIGITS: Final = 8
_CENTS: Final = 2
# Control characters, and those that turn the direction of what follows.
_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+"
)

_HTML: Final = """<!doctype html>
<html lang="{{ language }}"><head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="font-family:sans-serif;max-width:36em;margin:2em auto;color:#222">
<p>{{ tongue.greeting }}</p>
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}{% if link %}<p><a href="{{ link }}" style="display:inline-block;padding:.7em 1.2em;\
background:#1f5f8b;color:#fff;text-decoration:none;border-radius:4px">{{ button }}</a></p>
<p>{{ tongue.paste }}<br>{{ link }}</p>
{% endif %}<p>{{ tongue.closing }}</p>
<p style="color:#666;font-size:small">{{ tongue.footer }}</p>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words."""

    subject: str
    text: str
    html: str


def render(
    kind: str,
    params: Mapping[str, Any],
    *,
    language: str,
    zone: str,
    at: datetime,
    link: str | None = None,
) -> Rendered:
    """Return a mail's subject, its plain text and its HTML.

    Parameters
    ----------
    at
        When what it tells happened.
    link
        Where its button leads, for kinds that have one.

    Raises
    ------
    ValueError
        There is no such kind, or the kind has a button and no link was given.
    """
    subject, lines = _said(kind, params, language, zone, at)
    tongue = TONGUES[language]
    button = tongue.texts[kind].button
    if (button is None) != (link is None):
        message = f"a mail {kind} has a link exactly where it has a button"
        raise ValueError(message)
    below = [] if link is None else [f"{button}:\n{link}"]
    text = "\n\n".join([tongue.greeting, *lines, *below, tongue.closing, f"--\n{tongue.footer}"])
    page = _page().render(
        language=language,
        subject=subject,
        tongue=tongue,
        lines=lines,
        link=link,
        button=button,
    )
    return Rendered(subject, text + "\n", page)


def render_short(
    kind: str, params: Mapping[str, Any], *, language: str, zone: str, at: datetime
) -> tuple[str, str]:
    """Return title and body as the inbox shows them: plain text.

    Raises
    ------
    ValueError
        There is no such kind.
    """
    title, lines = _said(kind, params, language, zone, at)
    each = TONGUES[language].texts[kind].each
    return title, "\n".join(lines) if each else lines[0]


def _said(
    kind: str, params: Mapping[str, Any], language: str, zone: str, at: datetime
) -> tuple[str, list[str]]:
    tongue = TONGUES[language]
    words = tongue.texts.get(kind)
    if words is None:
        message = f"there is no text {kind}"
        raise ValueError(message)
    values = {"at": at.isoformat()} | {name: _seen(value) for name, value in params.items()}
    made = _plain(language, zone)
    lines = [made.from_string(line).render(values) for line in words.lines]
    if words.each is not None:
        name, pattern = words.each
        template = made.from_string(pattern)
        lines[1:1] = [template.render(item=item) for item in values[name]]
    return made.from_string(words.subject).render(values), lines


def _seen(value: Any) -> Any:
    """Return what users wrote in one line of what can be seen, so that it cannot pose as more."""
    if isinstance(value, str):
        return " ".join(_UNSEEN.sub(" ", value).split())[:_LONGEST]
    if isinstance(value, list):
        return [_seen(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _seen(field) for name, field in fields.items()}
    return value


@cache
def _page() -> Any:
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_HTML)


@cache
def _plain(language: str, zone: str) -> Environment:
    # Plain text: the page escapes what it is given.
    made = Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701 - see above
    tongue, there = TONGUES[language], ZoneInfo(zone)

    def day(text: str) -> str:
        return _dated(tongue, tongue.day_format, date.fromisoformat(text))

    def when(text: str) -> str:
        local = datetime.fromisoformat(text).astimezone(there)
        pattern = tongue.instant_format.replace("{zone}", zone)
        return _dated(tongue, pattern.replace("{clock}", f"{local:%H:%M}"), local.date())

    def word(code: str) -> str:
        return tongue.words.get(code, code)

    def money(text: str) -> str:
        return _money(tongue, text, "")

    def signed(text: str) -> str:
        return _money(tongue, text, "+")

    made.filters.update(day=day, when=when, word=word, money=money, signed=signed)
    return made


def _dated(tongue: Tongue, pattern: str, day: date) -> str:
    return pattern.format(day=day.day, month=tongue.months[day.month - 1], year=day.year)


def _money(tongue: Tongue, text: str, sign: str) -> str:
    """Write an amount with two decimal places, and up to eight where it has them."""
    amount = round(Decimal(text), _DIGITS)
    places = f"{amount:.{_DIGITS}f}".partition(".")[2].rstrip("0").ljust(_CENTS, "0")
    shown = f"{amount:{sign},.{len(places)}f}"
    swapped = {",": tongue.thousands, ".": tongue.decimals}
    return "".join(swapped.get(letter, letter) for letter in shown)
