"""Links of mails: good once, for one purpose and for a short time; only their hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from candela.errors import StrategyError

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["LINK_LIVES", "LinkSpent", "Purpose", "end_links", "hash_of", "make_link", "take_link"]

Purpose = Literal["verify", "reset"]
LINK_LIVES: Final[Mapping[Purpose, timedelta]] = {
    "verify": timedelta(hours=48),
    "reset": timedelta(minutes=10),
}
_BYTES: Final = 32

_INSERT: Final = """
INSERT INTO identity.links (tenant_id, token_hash, user_id, purpose, made_at, expires_at)
VALUES (%(tenant)s, %(hash)s, %(user)s, %(purpose)s, %(at)s, %(ends)s)
"""
# One statement: of many at once the first takes the row, the others then find it used.
_TAKE: Final = """
UPDATE identity.links SET used_at = %(at)s
WHERE tenant_id = %(tenant)s AND token_hash = %(hash)s AND purpose = %(purpose)s
    AND used_at IS NULL AND expires_at > %(at)s
RETURNING user_id
"""
_END: Final = """
UPDATE identity.links SET used_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND purpose = %(purpose)s AND used_at IS NULL
"""


class LinkSpent(StrategyError):
    """The link was used, has ended, was replaced, is for something else, or never was."""

    code = "link_spent"
    field = "body.token"

    def __init__(self) -> None:
        super().__init__(
            "The link is used up, too old, or none of ours.",
            "Ask for another: POST /auth/password/forgot or /auth/email/resend.",
        )


def hash_of(token: str) -> bytes:
    """Return what is stored of a token of 256 random bits; it needs no stretching."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def make_link(session: TenantSession, purpose: Purpose, *, user_id: UUID, clock: Clock) -> str:
    """Return a new token for the link of a mail; it is nowhere but in what is returned."""
    token = secrets.token_urlsafe(_BYTES)
    now = clock.now()
    session.run(
        _INSERT,
        {
            "hash": hash_of(token),
            "user": user_id,
            "purpose": purpose,
            "at": now,
            "ends": now + LINK_LIVES[purpose],
        },
    )
    return token


def take_link(session: TenantSession, token: str, purpose: Purpose, *, clock: Clock) -> UUID:
    """Use a link up and return whose it is; the user's others of the purpose end with it.

    Raises
    ------
    LinkSpent
        It is good no more, or not for this.
    """
    values = {"hash": hash_of(token), "purpose": purpose, "at": clock.now()}
    taken = session.row(_TAKE, values)
    if taken is None:
        raise LinkSpent
    user_id: UUID = taken["user_id"]
    end_links(session, purpose, user_id=user_id, clock=clock)
    return user_id


def end_links(session: TenantSession, purpose: Purpose, *, user_id: UUID, clock: Clock) -> None:
    """Let no link of the user for the purpose be good any more."""
    session.run(_END, {"user": user_id, "purpose": purpose, "at": clock.now()})
