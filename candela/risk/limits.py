"""What a bot may risk: the part of its configuration that guards money."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from candela.errors import StrategyError
from candela.payout.ladder import ladder_stakes
from candela.risk.hours import window_of, zone_named

__all__ = [
    "BadBarPolicy",
    "BadRiskLimits",
    "DcaLeg",
    "Martingale",
    "PartialExit",
    "RiskLimits",
    "RuinAcknowledgement",
    "TradingHours",
    "limits_from",
]

Money = Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=18)]
Ratio = Annotated[Decimal, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
BadBarPolicy = Literal["skip", "hold", "flatten"]
"""What a bar that is missing, quarantined or stale does; see `candela.risk.bars`."""


class BadRiskLimits(StrategyError):
    """Limits of a bot that cannot be used."""

    code = "bad_risk_limits"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class TradingHours(_Frozen):
    """When entries are allowed, on the wall clock of a zone; exits always are."""

    windows: tuple[str, ...] = Field(
        min_length=1,
        description="such as 'mon-fri 09:00-17:30'; an end that is not after the start is on the"
        " next day, 'fri 22:00-06:00' ends on Saturday",
    )
    zone: str | None = Field(default=None, description="IANA zone; none: that of the user")

    @field_validator("windows")
    @classmethod
    def _readable(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for text in windows:
            window_of(text)
        return windows

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        return zone if zone is None else zone_named(zone).key


class DcaLeg(_Frozen):
    """A further purchase of a position whose price fell."""

    drop_ratio: Ratio = Field(
        description="below the price of the first fill (above it, for a short)"
    )
    size_multiple: Annotated[Decimal, Field(gt=0, le=100)] = Field(
        default=Decimal(1), description="value of the leg over that of the first entry"
    )


class PartialExit(_Frozen):
    """A sale of a part of a position that gained."""

    gain_ratio: Annotated[Decimal, Field(gt=0)] = Field(
        description="above the mean price of entry (below it, for a short)"
    )
    fraction: Annotated[Decimal, Field(gt=0, le=1)] = Field(description="of the units held then")


class RuinAcknowledgement(_Frozen):
    """A person's word that the ruin estimate of exactly this ladder was read."""

    first_stake: Money = Field(description="of the ladder that was assessed")
    factor: Annotated[Decimal, Field(ge=1)] = Field(description="of the ladder that was assessed")
    steps: Annotated[int, Field(ge=1, le=20)] = Field(description="of the ladder assessed")
    largest_stake: Money | None = Field(description="of the ladder that was assessed")
    payout_ratio: Annotated[Decimal, Field(gt=0)] = Field(
        description="profit of a win over its stake that was assumed; a lower one is not traded"
    )
    bankroll: Money = Field(description="money that was assumed")
    win_rate: Annotated[float, Field(ge=0, le=1)] = Field(description="that was assumed")
    rounds: Count = Field(description="contracts over which ruin was computed")
    ruin_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        description="probability of ruin that was shown"
    )
    acknowledged_at: datetime = Field(description="instant, with its offset")


class Martingale(_Frozen):
    """Stakes that grow after losses; off unless it is here, and capped in every direction."""

    first_stake: Money = Field(description="account currency")
    factor: Annotated[Decimal, Field(ge=1, le=10)] = Field(
        default=Decimal(2), description="stake after a loss over the stake before"
    )
    steps: Annotated[int, Field(ge=1, le=20)] = Field(
        default=3, description="stakes in a ladder; after the last it begins anew"
    )
    largest_stake: Money | None = Field(default=None, description="account currency, of any step")
    money_step: Money = Field(
        default=Decimal("0.01"), description="smallest amount; stakes are rounded half up to it"
    )
    after_draw: Literal["stay", "reset"] = Field(
        default="stay", description="stay: a refunded contract is staked again; reset: as a win"
    )
    after_unknown: Literal["wait", "loss"] = Field(
        default="wait", description="wait: nothing is staked until the outcome is known"
    )
    ruin_cap_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.05, description="largest probability of ruin that may be acknowledged"
    )
    acknowledgement: RuinAcknowledgement | None = Field(
        default=None, description="without it nothing is staked"
    )

    @model_validator(mode="after")
    def _climbable(self) -> Self:
        _ = self.stakes
        return self

    @property
    def stakes(self) -> tuple[Decimal, ...]:
        """The stakes in order of the steps."""
        units = ladder_stakes(
            self.first_stake, self.factor, self.steps, self.largest_stake, self.money_step
        )
        return tuple(whole * self.money_step for whole in units)

    @property
    def is_acknowledged(self) -> bool:
        """Whether the estimate that was read is of this ladder and below the cap."""
        read = self.acknowledgement
        return (
            read is not None
            and (read.first_stake, read.factor, read.steps, read.largest_stake)
            == (self.first_stake, self.factor, self.steps, self.largest_stake)
            and read.ruin_ratio <= self.ruin_cap_ratio
        )


