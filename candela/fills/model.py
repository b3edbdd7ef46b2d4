"""What a simulation assumes: how orders fill, what they cost, what the venue allows, how large."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Costs", "Execution", "FillModel", "Sizing", "VenueRules"]

Bps = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Execution(_Frozen):
    """When and at which price an order of a closed bar fills."""

    fill: Literal["next_open", "close"] = Field(
        default="next_open",
        description="next_open: at the open of the bar after the decision; close: at its close",
    )
    entry_bar_stops: bool = Field(
        default=True,
        description="whether a stop or target may be hit on the bar of entry (fills at the open)",
    )
    intrabar: Literal["worst_case", "minutes"] = Field(
        default="worst_case",
        description="worst_case: the stop is hit before the target; minutes: finer bars decide",
    )


class Costs(_Frozen):
    """What trading costs; one basis point is 1/10,000 of the value traded."""

    taker_fee_bps: Bps = Field(
        default=0.0,
        description="fee of market orders and stops",
    )
    maker_fee_bps: Bps | None = Field(
        default=None, description="fee of limit entries and targets; none: that of the taker"
    )
    slippage_bps: Bps = Field(
        default=0.0,
        description="market orders and stops fill worse by this",
    )
    spread_bps: Bps = Field(
        default=0.0,
        description="quoted spread; market orders pay half of it",
    )
    impact_bps: Bps = Field(
        default=0.0,
        description="worse fill of an order as large as the bar's volume; linear in the share",
    )
    volume_share_limit: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="an order takes at most this share of the bar's volume"
    )
    funding: bool = Field(
        default=False,
        description="whether recorded funding rates are paid",
    )

    @property
    def maker_bps(self) -> float:
        """The fee of resting orders."""
        return self.taker_fee_bps if self.maker_fee_bps is None else self.maker_fee_bps


class VenueRules(_Frozen):
    """What the venue allows; 0 means no rule."""

    lot: NonNegative = Field(
        default=0.0,
        description="step of the quantity; rounded down",
    )
    tick: NonNegative = Field(
        default=0.0, description="step of the price; rounded against the trader"
    )
    minimum_notional: NonNegative = Field(
        default=0.0,
        description="smaller orders are rejected",
    )
    leverage: Annotated[float, Field(ge=1, le=125)] = Field(
        default=1.0, description="value of positions over equity at most, long or short"
    )
    maintenance_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="equity below this share of the position's value is liquidated"
    )


class Sizing(_Frozen):
    """How large an entry is; always capped by cash and leverage."""

    kind: Literal[
        "fraction", "fixed_value", "fixed_units", "risk", "volatility_target", "kelly", "martingale"
    ] = Field(
        default="fraction",
        description="what value means",
    )
    value: Positive = Field(
        default=1.0,
        description="fraction: share of equity; fixed_value: quote per entry; fixed_units: base per"
        " entry; risk: share of equity lost at the stop; volatility_target: annual volatility;"
        " kelly: share of the Kelly stake; martingale: first stake in quote",
    )
    cap: Positive = Field(
        default=1.0,
        description="largest share of equity an entry may take",
    )
    window: Annotated[int, Field(ge=2)] = Field(
        default=50, description="bars (volatility_target) or closed trades (kelly) looked back at"
    )
    factor: Annotated[float, Field(ge=1)] = Field(
        default=2.0, description="martingale: stake after a loss over the stake before"
    )
    steps: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, description="martingale: stakes in a ladder; after the last it starts again"
    )


class FillModel(_Frozen):
    """Everything that turns decisions into fills."""

    execution: Execution = Execution()
    costs: Costs = Costs()
    rules: VenueRules = VenueRules()
    sizing: Sizing = Sizing()
