"""Sessions: opened by a login, kept by refresh tokens that are good once, ended by their owner."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from candela.errors import Conflict, NotFound
from candela.identity.caller import NotAuthenticated, UserRole
from candela.identity.links import hash_of
from candela.ids import new_id

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.access import AccessTokens

__all__ = [
    "GRACE",
    "REFRESH_LIFE",
    "SESSION_LIFE",
    "Granted",
    "RefreshSuperseded",
    "SessionOver",
    "SessionRow",
    "UnknownSession",
    "end_session",
    "end_sessions",
    "grant_anew",
    "has_session_from",
    "network_address",
    "open_session",
    "refresh_session",
    "sessions_of",
]

REFRESH_LIFE: Final = timedelta(days=7)
SESSION_LIFE: Final = timedelta(days=30)
"""After so long a person shows the password again, however often the session was kept."""
GRACE: Final = timedelta(seconds=10)
"""Two requests at once, or one whose answer was lost, may show the same refresh token so long."""
_BYTES: Final = 32

_OPEN: Final = """
INSERT INTO identity.sessions
    (tenant_id, session_id, user_id, created_at, seen_at, expires_at, address, user_agent,
     second_factor_at)
VALUES
    (%(tenant)s, %(session)s, %(user)s, %(at)s, %(at)s, %(ends)s, %(address)s::inet, %(agent)s,
     %(factor_at)s)
"""
_TOKEN: Final = """
INSERT INTO identity.refresh_tokens (tenant_id, token_hash, session_id, issued_at, expires_at)
VALUES (%(tenant)s, %(hash)s, %(session)s, %(at)s, %(ends)s)
"""  # noqa: S105 - a statement
_LOGGED_IN: Final = """
UPDATE identity.credentials SET last_login_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
# The session's row is what parallel requests wait at, one behind the other.
_HELD: Final = """
SELECT s.session_id, s.user_id, s.created_at, s.expires_at, s.ended_at, s.second_factor_at, u.role,
    u.is_active AND t.closed_at IS NULL AS is_active
FROM identity.sessions AS s
INNER JOIN tenancy.users AS u USING (tenant_id, user_id)
INNER JOIN tenancy.tenants AS t USING (tenant_id)
WHERE s.tenant_id = %(tenant)s AND s.session_id = %(session)s
FOR UPDATE OF s
"""
_OF_TOKEN: Final = """
SELECT session_id, used_at, expires_at FROM identity.refresh_tokens
WHERE tenant_id = %(tenant)s AND token_hash = %(hash)s
"""  # noqa: S105 - a statement
_USE: Final = """
UPDATE identity.refresh_tokens SET used_at = %(at)s
WHERE tenant_id = %(tenant)s AND token_hash = %(hash)s
"""
_SEEN: Final = """
UPDATE identity.sessions SET seen_at = %(at)s, expires_at = %(ends)s
WHERE tenant_id = %(tenant)s AND session_id = %(session)s
"""
_FACTOR: Final = """
UPDATE identity.sessions SET second_factor_at = %(at)s
WHERE tenant_id = %(tenant)s AND session_id = %(session)s AND ended_at IS NULL
"""
_END: Final = """
UPDATE identity.sessions SET ended_at = %(at)s, ended_reason = %(reason)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND ended_at IS NULL
    AND (%(session)s::uuid IS NULL OR session_id = %(session)s)
    AND (%(but)s::uuid IS NULL OR session_id <> %(but)s)
RETURNING session_id
"""
_LISTED: Final = """
SELECT session_id, created_at, seen_at, expires_at, address, user_agent, second_factor_at
FROM identity.sessions
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND ended_at IS NULL AND expires_at > %(at)s
ORDER BY seen_at DESC, session_id DESC
LIMIT 200
"""
_FROM: Final = """
SELECT
    count(*) AS sessions,
    count(*) FILTER (WHERE address = %(address)s::inet) AS from_there
FROM identity.sessions
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND created_at > %(since)s
"""
_LONGEST_AGENT: Final = 300


class SessionOver(NotAuthenticated):
    """The refresh token keeps no session any more."""

    code = "session_over"

    def __init__(self) -> None:
        message = "The refresh token is none of ours, or its session is over."
        super().__init__(message, "Log in.")


class RefreshSuperseded(Conflict):
    """Another request has refreshed the session, and its token was used already."""

    code = "refresh_superseded"


class UnknownSession(NotFound):
    """The user has no such session."""

    code = "unknown_session"

    def __init__(self, session_id: UUID) -> None:
        message = f"There is no session {session_id}."
        super().__init__(message, "GET /auth/sessions lists yours.")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a login or a refresh gives."""

    session_id: UUID
    access_token: str
    access_ends_at: datetime
    refresh_token: str
    refresh_ends_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its owner sees it."""

    session_id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: IPv4Address | IPv6Address | None
    user_agent: str
    second_factor_at: datetime | None


