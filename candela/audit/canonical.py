"""What an entry of the audit log hashes to, read from the database as text and hashed here."""

from __future__ import annotations

import hashlib
from typing import Final, LiteralString

__all__ = ["GENESIS", "PERSONAL_TEXT", "PUBLIC_TEXT", "commitment_of", "digest_of", "hash_of"]

GENESIS: Final = bytes(32)
"""What the first link follows."""

PERSONAL_TEXT: Final[LiteralString] = (
    "jsonb_build_array(e.actor, e.address, e.user_agent, e.detail)::text"
)
"""What is blanked when a person is erased; the chain holds its salted commitment."""

PUBLIC_TEXT: Final[LiteralString] = (
    "jsonb_build_array(e.tenant_id, e.entry_id, extract(epoch FROM e.happened_at), e.actor_id,"
    " e.token_id, e.action, e.entity, e.entity_id, e.request_id)::text"
)
"""What stays; an instant as seconds, since its text would depend on the session's zone."""


def commitment_of(salt: bytes, personal: str) -> bytes:
    """Return what binds the personal part of an entry without showing it."""
    return hashlib.sha256(salt + personal.encode()).digest()


def digest_of(public: str, commitment: bytes) -> bytes:
    """Return the digest of an entry, which stays the same when its personal part is blanked."""
    return hashlib.sha256(commitment + public.encode()).digest()


def hash_of(previous: bytes, n: int, digest: bytes) -> bytes:
    """Return the hash of the link at a place of the chain."""
    return hashlib.sha256(previous + n.to_bytes(8, "big") + digest).digest()
