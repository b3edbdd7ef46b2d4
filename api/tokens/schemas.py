"""What goes over the wire about API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.kit.fields import Instant, Label

if TYPE_CHECKING:
    from candela.identity.tokens import TokenMade, TokenRow

__all__ = ["TokenGiven", "TokenList", "TokenNew", "TokenShown"]

ScopeName = Literal["read", "trade", "admin"]


class TokenGiven(BaseModel):
    """A token that a program is to have."""

    model_config = ConfigDict(extra="forbid")

    name: Label = Field(description="by which you know it", examples=["my dashboard"])
    scopes: Annotated[
        set[ScopeName],
        Field(
            min_length=1,
            max_length=3,
            description="read: look; trade: orders and bots too; admin: for administrators",
            examples=[["read"]],
        ),
    ]
    expires_at: Instant | None = Field(default=None, description="null: until it is revoked")


class TokenShown(BaseModel):
    """A token as it is listed: without itself."""

    token_id: UUID
    name: str
    last_four: str = Field(examples=["x7Qw"])
    scopes: list[ScopeName]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")

    @classmethod
    def of(cls, row: TokenRow) -> Self:
        """Return the same for the wire."""
        return cls(
            token_id=row.token_id,
            name=row.name,
            last_four=row.last_four,
            scopes=list(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )


class TokenNew(TokenShown):
    """A new token, shown this once."""

    token: str = Field(description="keep it now", examples=["cnd_..."])

    @classmethod
    def made(cls, made: TokenMade) -> Self:
        """Return the same for the wire."""
        return cls(token=made.token, **TokenShown.of(made.row).model_dump())


class TokenList(BaseModel):
    """The tokens of a user that are in force or have ended by themselves."""

    items: list[TokenShown]
