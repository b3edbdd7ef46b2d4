"""One request and its answer, apart from how they travelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from sandbox.answers import Refusal, as_json, refuse_missing

if TYPE_CHECKING:
    from sandbox.records import Account

__all__ = ["Call", "Logged", "Reply", "call_of", "whole"]

_SIGNATURE: Final = "signature="
_LONGEST: Final = 18


@dataclass(slots=True)
class Call:
    """One request.

    Parameters
    ----------
    payload
        The text that was signed.
    """

    number: int
    method: str
    path: str
    params: dict[str, str]
    payload: str
    key: str
    address: str
    account: Account | None = None

    @property
    def symbol(self) -> str:
        """The symbol that it asks about."""
        return self.params.get("symbol", "")

    @property
    def client_id(self) -> str:
        """The client id of the order that it is about."""
        params = self.params
        return params.get("newClientOrderId") or params.get("origClientOrderId", "")

    @property
    def owner(self) -> Account:
        """The account whose key signed it."""
        if self.account is None:
            raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return self.account


@dataclass(slots=True)
class Reply:
    """One answer."""

    text: str
    status: int = 200
    code: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, content: object) -> Reply:
        """Return a good answer."""
        return cls(as_json(content))

    @classmethod
    def refusing(cls, refusal: Refusal) -> Reply:
        """Return an answer that refuses."""
        reply = cls(as_json(refusal.body()), refusal.status, refusal.code)
        if refusal.retry_after_s is not None:
            reply.headers["Retry-After"] = str(max(1, -int(-refusal.retry_after_s // 1)))
        return reply


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the request log: what was asked, what was done, what was answered.

    Parameters
    ----------
    status
        0 where no answer went out.
    executed
        Whether the request was carried out, now or later.
    """

    number: int
    at_ms: int
    elapsed_s: float
    method: str
    path: str
    symbol: str
    client_id: str
    account: str
    status: int
    code: int
    fault: str
    executed: bool


def call_of(
    number: int, method: str, path: str, query: str, body: str, key: str, address: str
) -> Call:
    """Read a request."""
    sent = f"{query}&{body}" if query and body else query or body
    params = dict(parse_qsl(sent, keep_blank_values=True))
    # The venue signs query and body set end to end, and the signature comes last.
    payload = query + body
    place = payload.rfind(_SIGNATURE)
    if place >= 0:
        payload = payload[:place].rstrip("&")
    return Call(number, method, path, params, payload, key, address)


def whole(params: dict[str, str], name: str, default: int | None = None) -> int | None:
    """Return a whole number of a request.

    Raises
    ------
    Refusal
        It is something else.
    """
    sent = params.get(name)
    if sent is None:
        return default
    if not sent.isdecimal() or len(sent) > _LONGEST:
        refuse_missing(name)
    return int(sent)
