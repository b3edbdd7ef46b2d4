"""What the routes of accounts take and show."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from candela.money import plain

if TYPE_CHECKING:
    from candela.desk.accounts import AccountRow

__all__ = ["AccountGiven", "AccountList", "AccountNamed", "AccountShown", "BalanceShown"]

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,15}$")]


class PaperGiven(BaseModel):
    """An account of play money."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["paper"] = Field(description="play money at the venue's prices")
    name: Name = Field(description="by which bots name it", examples=["paper"])
    venue: Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z0-9][a-z0-9_.-]*$")] = (
        Field(description="id of the venue in ccxt whose prices count", examples=["binance"])
    )
    opening_balance: Decimal = Field(
        gt=0,
        le=Decimal("1e12"),
        max_digits=30,
        decimal_places=12,
        description="what it holds at first, in its currency",
        examples=["10000"],
    )
    quote_ccy: Currency = Field(default="USDT", description="currency that it is kept in")
    kind: Literal["spot", "fixed_payout"] = Field(
        default="spot", description="what is traded on it"
    )


class KeyedGiven(BaseModel):
    """An account at a venue, of a key that was found good."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["demo", "live"] = Field(description="that of the key")
    name: Name = Field(description="by which bots name it", examples=["main"])
    key_id: UUID = Field(description="of POST /keys/exchange")
    quote_ccy: Currency = Field(default="USDT", description="currency that it is kept in")


AccountGiven = Annotated[PaperGiven | KeyedGiven, Field(discriminator="mode")]


class AccountNamed(BaseModel):
    """Another name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "main"}]})

    name: Name = Field(description="by which bots name it")


class BalanceShown(BaseModel):
    """What an account holds of a currency."""

    ccy: str = Field(examples=["USDT"])
    total: str = Field(description="in this currency", examples=["10000"])
    reserved: str = Field(description="held back by open orders", examples=["0"])


class AccountShown(BaseModel):
    """An account as its owner sees it."""

    account_id: UUID
    name: str = Field(examples=["paper"])
    venue: str = Field(examples=["binance"])
    kind: Literal["spot", "fixed_payout"]
    mode: Literal["paper", "demo", "live"]
    quote_ccy: str = Field(examples=["USDT"])
    state: str = Field(description="active, or blocked: entries wait, exits go on")
    state_reason: str | None
    key_id: UUID | None = Field(description="null on paper, and where it was disconnected")
    last_four: str | None = Field(description="end of its key")
    last_connected_at: datetime | None = Field(
        description="when the venue was last asked and found to agree with our books"
    )
    balances: list[BalanceShown]
    balances_at: datetime | None = Field(description="when they were last written")
    balances_age_s: int | None = Field(description="seconds since then", ge=0)
    bots: int = Field(description="how many use it", ge=0)
    created_at: datetime

    @classmethod
    def of(cls, row: AccountRow, now: datetime) -> Self:
        """Return an account as it is shown."""
        age = None if row.balances_at is None else int((now - row.balances_at).total_seconds())
        return cls(
            account_id=row.account_id,
            name=row.name,
            venue=row.venue,
            kind=row.kind,
            mode=row.mode,
            quote_ccy=row.quote_ccy,
            state=row.state,
            state_reason=row.state_reason,
            key_id=row.key_id,
            last_four=row.last_four,
            last_connected_at=row.reconciled_at,
            balances=[
                BalanceShown(ccy=ccy, total=plain(total), reserved=plain(reserved))
                for ccy, (total, reserved) in row.balances.items()
            ],
            balances_at=row.balances_at,
            balances_age_s=None if age is None else max(age, 0),
            bots=row.bots,
            created_at=row.created_at,
        )


class AccountList(BaseModel):
    """The accounts, oldest first."""

    items: list[AccountShown]
