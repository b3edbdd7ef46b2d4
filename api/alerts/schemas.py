"""Alerts as they are sent and shown."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool, model_validator

from api.kit.fields import InstrumentName, Label

__all__ = ["Alert", "AlertChange", "NewAlert", "condition_of"]

Kind = Literal["price", "profit", "loss", "win_rate", "bot_stopped"]
Direction = Literal["above", "below"]
Channels = Annotated[
    list[Literal["inbox", "mail"]],
    Field(min_length=1, max_length=2, description="where it is told", examples=[["inbox", "mail"]]),
]
Cooldown = Annotated[
    int, Field(ge=60, le=2_592_000, description="s between two of it", examples=[3600])
]
Amount = Annotated[
    Decimal,
    Field(gt=0, max_digits=24, decimal_places=12),
    PlainSerializer(lambda value: f"{value:f}", return_type=str),
]
_FIELDS: dict[str, tuple[str, ...]] = {
    "price": ("instrument", "direction", "price"),
    "profit": ("amount", "days"),
    "loss": ("amount", "days"),
    "win_rate": ("direction", "ratio", "days", "trades"),
    "bot_stopped": (),
}


class Condition(BaseModel):
    """What is compared with what; which fields, by the kind."""

    model_config = ConfigDict(extra="forbid")

    instrument: InstrumentName | None = Field(default=None, description="price: of what")
    direction: Direction | None = Field(
        default=None, description="price, win_rate: at the limit or beyond it this way"
    )
    price: Amount | None = Field(
        default=None, description="price: the limit, in the quote currency", examples=["60000"]
    )
    amount: Amount | None = Field(
        default=None, description="profit, loss: the limit, in the bot's currency"
    )
    ratio: Annotated[Amount, Field(le=1)] | None = Field(
        default=None, description="win_rate: the limit, 0 to 1", examples=["0.4"]
    )
    days: int | None = Field(
        default=None, ge=1, le=365, description="profit, loss, win_rate: of the last so many days"
    )
    trades: int | None = Field(
        default=None, ge=1, le=10_000, description="win_rate: silent while there are fewer"
    )


class NewAlert(BaseModel):
    """An alert to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "BTC is dear",
                    "kind": "price",
                    "condition": {
                        "instrument": "binance:BTC/USDT",
                        "direction": "above",
                        "price": "60000",
                    },
                    "channels": ["inbox", "mail"],
                    "cooldown_s": 3600,
                }
            ]
        },
    )

    name: Label
    kind: Kind
    bot_id: UUID | None = Field(
        default=None, description="profit, loss, win_rate: needed; bot_stopped: null is any bot"
    )
    condition: Condition = Field(default_factory=Condition)
    channels: Channels
    cooldown_s: Cooldown = 3_600

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        given = set(self.condition.model_dump(exclude_none=True))
        wanted = set(_FIELDS[self.kind])
        if given != wanted:
            needs = ", ".join(_FIELDS[self.kind]) or "nothing"
            message = f"the condition of an alert {self.kind} is {needs}"
            raise ValueError(message)
        if self.kind == "price" and self.bot_id is not None:
            message = "a price is no bot's"
            raise ValueError(message)
        if self.kind in {"profit", "loss", "win_rate"} and self.bot_id is None:
            message = f"an alert {self.kind} needs a bot_id"
            raise ValueError(message)
        return self


class AlertChange(BaseModel):
    """What shall be different; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"is_active": False}]}
    )

    name: Label | None = None
    channels: Channels | None = None
    is_active: StrictBool | None = None
    cooldown_s: Cooldown | None = None


class Alert(BaseModel):
    """An alert, and when it last fired."""

    model_config = ConfigDict(from_attributes=True)

    alert_id: UUID
    name: str
    kind: Kind
    bot_id: UUID | None
    condition: Condition
    channels: Channels
    is_active: bool
    cooldown_s: int
    last_triggered_at: datetime | None
    last_value: str | None = Field(description="what was measured then")
    created_at: datetime


def condition_of(alert: NewAlert) -> dict[str, object]:
    """Return the condition as it is stored: amounts as text."""
    return alert.condition.model_dump(mode="json", exclude_none=True)
