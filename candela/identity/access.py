"""Access tokens: made for fifteen minutes, verified at every request without asking a server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import jwt

from candela.errors import ConfigError
from candela.identity.caller import Caller, NotAuthenticated, Scope, UserRole
from candela.ids import new_id

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.identity.endings import Endings
    from candela.identity.lookups import HeldToken

__all__ = [
    "ACCESS_LIFE",
    "API_TOKEN_PREFIX",
    "CHALLENGE_LIFE",
    "SCOPES_OF_ROLE",
    "AccessTokens",
    "SigningKeys",
    "WeakKey",
]

ACCESS_LIFE: Final = timedelta(minutes=15)
CHALLENGE_LIFE: Final = timedelta(minutes=5)
API_TOKEN_PREFIX: Final = "cnd_"  # noqa: S105 - what such a token begins with
SCOPES_OF_ROLE: Final[Mapping[UserRole, frozenset[Scope]]] = {
    "user": frozenset({"read", "trade"}),
    "admin": frozenset({"read", "trade", "admin"}),
    "superadmin": frozenset({"read", "trade", "admin"}),
}
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "candela"
_Type = Literal["access", "challenge"]
_SHORTEST_KEY: Final = 32
_LONGEST_TOKEN: Final = 2_000
_REQUIRED: Final = ["exp", "iat", "sub", "aud", "jti", "typ", "ten"]
_REMEMBERED: Final = 20_000
# How long a change of plan may take to reach an API token; its end reaches it at once.
_HELD_S: Final = 10.0


class WeakKey(ConfigError):
    """A key that signs tokens is too short."""

    code = "weak_key"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Keys that sign tokens, by version; the newest signs, all verify.

    Raises
    ------
    WeakKey
        One has less than 32 bytes, or there is none.
    """

    by_version: Mapping[int, bytes]

    def __post_init__(self) -> None:
        short = [name for name, key in self.by_version.items() if len(key) < _SHORTEST_KEY]
        if short or not self.by_version:
            message = f"Token key {short[0]} is too short." if short else "There is no token key."
            raise WeakKey(message, f"Give at least {_SHORTEST_KEY} random bytes.")

    @property
    def newest(self) -> int:
        """The version that signs."""
        return max(self.by_version)

    def __repr__(self) -> str:
        return f"SigningKeys({sorted(self.by_version)})"


def _foreign() -> NotAuthenticated:
    return NotAuthenticated("The token is none of ours.", "Log in again.")


