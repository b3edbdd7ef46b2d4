"""Strategies as they go over the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ParameterFault", "StrategyOut", "ValidateIn", "ValidityOut"]


class StrategyOut(BaseModel):
    """A strategy that bots and backtests can run."""

    name: str = Field(description="how it is named", examples=["ma_cross"])
    idea: str = Field(
        description="what it does, in a sentence",
        examples=["Buy when the fast mean crosses above the slow one."],
    )
    source: str = Field(description="where the rule comes from; empty: not said")
    kind: Literal["spot", "fixed_payout"] = Field(
        description="spot: buys and sells; fixed_payout: bets on contracts"
    )
    parameters: dict[str, Any] = Field(
        description="JSON schema of its parameters: types, bounds, units, words, defaults",
        examples=[{"type": "object", "properties": {"fast": {"type": "integer", "default": 20}}}],
    )
    warm_up: int = Field(
        description="bars that it looks back with its defaults, before it decides", examples=[201]
    )
    timeframes: int = Field(
        description="bar lengths that it reads; 2: also longer ones", examples=[1]
    )
    is_shipped: bool = Field(description="false: installed by the operator")
    digest: str = Field(description="sha256 of the text that defines it")


class ValidateIn(BaseModel):
    """Parameters to be checked; nothing is stored."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="by name; those not given have their defaults",
        examples=[{"fast": 10, "slow": 30}],
    )


class ParameterFault(BaseModel):
    """What is wrong with a parameter, and what would do."""

    field: str = Field(description="name of the parameter", examples=["fast"])
    reason: str = Field(examples=["fast=50 is not below slow=20"])
    passing: Any = Field(
        default=None, description="a value that would pass with the others; null: none was found"
    )


class ValidityOut(BaseModel):
    """Whether parameters are valid, and what they come to."""

    is_valid: bool
    faults: list[ParameterFault] = Field(default_factory=list[ParameterFault])
    parameters: dict[str, Any] | None = Field(
        default=None, description="all of them, defaults filled in; null: not valid"
    )
    warm_up: int | None = Field(default=None, description="bars that it looks back with them")
