"""What the routes of keys take and show: labels, ends and rights, never a key."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

if TYPE_CHECKING:
    from candela.desk.keys import KeyRow

__all__ = [
    "AdviserKeyGiven",
    "BrokerKeyGiven",
    "ExchangeKeyGiven",
    "ExchangeKeyRenewed",
    "KeyList",
    "KeyShown",
]

_NO_ADDRESS: Final = (
    "The key works from any address: bind it to the address of the executor at the venue."
)
_UNKNOWN_RIGHTS: Final = (
    "The venue does not tell whether the key may withdraw: make sure that it may not."
)


def _printable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    # Keys of some venues are PEM texts of several lines.
    if not text.strip() or not all(mark in "\r\n" or " " <= mark <= "~" for mark in text):
        message = "has to be printable ASCII and not blank"
        raise ValueError(message)
    return SecretStr(text.strip())


Label = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
Name = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Short = Annotated[SecretStr, Field(min_length=1, max_length=500), AfterValidator(_printable)]
Long = Annotated[SecretStr, Field(min_length=1, max_length=4_096), AfterValidator(_printable)]


class ExchangeKeyRenewed(BaseModel):
    """A key that takes the place of an older one."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {"api_key": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv", "secret": "NhqPtmdSJYdKjV"}
            ]
        },
    )

    api_key: Short = Field(description="the key, as the venue shows it")
    secret: Long = Field(description="its secret; for keys of RSA or Ed25519 the private key")
    password: Short | None = Field(default=None, description="the third part that some venues have")


class ExchangeKeyGiven(ExchangeKeyRenewed):
    """A key of a venue's account."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "label": "main",
                    "venue": "binance",
                    "mode": "live",
                    "api_key": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv",
                    "secret": "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP",
                }
            ]
        },
    )

    label: Label = Field(description="by which you know the key")
    venue: Name = Field(description="id of the venue in ccxt", examples=["binance"])
    mode: Literal["demo", "live"] = Field(
        default="live", description="demo: the venue's play money; live: real money"
    )


class BrokerKeyGiven(BaseModel):
    """A login of a broker that has no keys."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "label": "payout",
                    "broker": "quotex",
                    "login": "me@example.com",
                    "password": "correct horse battery staple",
                }
            ]
        },
    )

    label: Label = Field(description="by which you know the login")
    broker: Name = Field(description="name of the broker", examples=["quotex"])
    login: Short = Field(description="name or address that you log in with there")
    password: Short = Field(description="the password there")


class AdviserKeyGiven(BaseModel):
    """A key of a provider of language models."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {"label": "research", "provider": "openai", "api_key": "sk-proj-0123456789abcdef"}
            ]
        },
    )

    label: Label = Field(description="by which you know the key")
    provider: Literal["deepseek", "openai", "gemini"] = Field(description="whose key it is")
    api_key: Short = Field(description="the key, as the provider shows it")


class RightsShown(BaseModel):
    """What the venue says that a key may do; null where it does not tell."""

    can_trade: bool | None = Field(description="place orders")
    can_withdraw: bool | None = Field(description="take money out; such a key is refused")
    is_bound_to_address: bool | None = Field(description="works from named addresses only")


class KeyShown(BaseModel):
    """A key without the key."""

    key_id: UUID
    kind: Literal["exchange", "broker", "ai"]
    label: str = Field(examples=["main"])
    venue: str | None = Field(description="venue, broker or provider", examples=["binance"])
    mode: Literal["demo", "live"] | None = Field(description="of exchange keys")
    state: Literal["checking", "good", "refused", "lapsed", "untested", "destroyed"] = Field(
        description="checking: an executor asks the venue; refused: destroyed, see reason; lapsed:"
        " nobody could ask in time; untested: nobody here can be asked about it"
    )
    reason: str | None = Field(description="why it was refused or still waits")
    last_four: str = Field(description="end of the key; empty where it is short", examples=["KE2z"])
    rights: RightsShown | None = Field(description="null: not asked yet")
    warnings: list[str] = Field(description="what to mend at the venue")
    tested: bool = Field(description="whether its venue was asked, and no question is open")
    created_at: datetime
    checked_at: datetime | None = Field(description="when its venue last answered about it")
    last_used_at: datetime | None = Field(description="when it was last opened, to trade or test")
    accounts: list[str] = Field(description="names of the accounts that trade with it")

    @classmethod
    def of(cls, row: KeyRow) -> Self:
        """Return a key as it is shown."""
        rights = None if row.rights is None else RightsShown(**_rights(row.rights))
        return cls(
            key_id=row.key_id,
            kind="ai" if row.purpose == "adviser" else row.purpose,
            # A destroyed one gives its label free; people are shown the one that they gave.
            label=row.label.removesuffix(f" (destroyed {row.key_id})"),
            venue=row.venue,
            mode=row.mode,
            state=row.state,
            reason=row.reason,
            last_four=row.last_four,
            rights=rights,
            warnings=_warnings(row, rights),
            tested=row.checked_at is not None and not row.is_asked,
            created_at=row.created_at,
            checked_at=row.checked_at,
            last_used_at=row.last_used_at,
            accounts=list(row.accounts),
        )


class KeyList(BaseModel):
    """The keys of a kind."""

    items: list[KeyShown]


def _rights(stored: Any) -> dict[str, bool | None]:
    return {name: stored.get(name) for name in RightsShown.model_fields}


def _warnings(row: KeyRow, rights: RightsShown | None) -> list[str]:
    if row.purpose != "exchange" or rights is None or row.state != "good":
        return []
    found: list[str] = []
    if not rights.is_bound_to_address:
        found.append(_NO_ADDRESS)
    if rights.can_withdraw is None:
        found.append(_UNKNOWN_RIGHTS)
    return found