class RiskLimits(_Frozen):
    """Limits of one bot; none is no limit. Money is in the currency of the account.

    A share of the price that stops, targets and trailing stops are away is given here for a bot
    whose strategy names none.
    """

    stop_loss_ratio: Ratio | None = Field(
        default=None, description="loss of the mean price of entry at which all is sold"
    )
    take_profit_ratio: Annotated[Decimal, Field(gt=0)] | None = Field(
        default=None, description="gain over the mean price of entry at which all is sold"
    )
    trailing_stop_ratio: Ratio | None = Field(
        default=None, description="loss of the best price since entry at which all is sold"
    )
    dca: tuple[DcaLeg, ...] = Field(
        default=(), max_length=20, description="further purchases of a position, in order"
    )
    partial_exits: tuple[PartialExit, ...] = Field(
        default=(), max_length=20, description="sales of parts of a position, in order"
    )
    capital_per_trade: Money | None = Field(
        default=None, description="cost of one position with all its legs; stake of one contract"
    )
    symbol_exposure: Money | None = Field(
        default=None, description="cost of what is held and being bought of one symbol"
    )
    total_exposure: Money | None = Field(
        default=None, description="cost of all that is held and being bought, open stakes too"
    )
    open_positions: Count | None = Field(default=None, description="positions at a time")
    trades_per_day: Count | None = Field(
        default=None, description="entries by calendar day of the user; legs do not count"
    )
    daily_loss: Money | None = Field(
        default=None,
        description="loss of the calendar day, realised and open, at which entries stop;"
        " open stakes and the next one count as lost",
    )
    daily_profit: Money | None = Field(
        default=None, description="realised gain of the calendar day at which entries stop"
    )
    trading_hours: TradingHours | None = Field(default=None, description="when entries are allowed")
    loss_streak: Count | None = Field(
        default=None, description="losses in a row at which entries stop until reset"
    )
    drawdown_ratio: Ratio | None = Field(
        default=None, description="loss of the highest equity at which entries stop until reset"
    )
    cool_down_s: Annotated[int, Field(ge=0)] = Field(
        default=0, description="seconds without an entry after a loss"
    )
    bad_bar: BadBarPolicy = Field(
        default="skip",
        description="skip: nothing is decided on a bar that is missing or quarantined; hold: nor"
        " on the next ones that would look back on it; flatten: what is held is sold",
    )
    bar_age_intervals: Annotated[Decimal, Field(gt=0, le=10)] = Field(
        default=Decimal("1.5"), description="age since its close at which a bar is too old"
    )
    sell_headroom_ratio: Annotated[Decimal, Field(ge=0, lt=1)] = Field(
        default=Decimal("0.05"),
        description="fall of the price at which a position must still be large enough to be sold",
    )
    martingale: Martingale | None = Field(
        default=None, description="stakes that grow after losses; none: off"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        drops = [leg.drop_ratio for leg in self.dca]
        gains = [one.gain_ratio for one in self.partial_exits]
        for name, ratios in (("dca", drops), ("partial_exits", gains)):
            if ratios != sorted(set(ratios)):
                message = f"{name} goes from the nearest price to the farthest, each once"
                raise ValueError(message)
        if self.stop_loss_ratio is not None and drops and drops[-1] >= self.stop_loss_ratio:
            message = (
                f"a leg at a drop of {drops[-1]} lies beyond the stop at {self.stop_loss_ratio}"
            )
            raise ValueError(message)
        return self


def limits_from(config: object) -> RiskLimits:
    """Read limits from a mapping, such as the part of a bot's configuration.

    Raises
    ------
    BadRiskLimits
        Naming each value that cannot be used.
    """
    try:
        return RiskLimits.model_validate(config)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'limits'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_context=False)
        )
        hint = "See docs/concepts/risk.md for the limits and their units."
        raise BadRiskLimits(f"Risk limits that cannot be used: {faults}.", hint) from None
