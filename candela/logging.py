"""Structured logs: readable lines or one JSON object a line, with secrets taken out."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ConsoleFormatter", "JsonFormatter", "configure_logging", "redact"]

_MASK = "***"

# Loggers whose DEBUG lines hold whole requests, keys in the headers included.
_TALKATIVE = ("ccxt", "urllib3", "asyncio", "aiohttp")

_KEY = (
    r"(?:(?:api[_-]?key|access[_-]?key|private[_-]?key|secret|passphrase|password|passwd|token|"
    r"signature|credential|authorization|cookie)[\w-]{0,40}|(?<![a-z])sign(?![a-z]))"
)
# Every repetition is possessive or bounded: a log line of megabytes must not stop the process.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # postgresql://user:secret@host: up to the last @ of the authority, as libpq reads it.
    (re.compile(r"(://[^\s/:@?#\"']*:)[^\s/?#\"']+(@)"), rf"\1{_MASK}\2"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {_MASK}"),
    # "apiKey": "x", apiKey='x', and both inside a quoted text. A missing end is a cut text.
    (
        re.compile(
            rf"""({_KEY}\\?["']?\s*[:=]\s*b?(\\?["']))(?!\2)"""
            rf"""(?:(?!\2)(?:\\{{2,4}}["']|\\.|[^\\]))*+(\2|\\?$)""",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1{_MASK}\3",
    ),
    # signature=x in a query, password=x in a connection string, Api-Key: x in a header.
    (
        re.compile(rf"({_KEY}\s*[:=]\s*)(?![\"'\\\s*])[^\s&,;\"')}}\]]+", re.IGNORECASE),
        rf"\1{_MASK}",
    ),
    # JSON Web Tokens, wherever they stand.
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _MASK),
)

# A shorter one would mask parts of ordinary words.
_SHORTEST_KNOWN = 6
_known: set[str] = set()

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """Return a text without passwords in URLs, keys, signatures, tokens and known secrets."""
    for secret in _known:
        text = text.replace(secret, _MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class ConsoleFormatter(logging.Formatter):
    """One readable line a record, its extra fields behind the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, secrets taken out."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():7} {record.name}: {record.getMessage()}"
        for name, value in _extra(record).items():
            line += f" {name}={_shown(name, value)}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, extra fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object as one line, secrets taken out."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        # Text by text, not on the line as a whole: a mask must not break the JSON.
        for name, value in _extra(record).items():
            plain = value if isinstance(value, int | float | bool | None) else None
            entry[name] = plain if plain is not None else redact(_shown(name, value))
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(
    level: str = "INFO",
    form: Literal["auto", "console", "json"] = "auto",
    *,
    stream: TextIO | None = None,
    secrets: Iterable[str] = (),
) -> None:
    """Send the root logger to one stream; call it once a process.

    Parameters
    ----------
    stream
        Where to; None for standard error, which keeps standard output for results.
    secrets
        Texts that must never appear, beside what `redact` recognises by its form.
    """
    _known.update(secret for secret in secrets if len(secret) >= _SHORTEST_KNOWN)
    handler = logging.StreamHandler(stream)
    is_console = form == "console" or (form == "auto" and handler.stream.isatty())
    handler.setFormatter(ConsoleFormatter() if is_console else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _shown(name: str, value: object) -> str:
    return _MASK if re.search(_KEY, name, re.IGNORECASE) else str(value)