def _over() -> NotAuthenticated:
    return NotAuthenticated("The token has ended.", "Refresh it, or log in again.")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a token that was verified before says.

    Parameters
    ----------
    issued_at, ends_at
        Seconds since 1970.
    until
        By the loop's time: verify it again from then on; None: never.
    """

    caller: Caller
    issued_at: float
    ends_at: float | None
    until: float | None = None


class AccessTokens:
    """Makes and verifies access tokens, and knows API tokens.

    Parameters
    ----------
    endings
        What ended before its time; None: nothing does.
    find
        Looks an API token up, in a thread; None: there are none.
    """

    def __init__(
        self,
        keys: SigningKeys,
        clock: Clock,
        *,
        endings: Endings | None = None,
        find: Callable[[str], HeldToken | None] | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._endings = endings
        self._find = find
        self._known: dict[bytes, _Known] = {}

    def issue(
        self,
        *,
        tenant_id: UUID,
        user_id: UUID,
        session_id: UUID,
        role: UserRole,
        second_factor_at: datetime | None = None,
    ) -> tuple[str, datetime]:
        """Return a token and when it ends."""
        more: dict[str, Any] = {"sid": str(session_id), "rol": role}
        if second_factor_at is not None:
            more["sfa"] = int(second_factor_at.timestamp())
        return self._sign("access", tenant_id, user_id, ACCESS_LIFE, more)

    def challenge(self, *, tenant_id: UUID, user_id: UUID) -> tuple[str, datetime]:
        """Return what shows that the password was right, and when it ends."""
        return self._sign("challenge", tenant_id, user_id, CHALLENGE_LIFE, {})

    def challenged(self, challenge: str) -> tuple[UUID, UUID]:
        """Return tenant and user who gave the right password.

        Raises
        ------
        NotAuthenticated
            The challenge is forged or too old.
        """  # noqa: DOC501 - of a class of its own
        claims = self._claims(challenge, "challenge")
        user_id, issued_at = UUID(claims["sub"]), float(claims["iat"])
        if self.has_ended(user_id=user_id, issued_at=issued_at, session_id=None, token_id=None):
            raise _foreign()
        return UUID(claims["ten"]), user_id

    def successor(self, refresh_token: str) -> str:
        """Return the refresh token that follows one; only who holds our key can tell.

        Being the same each time, it lets a request be repeated whose answer was lost.
        """
        key = self._keys.by_version[self._keys.newest]
        digest = hmac.digest(key, b"refresh\0" + refresh_token.encode(), hashlib.sha256)
        return f"cndr_{digest.hex()}"

    async def caller(
        self, token: str, *, address: str = "", user_agent: str = "", request_id: str = ""
    ) -> Caller:
        """Return who holds a token.

        Raises
        ------
        NotAuthenticated
            It is forged, too old, or was revoked.
        """  # noqa: DOC501 - of two classes of its own
        if len(token) > _LONGEST_TOKEN:
            raise _foreign()
        digest = hashlib.blake2b(token.encode("utf-8", "surrogateescape"), digest_size=20).digest()
        known = self._known.get(digest)
        if known is None or (
            known.until is not None and asyncio.get_running_loop().time() >= known.until
        ):
            known = await self._verified(token)
            self._remember(digest, known)
        caller = known.caller
        if known.ends_at is not None and self._clock.now().timestamp() >= known.ends_at:
            raise _over()
        if self.has_ended(
            user_id=caller.user_id,
            issued_at=known.issued_at,
            session_id=caller.session_id,
            token_id=caller.token_id,
        ):
            message = "The session or the token was ended."
            raise NotAuthenticated(message, "Log in again, or make another token.")
        return replace(caller, address=address, user_agent=user_agent, request_id=request_id)

    def has_ended(
        self, *, user_id: UUID, issued_at: float, session_id: UUID | None, token_id: UUID | None
    ) -> bool:
        """Return whether what was verified before is worth nothing any more."""
        return self._endings is not None and self._endings.has_ended(
            user_id=user_id, issued_at=issued_at, session_id=session_id, token_id=token_id
        )

    async def _verified(self, token: str) -> _Known:
        if token.startswith(API_TOKEN_PREFIX):
            return await self._looked_up(token)
        claims = self._claims(token, "access")
        factor = claims.get("sfa")
        role: UserRole = claims["rol"]
        caller = Caller(
            tenant_id=UUID(claims["ten"]),
            user_id=UUID(claims["sub"]),
            role=role,
            scopes=SCOPES_OF_ROLE[role],
            session_id=UUID(claims["sid"]),
            second_factor_at=None if factor is None else datetime.fromtimestamp(factor, UTC),
        )
        return _Known(caller, float(claims["iat"]), float(claims["exp"]))

    async def _looked_up(self, token: str) -> _Known:
        held = None if self._find is None else await asyncio.to_thread(self._find, token)
        if held is None:
            raise _foreign()
        caller = Caller(
            tenant_id=held.tenant_id,
            user_id=held.user_id,
            role=held.role,
            scopes=held.scopes & SCOPES_OF_ROLE[held.role],
            token_id=held.token_id,
        )
        ends = None if held.expires_at is None else held.expires_at.timestamp()
        until = asyncio.get_running_loop().time() + _HELD_S
        return _Known(caller, held.created_at.timestamp(), ends, until)

    def _remember(self, digest: bytes, known: _Known) -> None:
        if len(self._known) >= _REMEMBERED:
            for old in list(self._known)[: _REMEMBERED // 2]:
                del self._known[old]
        self._known[digest] = known

    def _sign(
        self,
        kind: _Type,
        tenant_id: UUID,
        user_id: UUID,
        life: timedelta,
        more: Mapping[str, Any],
    ) -> tuple[str, datetime]:
        now = self._clock.now()
        ends = now + life
        content = {
            "aud": _AUDIENCE,
            "typ": kind,
            "jti": str(new_id(now)),
            "iat": int(now.timestamp()),
            "exp": int(ends.timestamp()),
            "sub": str(user_id),
            "ten": str(tenant_id),
            **more,
        }
        version = self._keys.newest
        key = self._keys.by_version[version]
        token = jwt.encode(content, key, algorithm=_ALGORITHM, headers={"kid": str(version)})
        return token, ends

    def _claims(self, token: str, kind: _Type) -> dict[str, Any]:
        try:
            version = int(jwt.get_unverified_header(token).get("kid", ""))
            key = self._keys.by_version[version]
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                # By the clock that was handed in, below.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
            ends = float(claims["exp"])
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError):
            raise _foreign() from None
        if claims["typ"] != kind:
            raise NotAuthenticated(
                "The token is for something else.", f"Send a token of the kind {kind}."
            )
        if self._clock.now().timestamp() >= ends:
            raise _over()
        return claims
