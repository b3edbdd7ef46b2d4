"""What to do about a failed request, told from raw codes and HTTP status, never from a class."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Action", "Answer", "Verdict", "classify", "raw_code", "retry_after_s"]


class Action(StrEnum):
    """What the caller does next."""

    RETRY = "retry"
    SLOW = "slow down"
    RESYNC = "measure the clock again"
    UNKNOWN_SYMBOL = "no such symbol"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came, before ccxt made anything of it.

    Parameters
    ----------
    place
        Host and path; the query is left out, since that of a signed call is a secret.
    headers
        Names in lower case.
    """

    place: str
    status: int
    headers: Mapping[str, str]
    body: str = field(repr=False)
    received_at: datetime
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, why, and how long to wait where the venue said so."""

    action: Action
    reason: str
    wait_s: float | None = None
    is_ban: bool = False


_SLOW_CODES: Final = frozenset(
    {
        ("binance", "-1003"),
        ("binance", "-1008"),
        ("binance", "-1015"),
        ("bybit", "10006"),
        ("bybit", "10018"),
        ("bitfinex", "11010"),
        ("okx", "50011"),
        ("okx", "50013"),
        ("kucoin", "429000"),
        ("kucoin", "200002"),
        ("bitvavo", "101"),
        ("bitvavo", "105"),
        ("gate", "TOO_MANY_REQUESTS"),
        ("gate", "TOO_FAST"),
    }
)
_CLOCK_CODES: Final = frozenset(
    {
        ("binance", "-1021"),
        ("bybit", "10002"),
        ("okx", "50102"),
        ("okx", "50112"),
        ("kucoin", "400002"),
        ("bitvavo", "304"),
        ("gate", "REQUEST_EXPIRED"),
    }
)
_SYMBOL_CODES: Final = frozenset(
    {
        ("binance", "-1121"),
        ("okx", "51001"),
        ("okx", "51015"),
        ("kucoin", "900001"),
        ("bitvavo", "205"),
        ("gate", "INVALID_CURRENCY_PAIR"),
        ("htx", "invalid-symbol"),
        ("htx", "base-symbol-error"),
    }
)
_FAILING_CODES: Final = frozenset(
    {
        ("binance", "-1000"),
        ("binance", "-1001"),
        ("binance", "-1006"),
        ("binance", "-1007"),
        ("bybit", "10016"),
        ("bitfinex", "20060"),
        ("okx", "50001"),
        ("okx", "50004"),
        ("okx", "50026"),
        ("kucoin", "500000"),
        ("bitvavo", "107"),
        ("bitvavo", "108"),
        ("bitvavo", "109"),
        ("gate", "SERVER_ERROR"),
        ("htx", "system-maintenance"),
    }
)
# Words that name the cause at venues whose codes are texts (Kraken, Bitfinex, Coinbase, HTX).
_SLOW_WORDS: Final = ("rate limit", "ratelimit", "too many requests", "temporary lockout")
_SYMBOL_WORDS: Final = ("unknown asset pair", "symbol: invalid", "invalid symbol", "unknown symbol")
_FAILING_WORDS: Final = ("eservice:", "egeneral:internal error", "maintenance", "timeout")
_CLOCK_WORDS: Final = ("invalid nonce", "invalid timestamp")
_FAMILIES: Final = ("binance", "bybit", "kucoin", "okx", "gate", "htx", "bitfinex", "bitvavo")
_GOOD_CODES: Final = frozenset({None, "0", "200", "200000", "00000"})
_WAITS: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY})
_LOOKED_AT: Final = 2_000
_CODE_FIELDS: Final = ("code", "retCode", "errorCode", "err-code", "label", "error")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the rules look at."""

    status: int
    code: str | None
    key: tuple[str, str]
    text: str
    is_cut: bool

    def says(self, codes: frozenset[tuple[str, str]], words: tuple[str, ...]) -> bool:
        return self.key in codes or any(word in self.text for word in words)


# The first rule that applies decides; some venues answer every error with 500, so that a code
# comes before the status.
_RULES: Final[tuple[tuple[Callable[[_Facts], bool], Action], ...]] = (
    (lambda facts: facts.status in _WAITS, Action.SLOW),
    (lambda facts: facts.is_cut, Action.RETRY),
    (lambda facts: facts.says(_SLOW_CODES, _SLOW_WORDS), Action.SLOW),
    (lambda facts: facts.says(_SYMBOL_CODES, _SYMBOL_WORDS), Action.UNKNOWN_SYMBOL),
    (lambda facts: facts.status >= HTTPStatus.INTERNAL_SERVER_ERROR, Action.RETRY),
    (lambda facts: facts.says(_CLOCK_CODES, _CLOCK_WORDS), Action.RESYNC),
    (lambda facts: facts.says(_FAILING_CODES, _FAILING_WORDS), Action.RETRY),
    (lambda facts: facts.status in _PASSING, Action.RETRY),
    # A page of the venue's firewall: the address asks too much.
    (lambda facts: facts.status == HTTPStatus.FORBIDDEN and facts.code is None, Action.SLOW),
    (lambda facts: facts.status >= HTTPStatus.BAD_REQUEST, Action.REFUSE),
    (lambda facts: facts.code not in _GOOD_CODES, Action.REFUSE),
)


def classify(venue: str, answer: Answer) -> Verdict:
    """Judge an answer that ccxt, or the check of its shape, turned down."""
    code = raw_code(answer.body)
    family = next((name for name in _FAMILIES if venue.startswith(name)), venue)
    text = answer.body[:_LOOKED_AT].lower()
    facts = _Facts(answer.status, code, (family, code or ""), text, answer.is_cut)
    action = next((action for applies, action in _RULES if applies(facts)), None)
    reason = f"HTTP {answer.status}" + (f", code {code}" if code else "") + f" from {answer.place}"
    if action is None:
        return Verdict(Action.RETRY, f"{reason}: the answer has an unexpected shape")
    if action is Action.SLOW:
        is_ban = answer.status == HTTPStatus.IM_A_TEAPOT
        return Verdict(action, reason, retry_after_s(answer), is_ban=is_ban)
    if answer.is_cut:
        reason = f"{reason}: the body is cut or is not JSON"
    return Verdict(action, reason)


def raw_code(body: str) -> str | None:
    """Return the venue's own error code of a body, None where it holds none."""
    try:
        content = cast("object", json.loads(body))
    except ValueError:
        return None
    if isinstance(content, list):
        # Bitfinex: ["error", code, text].
        kind, *rest = cast("list[object]", content) or [None]
        return str(rest[0]) if kind == "error" and rest else None
    if not isinstance(content, dict):
        return None
    fields = cast("dict[str, object]", content)
    for name in _CODE_FIELDS:
        value = fields.get(name)
        if isinstance(value, list) and value:
            return str(cast("list[object]", value)[0])
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def retry_after_s(answer: Answer) -> float | None:
    """Read Retry-After, in seconds or as a date; None where it is absent or unreadable."""
    text = answer.headers.get("retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
        sent = parsedate_to_datetime(answer.headers["date"])
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None
