"""A configuration as it is sent, with what its ladder's ruin is estimated with."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from api.kit.texts import json_faults
from candela.bots.config import BotConfig
from candela.errors import CandelaError
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

__all__ = ["EXAMPLE", "Config", "EstimateIn", "EstimateOut", "RuinIn"]

_READERS = {"instrument": Instrument.parse, "timeframe": Timeframe.parse}
EXAMPLE: Final[dict[str, Any]] = {
    "strategy": "ma_cross",
    "parameters": {"fast": 10, "slow": 30},
    "instrument": "binance:BTC/USDT",
    "timeframe": "1m",
    "capital": "250",
    "sizing": {"kind": "fraction", "value": 0.5},
    "stop_loss": "0.02",
}


def _read_config(value: object, read: Any) -> BotConfig:
    """Read a configuration; what no field of it can say is said at the field that it is about."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        faults = list(json_faults(fields, ""))
        for name, reader in _READERS.items():
            text = fields.get(name)
            if isinstance(text, str):
                try:
                    reader(text)
                except CandelaError as error:
                    faults.append((f".{name}", error.message))
        if faults:
            raise ValidationError.from_exception_data(
                "config",
                [_detail(place.removeprefix(".").split("."), reason) for place, reason in faults],
            )
    try:
        made: BotConfig = read(value)
    except CandelaError as error:  # a window of trading hours, or its zone
        raise ValidationError.from_exception_data(
            "config", [_detail(["limits", "trading_hours"], error.message)]
        ) from None
    return made


def _detail(place: list[str], reason: str) -> InitErrorDetails:
    kind = PydanticCustomError("unusable", "{reason}", {"reason": reason.rstrip(".")})
    return InitErrorDetails(type=kind, loc=tuple(one for one in place if one), input=None)


Config = Annotated[BotConfig, WrapValidator(_read_config)]


class RuinIn(BaseModel):
    """What the ruin of growing stakes is estimated with, and the word that it was read."""

    model_config = ConfigDict(extra="forbid")

    win_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        description="share of contracts that win", examples=[0.56]
    )
    rounds: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1_000, description="contracts over which ruin is computed"
    )
    payout_ratio: Annotated[
        Decimal | None, Field(gt=0, le=100, max_digits=12, decimal_places=6)
    ] = Field(
        default=None, description="profit of a win over its stake; null: that of the payout terms"
    )
    acknowledged_ruin_ratio: Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)] = (
        Field(
            default=None,
            description="ruin_ratio of the estimate, repeated as it was shown, to accept it",
        )
    )


class EstimateIn(BaseModel):
    """A configuration with a ladder, whose ruin shall be estimated; nothing is stored."""

    model_config = ConfigDict(extra="forbid")

    config: Config
    ruin: RuinIn


class EstimateOut(BaseModel):
    """The risk of stakes that grow after losses, to be read before it is acknowledged."""

    ruin_ratio: float = Field(description="probability of ruin within the rounds")
    words: list[str]
    figures: dict[str, Any]
