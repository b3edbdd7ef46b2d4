"""What goes over the wire about logins and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.kit.fields import Instant

if TYPE_CHECKING:
    from candela.identity.sessions import Granted, SessionRow

__all__ = [
    "Challenge",
    "Characters",
    "CodeText",
    "LoginAnswer",
    "LoginGiven",
    "PasswordGiven",
    "RefreshGiven",
    "SecondStep",
    "SessionList",
    "SessionShown",
    "Tokens",
]

_ACCESS = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEi..."
_REFRESH = "cndr_3f1c..."


def _of_characters(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "half of a surrogate pair is no character"
        raise ValueError(message) from None
    return text


def _as_an_address(text: str) -> str:
    if "\0" in text:
        message = "an address has no NUL character"
        raise ValueError(message)
    # Other guesses are counted by names without one: nobody uses their tries up at the login.
    if "@" not in text:
        message = "an address has an @"
        raise ValueError(message)
    return text


Characters = AfterValidator(_of_characters)
"""Any Unicode, NUL too: of what is hashed and never stored."""
EmailGiven = Annotated[
    str,
    Field(min_length=3, max_length=320, examples=["ada@example.com"], description="address"),
    Characters,
    AfterValidator(_as_an_address),
]
PasswordGiven = Annotated[
    str,
    Field(min_length=1, max_length=200, examples=["three unlikely words"], repr=False),
    Characters,
]
CodeText = Annotated[
    str,
    Field(
        min_length=6,
        max_length=20,
        pattern=r"^[0-9A-Za-z -]+$",
        description="six digits of the authenticator, or a recovery code",
        examples=["492039"],
        repr=False,
    ),
]


class LoginGiven(BaseModel):
    """Address and password."""

    model_config = ConfigDict(extra="forbid")

    email: EmailGiven
    password: PasswordGiven


class SecondStep(BaseModel):
    """The second step of a login."""

    model_config = ConfigDict(extra="forbid")

    challenge: str = Field(
        min_length=1, max_length=2_000, description="of the first step", examples=[_ACCESS]
    )
    code: CodeText


class RefreshGiven(BaseModel):
    """The newest refresh token of a session."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: str = Field(min_length=1, max_length=200, examples=[_REFRESH], repr=False)


class Tokens(BaseModel):
    """A session: what to send with requests, and what to keep it with."""

    status: Literal["ok"] = "ok"
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word of OAuth
    session_id: UUID
    access_token: str = Field(
        description="send it as Authorization: Bearer TOKEN", examples=[_ACCESS]
    )
    access_ends_at: Instant = Field(description="15 minutes on")
    refresh_token: str = Field(
        description="good once: POST /auth/refresh gives the next", examples=[_REFRESH]
    )
    refresh_ends_at: Instant = Field(description="7 days on, 30 days after the login at most")

    @classmethod
    def of(cls, granted: Granted) -> Self:
        """Return the same for the wire."""
        return cls(
            session_id=granted.session_id,
            access_token=granted.access_token,
            access_ends_at=granted.access_ends_at,
            refresh_token=granted.refresh_token,
            refresh_ends_at=granted.refresh_ends_at,
        )


class Challenge(BaseModel):
    """The password was right; a code of the second factor is to follow."""

    status: Literal["second_factor"] = "second_factor"
    challenge: str = Field(description="send it with a code to POST /auth/2fa", examples=[_ACCESS])
    challenge_ends_at: Instant = Field(description="5 minutes on")


LoginAnswer = Annotated[Tokens | Challenge, Field(discriminator="status")]


class SessionShown(BaseModel):
    """A place where the user is logged in."""

    session_id: UUID
    is_current: bool = Field(description="whether this request came by it")
    created_at: datetime
    seen_at: datetime = Field(description="last refresh")
    expires_at: datetime
    address: str | None = Field(description="network address of the login", examples=["192.0.2.7"])
    user_agent: str = Field(examples=["Mozilla/5.0"])
    second_factor_at: datetime | None = Field(description="when a code was last shown in it")

    @classmethod
    def of(cls, row: SessionRow, current: UUID | None) -> Self:
        """Return the same for the wire."""
        return cls(
            session_id=row.session_id,
            is_current=row.session_id == current,
            created_at=row.created_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            address=None if row.address is None else str(row.address),
            user_agent=row.user_agent,
            second_factor_at=row.second_factor_at,
        )


class SessionList(BaseModel):
    """The sessions of a user that go on."""

    items: list[SessionShown]
