"""Who may ask: keys, signatures, time stamps and permissions."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sandbox.answers import Refusal, refuse_missing
from sandbox.calls import whole

if TYPE_CHECKING:
    from sandbox.calls import Call
    from sandbox.clock import VenueClock
    from sandbox.ledger import Ledger
    from sandbox.records import Account

__all__ = ["Security", "check_access", "known_key", "signature"]

_AHEAD_MS: Final = 1_000
_WINDOW_MS: Final = 5_000
_WIDEST_MS: Final = 60_000
_KEY_LENGTH: Final = 64


class Security:
    """What a path asks of a request."""

    NONE: Final = 0
    READ: Final = 1
    TRADE: Final = 2


def signature(secret: str, payload: str) -> str:
    """Return the HMAC-SHA256 of a payload in hexadecimal digits."""
    return hmac.digest(secret.encode(), payload.encode(), sha256).hex()


def known_key(key: str, ledger: Ledger) -> Account:
    """Return the account of a key.

    Raises
    ------
    Refusal
        No key, not the form of one, not known, or revoked.
    """
    if len(key) != _KEY_LENGTH or not key.isalnum():
        raise Refusal(-2014, "API-key format invalid.", 401)
    account = ledger.by_key.get(key)
    if account is None or account.revoked:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return account


def check_access(call: Call, security: int, ledger: Ledger, clock: VenueClock) -> None:
    """Let a signed request in, and note whose it is.

    Raises
    ------
    Refusal
        -1021, -1022, -1102, -2014 or -2015.
    """
    account = known_key(call.key, ledger)
    sent = call.params.get("signature")
    if not sent:
        refuse_missing("signature")
    if not hmac.compare_digest(sent, signature(account.secret, call.payload)):
        raise Refusal(-1022, "Signature for this request is not valid.")
    check_time(call.params, clock)
    allowed = account.can_trade if security == Security.TRADE else account.can_read
    if not allowed:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    call.account = account


def check_time(params: dict[str, str], clock: VenueClock) -> None:
    """Check a time stamp against the venue's clock.

    A venue that runs at another speed than its clients takes the time of their clock too, and
    counts windows in seconds that are not sped up.

    Raises
    ------
    Refusal
        Too old, or from the future.
    """
    stamp = whole(params, "timestamp")
    if stamp is None:
        refuse_missing("timestamp")
    window = whole(params, "recvWindow", _WINDOW_MS) or _WINDOW_MS
    if window > _WIDEST_MS:
        raise Refusal(-1131, "recvWindow must be less than 60000.")
    age = clock.told_ms() - stamp
    if clock.speed == 1:
        is_ahead, is_late = age < -_AHEAD_MS, age > window
    else:
        scale = max(1.0, clock.speed)
        other = clock.wall_ms() - stamp
        fits = -_AHEAD_MS * scale <= age <= window * scale or -_AHEAD_MS <= other <= window
        is_ahead, is_late = not fits and age < 0, not fits and age >= 0
    if is_ahead:
        message = "Timestamp for this request was 1000ms ahead of the server's time."
        raise Refusal(-1021, message)
    if is_late:
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
