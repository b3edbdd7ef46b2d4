"""What goes over the wire about the second factor."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.kit.fields import Instant
from api.sessions.schemas import CodeText, PasswordGiven

__all__ = [
    "CodeGiven",
    "FactorOff",
    "FactorOn",
    "PasswordShown",
    "RecoveryCodes",
    "SetupShown",
    "StepUp",
]


class PasswordShown(BaseModel):
    """The password, shown again."""

    model_config = ConfigDict(extra="forbid")

    password: PasswordGiven


class CodeGiven(BaseModel):
    """A code of the second factor."""

    model_config = ConfigDict(extra="forbid")

    code: CodeText


class FactorOff(PasswordShown):
    """What it takes to turn the second factor off."""

    code: CodeText


class SetupShown(BaseModel):
    """What an authenticator is given; shown this once."""

    secret: str = Field(description="base 32, for typing", examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(
        description="the same for a picture that an authenticator reads",
        examples=["otpauth://totp/Candela:ada%40example.com?secret=JBSWY3DPEHPK3PXP"],
    )


class StepUp(BaseModel):
    """An access token that says that the second factor was shown now."""

    access_token: str = Field(description="use it in place of the one before")
    access_ends_at: Instant
    second_factor_at: Instant


class RecoveryCodes(BaseModel):
    """Codes that stand in for the authenticator, each once; shown this once."""

    recovery_codes: list[str] = Field(examples=[["7kq2-m9xd-4hfw"]])


class FactorOn(StepUp, RecoveryCodes):
    """The second factor is in force."""
