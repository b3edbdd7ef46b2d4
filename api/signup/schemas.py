"""What goes over the wire about registration, links and passwords."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from api.kit.fields import Label
from api.sessions.schemas import Characters, EmailGiven, PasswordGiven

__all__ = [
    "Accepted",
    "AddressGiven",
    "LinkGiven",
    "PasswordChange",
    "PasswordReset",
    "Registration",
]

LinkToken = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="token of the link in the mail",
        examples=["mQ0dY5t..."],
        repr=False,
    ),
]
NewPassword = Annotated[
    str,
    Field(
        max_length=200,
        description="8 to 200 characters of any kind; not one of the common ones",
        examples=["three unlikely words"],
        repr=False,
    ),
    Characters,
]


class Registration(BaseModel):
    """Who wants in."""

    model_config = ConfigDict(extra="forbid")

    email: EmailGiven
    password: NewPassword
    name: Label | None = Field(default=None, examples=["Ada"])
    language: Literal["en", "es", "pt"] = Field(default="en", description="of our mails")
    zone: str = Field(
        default="UTC",
        max_length=64,
        description="IANA zone whose calendar days daily limits count",
        examples=["Europe/Madrid"],
    )
    referral_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{4,20}$")] | None = Field(
        default=None, description="of whoever sent you", examples=["K7M2Q9XA4B"]
    )
    trial: StrictBool = Field(
        default=False, description="begin with 14 days of the plan basic instead of free"
    )


class AddressGiven(BaseModel):
    """An address."""

    model_config = ConfigDict(extra="forbid")

    email: EmailGiven


class LinkGiven(BaseModel):
    """What a link of a mail carries."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken


class PasswordReset(BaseModel):
    """A new password, by a link of a mail."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
    password: NewPassword


class PasswordChange(BaseModel):
    """A new password, by the present one."""

    model_config = ConfigDict(extra="forbid")

    password: PasswordGiven = Field(description="the present one")
    new_password: NewPassword


class Accepted(BaseModel):
    """The request was taken; what follows comes by mail, whoever has the address."""

    status: Literal["accepted"] = "accepted"
    message: str = Field(
        default="If the address can be used for this, a mail is on its way.",
        examples=["If the address can be used for this, a mail is on its way."],
    )
