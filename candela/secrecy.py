"""What a secret looks like in a text, plain or encoded, and the text without it."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

__all__ = ["KEY_NAME", "MASK", "know", "redact"]

MASK: Final = "***"

_KEY = (
    r"(?:(?:api[_-]?key|access[_-]?key|private[_-]?key|secret|passphrase|password|passwd|token|"
    r"ticket|signature|credential|authorization|cookie)[\w-]{0,40}|(?<![a-z])sign(?![a-z]))"
)
KEY_NAME: Final = re.compile(_KEY, re.IGNORECASE)
"""Names of fields whose content is secret."""

# Every repetition is possessive or bounded: a log line of megabytes must not stop the process.
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # postgresql://user:secret@host: up to the last @ of the authority, as libpq reads it.
    (re.compile(r"(://[^\s/:@?#\"']*:)[^\s/?#\"']+(@)"), rf"\1{MASK}\2"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    # "apiKey": "x", apiKey='x', and both inside a quoted text. A missing end is a cut text.
    (
        re.compile(
            rf"""({_KEY}\\?["']?\s*[:=]\s*b?(\\?["']))(?!\2)"""
            rf"""(?:(?!\2)(?:\\{{2,4}}["']|\\.|[^\\]))*+(\2|\\?$)""",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1{MASK}\3",
    ),
    # signature=x in a query, password=x in a connection string, Api-Key: x in a header.
    (
        re.compile(rf"({_KEY}\s*[:=]\s*)(?![\"'\\\s*])[^\s&,;\"')}}\]]+", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    # JSON Web Tokens, wherever they stand.
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), MASK),
    # Tokens that say what they are: ours, those of Stripe, argon2 and bcrypt hashes.
    (re.compile(r"(?<![A-Za-z0-9])cnd[a-z]?_[A-Za-z0-9_-]{8,}"), MASK),
    (re.compile(r"(?<![A-Za-z0-9])(?:[srp]k_(?:live|test)|whsec)_[A-Za-z0-9+/=_-]{6,}"), MASK),
    (re.compile(r"\$(?:argon2\w{1,2}|2[abxy])\$[\w$,=./+-]{16,}"), MASK),
)

# A shorter one would mask parts of ordinary words.
_SHORTEST_KNOWN: Final = 6
_known: set[str] = set()

# A piece of text that may be an encoding; longer ones are looked at in parts.
_PIECE: Final = re.compile(r"[^\s\"',(){}\[\]<>]{16,4096}")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,4096}={0,2}")
_ESCAPE: Final = re.compile(r"\\+(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_PRINTABLE: Final = re.compile(rb"[\t\r\n\x20-\x7e]+")


def know(secrets: Iterable[str]) -> None:
    """Take texts that must never appear, beside what has the form of a secret."""
    _known.update(secret for secret in secrets if len(secret) >= _SHORTEST_KNOWN)


def redact(text: str) -> str:
    """Return a text without passwords in URLs, keys, signatures, tokens and known secrets.

    Also where they are written in percent, hexadecimal, base64, HTML or backslash escapes.
    """
    return _PIECE.sub(_decoded_away, _plainly(text))


def _plainly(text: str) -> str:
    for secret in _known:
        text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _decoded_away(match: re.Match[str]) -> str:
    piece = match[0]
    for view in _views(piece):
        if _plainly(view) != view:
            return MASK
    return _RUN.sub(_run_away, piece)


def _run_away(match: re.Match[str]) -> str:
    run = match[0]
    return MASK if any(_plainly(view) != view for view in _unpacked(run)) else run


def _views(piece: str) -> Iterator[str]:
    """Yield what a piece says once its escapes are read."""
    if "%" in piece:
        once = unquote(piece)
        yield once
        if "%" in once:
            yield unquote(once)
    if "&#" in piece or "&amp" in piece:
        yield html.unescape(piece)
    if "\\" in piece and _ESCAPE.search(piece):
        yield _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), piece)


def _unpacked(run: str) -> Iterator[str]:
    """Yield what a run of letters and digits says as hexadecimal or base64, where it is text."""
    if _HEX.fullmatch(run):
        content = bytes.fromhex(run)
        if _PRINTABLE.fullmatch(content):
            yield content.decode()
    bare = run.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    if len(bare) % 4 == 1:
        return
    try:
        content = base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (ValueError, binascii.Error):
        return
    if _PRINTABLE.fullmatch(content):
        yield content.decode()