def open_session(
    session: TenantSession,
    tokens: AccessTokens,
    *,
    user_id: UUID,
    role: UserRole,
    clock: Clock,
    address: str = "",
    user_agent: str = "",
    second_factor_at: datetime | None = None,
) -> Granted:
    """Open a session of a user who has shown all that was asked for."""
    now = clock.now()
    session_id = new_id(now)
    refresh = f"cndr_{secrets.token_urlsafe(_BYTES)}"
    ends = now + REFRESH_LIFE
    values = {
        "session": session_id,
        "user": user_id,
        "at": now,
        "ends": ends,
        "address": network_address(address),
        "agent": _plain(user_agent),
        "factor_at": second_factor_at,
        "hash": hash_of(refresh),
    }
    for statement in (_OPEN, _TOKEN, _LOGGED_IN):
        session.run(statement, values)
    access, access_ends = tokens.issue(
        tenant_id=session.tenant_id,
        user_id=user_id,
        session_id=session_id,
        role=role,
        second_factor_at=second_factor_at,
    )
    return Granted(session_id, access, access_ends, refresh, ends)


def refresh_session(
    session: TenantSession, tokens: AccessTokens, refresh_token: str, *, clock: Clock
) -> Granted | None:
    """Exchange a refresh token for its successor and a fresh access token.

    Within the grace a token that was just used gives the same successor again, as long as that
    is unused: the family does not fork. Shown later it was stolen by one of two: all ends.

    Returns
    -------
    Granted | None
        None: the session was ended by this call. Keep the transaction, then refuse.

    Raises
    ------
    SessionOver
        The token or its session has ended, or the user may not enter any more.
    RefreshSuperseded
        Within the grace, but the successor was used already.
    """
    now = clock.now()
    token_hash = hash_of(refresh_token)
    known = session.row(_OF_TOKEN, {"hash": token_hash})
    if known is None:
        raise SessionOver
    held = session.row(_HELD, {"session": known["session_id"]})
    # Read again, now that nobody else is at it.
    known = session.row(_OF_TOKEN, {"hash": token_hash})
    if held is None or known is None or held["ended_at"] is not None or not held["is_active"]:
        raise SessionOver
    if now >= known["expires_at"] or now >= held["created_at"] + SESSION_LIFE:
        raise SessionOver
    successor = tokens.successor(refresh_token)
    ends = min(now + REFRESH_LIFE, held["created_at"] + SESSION_LIFE)
    if known["used_at"] is None:
        values = {
            "session": held["session_id"],
            "hash": token_hash,
            "at": now,
            "ends": ends,
        }
        session.run(_USE, values)
        session.run(_TOKEN, values | {"hash": hash_of(successor)})
        session.run(_SEEN, values)
    elif now > known["used_at"] + GRACE:
        end_session(
            session, held["session_id"], user_id=held["user_id"], reason="reuse", clock=clock
        )
        return None
    else:
        after = session.row(_OF_TOKEN, {"hash": hash_of(successor)})
        if after is None or after["used_at"] is not None:
            message = "The session was refreshed by another request, which went on since."
            raise RefreshSuperseded(message, "Use the tokens that it was given.")
        ends = after["expires_at"]
    access, access_ends = tokens.issue(
        tenant_id=session.tenant_id,
        user_id=held["user_id"],
        session_id=held["session_id"],
        role=held["role"],
        second_factor_at=held["second_factor_at"],
    )
    return Granted(held["session_id"], access, access_ends, successor, ends)


def grant_anew(
    session: TenantSession,
    tokens: AccessTokens,
    *,
    session_id: UUID,
    user_id: UUID,
    role: UserRole,
    clock: Clock,
) -> tuple[str, datetime]:
    """Return an access token that says that the second factor was shown now.

    Raises
    ------
    UnknownSession
        The session has ended.
    """
    now = clock.now()
    if not session.run(_FACTOR, {"session": session_id, "at": now}):
        raise UnknownSession(session_id)
    return tokens.issue(
        tenant_id=session.tenant_id,
        user_id=user_id,
        session_id=session_id,
        role=role,
        second_factor_at=now,
    )


def end_session(
    session: TenantSession, session_id: UUID, *, user_id: UUID, reason: str, clock: Clock
) -> None:
    """End one session of a user.

    Raises
    ------
    UnknownSession
        There is none of that id that still goes on.
    """
    values = _ending(user_id, reason, clock) | {"session": session_id}
    if not session.rows(_END, values):
        raise UnknownSession(session_id)


def end_sessions(
    session: TenantSession,
    *,
    user_id: UUID,
    reason: str,
    clock: Clock,
    but: UUID | None = None,
) -> int:
    """End all sessions of a user but one; return how many."""
    return len(session.rows(_END, _ending(user_id, reason, clock) | {"but": but}))


def sessions_of(session: TenantSession, *, user_id: UUID, clock: Clock) -> list[SessionRow]:
    """Return the sessions of a user that go on, last used first."""
    rows = session.rows(_LISTED, {"user": user_id, "at": clock.now()})
    return [SessionRow(**row) for row in rows]


def has_session_from(
    session: TenantSession, address: str, *, user_id: UUID, since: datetime
) -> bool:
    """Return whether a user has logged in from an address before, or nowhere at all yet."""
    row = session.row(_FROM, {"user": user_id, "address": network_address(address), "since": since})
    return row is None or not row["sessions"] or bool(row["from_there"])


def network_address(text: str) -> str | None:
    """Return an address as PostgreSQL takes it; None for what is none."""
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _ending(user_id: UUID, reason: str, clock: Clock) -> dict[str, Any]:
    return {
        "user": user_id,
        "reason": reason,
        "at": clock.now(),
        "session": None,
        "but": None,
    }


def _plain(text: str) -> str:
    return "".join(one for one in text if one.isprintable())[:_LONGEST_AGENT]
