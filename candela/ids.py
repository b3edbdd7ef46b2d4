"""Identities: time-ordered ids of our rows, and the client ids that orders carry at a venue."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["SHARDS", "client_order_id", "is_ours", "new_id", "shard_of"]

SHARDS: Final = 64
"""Parts into which tenants are divided; an executor holds whole parts."""
_PREFIX: Final = "cd"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS: Final = 74
# 128 bits in base 36.
_ID_LENGTH: Final = 25


def new_id(now: datetime, random_bits: Callable[[int], int] = secrets.randbits) -> UUID:
    """Return a UUID of version 7: later ones sort behind.

    Parameters
    ----------
    random_bits
        Gives so many random bits; a simulation hands in its own generator.

    Source: RFC 9562, section 5.7.
    """
    noise = random_bits(_RANDOM_BITS)
    value = (int(now.timestamp() * 1_000) & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (noise >> 62) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    return UUID(int=value)


def shard_of(tenant_id: UUID) -> int:
    """Return the part that a tenant belongs to, for ever."""
    digest = hashlib.blake2b(tenant_id.bytes, digest_size=2).digest()
    return int.from_bytes(digest) % SHARDS


def client_order_id(intent_id: UUID, attempt: int) -> str:
    """Return the id that an attempt carries at the venue: 30 letters and digits.

    The intent is inside, so that an order found at a venue is known to be ours though the answer
    to its submission was lost, and each attempt has an id of its own, since venues accept an id
    again once its order is filled.

    Parameters
    ----------
    attempt
        From 1 to 1,295.

    Raises
    ------
    ValueError
        There is no room for such an attempt.
    """
    if not 1 <= attempt < len(_DIGITS) ** 2:
        message = f"attempt {attempt} has no client id"
        raise ValueError(message)
    number, text = intent_id.int, ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    high, low = divmod(attempt, len(_DIGITS))
    return f"{_PREFIX}{text.rjust(_ID_LENGTH, '0')}a{_DIGITS[high]}{_DIGITS[low]}"


def is_ours(client_id: str | None) -> tuple[UUID, int] | None:
    """Return the intent and attempt of a client id that `client_order_id` made, else None."""
    if client_id is None or len(client_id) != len(_PREFIX) + _ID_LENGTH + 3:
        return None
    body, mark, tail = client_id[2:27], client_id[27], client_id[28:]
    if not client_id.startswith(_PREFIX) or mark != "a" or not set(body + tail) <= set(_DIGITS):
        return None
    number = int(body, 36)
    if number >= 1 << 128:
        return None
    return UUID(int=number), int(tail, 36)
