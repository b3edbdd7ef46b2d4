"""The configuration of a bot: every field with its unit and bounds, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from candela.errors import StrategyError
from candela.fills.model import Costs, Sizing
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.payout.rules import PayoutRules
from candela.risk.limits import BadBarPolicy, Martingale, RiskLimits

__all__ = ["BadBotConfig", "BotConfig", "config_from", "config_schema"]

Money = Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=18, allow_inf_nan=False)]
Ratio = Annotated[Decimal, Field(gt=0, lt=1)]
_UNREAD = "martingale is set in limits.martingale, with its ruin estimate read"
_DOCUMENT = "See docs/reference/bots.md for every field."


class BadBotConfig(StrategyError):
    """A configuration of a bot that cannot be used."""

    code = "bad_bot_config"


class BotConfig(BaseModel):
    """What a bot runs, on what, with how much, and how it is held back.

    Versions of it are kept for ever, so that what ran can be run again. Shares given for stop,
    target and trailing stop take the place of those of the strategy, as in a backtest; those in
    `limits` only stand in where neither gives one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    strategy: str = Field(min_length=1, max_length=200, description="name of the strategy")
    parameters: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="parameters of the strategy by name; those not given have their defaults",
    )
    instrument: str = Field(description="what is traded where, such as binance:BTC/USDT")
    timeframe: str = Field(description="length of a bar, such as 1m or 4h")
    capital: Money = Field(
        description="what the bot may work with, in the quote currency; its gains are added"
    )
    sizing: Sizing = Field(
        default=Sizing(), description="how large an entry is, of capital and gains together"
    )
    costs: Costs = Field(
        default=Costs(),
        description="what trading costs: paper fills have them, parity expects them",
    )
    stop_loss: Ratio | None = Field(
        default=None,
        description="loss of the mean entry price at which all is sold, in the strategy's place",
    )
    take_profit: Annotated[Decimal, Field(gt=0)] | None = Field(
        default=None,
        description="gain over the mean entry price at which all is sold, in the strategy's place",
    )
    trailing_stop: Ratio | None = Field(
        default=None,
        description="loss of the best price since entry at which all is sold, in the strategy's"
        " place",
    )
    limits: RiskLimits = Field(default=RiskLimits(), description="what the bot may risk")
    order: Literal["market", "limit"] = Field(
        default="market",
        description="limit: entries rest at the strategy's price, or the last close, for one bar",
    )
    protect_at_venue: bool = Field(
        default=False,
        description="whether the stop also rests at the venue, where it has such orders",
    )
    payout: PayoutRules | None = Field(
        default=None, description="terms of contracts, for strategies that bet on fixed payouts"
    )

    @field_validator("instrument")
    @classmethod
    def _is_named(cls, text: str) -> str:
        return str(Instrument.parse(text))

    @field_validator("timeframe")
    @classmethod
    def _is_a_length(cls, text: str) -> str:
        return str(Timeframe.parse(text))

    @field_validator("sizing")
    @classmethod
    def _no_unread_ladder(cls, sizing: Sizing) -> Sizing:
        if sizing.kind == "martingale":
            raise ValueError(_UNREAD)
        return sizing

    @field_validator("payout")
    @classmethod
    def _no_unread_stakes(cls, payout: PayoutRules | None) -> PayoutRules | None:
        if payout is not None and payout.sizing.kind == "martingale":
            raise ValueError(_UNREAD)
        return payout

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        for name in ("stop_loss", "take_profit", "trailing_stop"):
            both = getattr(self, name), getattr(self.limits, f"{name}_ratio")
            if None not in both:
                message = f"{name} and limits.{name}_ratio are both given; give one"
                raise ValueError(message)
        dca = self.limits.dca
        if self.stop_loss is not None and dca and dca[-1].drop_ratio >= self.stop_loss:
            message = f"a leg at a drop of {dca[-1].drop_ratio} lies beyond the stop_loss"
            raise ValueError(message)
        return self

    @property
    def data_policy(self) -> BadBarPolicy:
        """What a bar that is missing, quarantined or stale does."""
        return self.limits.bad_bar

    @property
    def martingale(self) -> Martingale | None:
        """Stakes that grow after losses; None: off."""
        return self.limits.martingale

    @property
    def traded(self) -> Instrument:
        """What is traded, and where."""
        return Instrument.parse(self.instrument)

    @property
    def venue(self) -> str:
        """Id of the venue."""
        return self.traded.venue

    @property
    def symbol(self) -> str:
        """What is traded, as the venue's orders name it."""
        return self.traded.symbol

    @property
    def interval(self) -> Timeframe:
        """Length of a bar."""
        return Timeframe.parse(self.timeframe)

    def with_parameters(self, parameters: Mapping[str, Any]) -> BotConfig:
        """Return it with all parameters of its strategy, defaults filled in."""
        return self.model_copy(update={"parameters": dict(parameters)})

    def as_json(self) -> dict[str, Any]:
        """Return what the database keeps: amounts as text."""
        return self.model_dump(mode="json")

    def to_backtest(self) -> dict[str, Any]:
        """Return the values of a backtest that trades alike, for its specification.

        Span, rules of the venue and the bars' instant of knowledge are not the bot's to say.
        """
        own = self.limits
        protection = {
            "stop_loss": self.stop_loss,
            "take_profit": self.take_profit,
            "trailing_stop": self.trailing_stop,
        }
        ladder = own.martingale
        sizing = self.sizing.model_dump()
        if ladder is not None and self.payout is None:
            sizing = {
                "kind": "martingale",
                "value": float(ladder.first_stake),
                "factor": float(ladder.factor),
                "steps": ladder.steps,
            }
        return {
            "strategy": self.strategy,
            "parameters": dict(self.parameters),
            "instruments": (self.instrument,),
            "timeframe": self.timeframe,
            "cash": float(self.capital),
            "costs": self.costs.model_dump(),
            "sizing": sizing,
            "protection": {
                name: None if value is None else float(value) for name, value in protection.items()
            },
            "payout": None if self.payout is None else self.payout.model_dump(),
        }


def config_from(values: object) -> BotConfig:
    """Read a configuration from a mapping.

    Raises
    ------
    BadBotConfig
        Names each value that cannot be used, and why.
    CandelaError
        The instrument, the timeframe or a window of trading hours cannot be read.
    """
    try:
        return BotConfig.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            _fault(cast("Mapping[str, Any]", one))
            for one in error.errors(include_url=False, include_context=False)
        )
        raise BadBotConfig(f"Configuration that cannot be used: {faults}.", _DOCUMENT) from None


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration: types, bounds, defaults and words, for forms."""
    return BotConfig.model_json_schema()


def _fault(fault: Mapping[str, Any]) -> str:
    place = ".".join(map(str, fault["loc"]))
    words = str(fault["msg"]).removeprefix("Value error, ")
    if not place:
        return words
    if fault["type"] in {"missing", "extra_forbidden"}:
        return f"{place}: {words[0].lower()}{words[1:]}"
    given = str(fault["input"])
    return f"{place}={given[:80]}: {words[0].lower()}{words[1:]}"
