"""What the venue answers: refusals by their numbers, and decimals as it writes them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, NoReturn

__all__ = [
    "Refusal",
    "as_json",
    "refuse_duplicate",
    "refuse_filter",
    "refuse_funds",
    "refuse_missing",
    "text",
]

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def as_json(content: object) -> str:
    """Return compact JSON."""
    return _ENCODE(content)


def text(value: Decimal) -> str:
    """Return an amount with eight decimals, as the venue writes all of them."""
    return format(value, ".8f")


class Refusal(Exception):
    """An answer that is an error; caught where requests are answered.

    Parameters
    ----------
    data
        What the body carries besides code and message.
    """

    def __init__(
        self, code: int, message: str, status: int = 400, data: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data
        self.retry_after_s: float | None = None

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the answer."""
        content: dict[str, Any] = {"code": self.code, "msg": self.message}
        if self.data is not None:
            content["data"] = self.data
        return content


def refuse_missing(name: str) -> NoReturn:
    """Refuse a request that lacks a parameter."""
    message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    raise Refusal(-1102, message)


def refuse_filter(name: str) -> NoReturn:
    """Refuse an order that a filter of its symbol forbids."""
    raise Refusal(-1013, f"Filter failure: {name}")


def refuse_funds() -> NoReturn:
    """Refuse an order that the account cannot pay."""
    raise Refusal(-2010, "Account has insufficient balance for requested action.")


def refuse_duplicate() -> NoReturn:
    """Refuse a client id that an open order bears."""
    raise Refusal(-2010, "Duplicate order sent.")
