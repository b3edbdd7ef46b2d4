"""Structured logs: readable lines or one JSON object a line, with secrets taken out."""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TextIO

from candela.secrecy import KEY_NAME, MASK, know, redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

__all__ = ["ConsoleFormatter", "JsonFormatter", "configure_logging", "redact", "request_id"]

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Of the request that is being served; it stands in every line that is written meanwhile."""

# What moves a cursor, begins a line or changes the terminal, so that no text can write a line.
_UNSEEN: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
    10: "\\n",
    13: "\\r",
    9: "\t",
}
_UNSEEN_IN_TRACE: Final = {code: shown for code, shown in _UNSEEN.items() if code != ord("\n")}
# JSON escapes what is below 32 itself.
_UNSEEN_IN_JSON: Final = {code: f"\\u{code:04x}" for code in (*range(127, 160), 0x2028, 0x2029)}

# Loggers whose DEBUG lines hold whole requests, keys in the headers included.
_TALKATIVE = ("ccxt", "urllib3", "asyncio", "aiohttp")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class ConsoleFormatter(logging.Formatter):
    """One readable line a record, its extra fields behind the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, secrets taken out."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():7} {record.name}: {record.getMessage()}"
        for name, value in _extra(record).items():
            line += f" {name}={_shown(name, value)}"
        line = redact(line).translate(_UNSEEN)
        if record.exc_info:
            trace = redact(self.formatException(record.exc_info))
            line += "\n" + trace.translate(_UNSEEN_IN_TRACE)
        return line


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
        return json.dumps(entry, ensure_ascii=False).translate(_UNSEEN_IN_JSON)


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
    know(secrets)
    handler = logging.StreamHandler(stream)
    is_console = form == "console" or (form == "auto" and handler.stream.isatty())
    handler.setFormatter(ConsoleFormatter() if is_console else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    if stream is None:
        _catch_what_is_not_caught()


def _catch_what_is_not_caught() -> None:
    """Let tracebacks of the interpreter pass the same filter as everything else."""
    log = logging.getLogger("candela")

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("Nobody caught this", exc_info=(kind, error, trace))

    def told_of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            told(args.exc_type, args.exc_value, args.exc_traceback)

    # Where somebody else has set a hook, such as a test runner, theirs stays.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = told
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = told_of_thread


def _extra(record: logging.LogRecord) -> dict[str, object]:
    found = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if (request := request_id.get()) and "request_id" not in found:
        found["request_id"] = request
    return found


@lru_cache(maxsize=1_000)
def _is_secret(name: str) -> bool:
    return KEY_NAME.search(name) is not None


def _shown(name: str, value: object) -> str:
    return MASK if _is_secret(name) else str(value)
