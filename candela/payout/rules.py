"""The rules of a fixed-payout simulation: payout, ties, entry, and how large a stake is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from candela.payout.ladder import PAYOUT_SCALE, Ladder, WhenShort, ladder_stakes

__all__ = ["PayoutRules", "StakeSizing"]

Money = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StakeSizing(_Frozen):
    """How large the stake of a contract is."""

    kind: Literal["fixed", "fraction", "martingale"] = Field(
        default="fixed", description="what value is"
    )
    value: Money = Field(
        default=Decimal(1),
        description="fixed: the stake; fraction: share of the cash, rounded down to money_step;"
        " martingale: the first stake of the ladder",
    )
    factor: Annotated[Decimal, Field(ge=1, le=100)] = Field(
        default=Decimal(2), description="martingale: stake after a loss over the stake before"
    )
    steps: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, description="martingale: stakes in a ladder; after the last it starts again"
    )
    max_stake: Money | None = Field(default=None, description="no stake is larger")
    minimum_stake: Money | None = Field(
        default=None, description="smaller stakes are rejected; none: one money_step"
    )
    when_short: WhenShort = Field(
        default="stop",
        description="a stake that cash cannot pay; stop: rejected, rest: all cash is staked",
    )

    @model_validator(mode="after")
    def _share_is_one(self) -> Self:
        is_share = self.value <= 1 and self.value * PAYOUT_SCALE % 1 == 0
        if self.kind == "fraction" and not is_share:
            message = f"a share of the cash is at most 1 with six decimals, not {self.value}"
            raise ValueError(message)
        return self


class PayoutRules(_Frozen):
    """What a venue of fixed payouts pays, and when a decision becomes a contract."""

    payout: Annotated[Decimal, Field(gt=0, le=1000, decimal_places=6)] = Field(
        default=Decimal("0.8"), description="profit of a win over its stake; 0.8 turns 100 into 180"
    )
    refund_ties: bool = Field(
        default=True, description="whether an expiry at the price of entry gives the stake back"
    )
    fill: Literal["next_open", "close"] = Field(
        default="next_open",
        description="entry at the open of the bar after the decision, or at the close of its bar",
    )
    max_open: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="contracts open at once; further decisions are skipped and counted"
    )
    money_step: Money = Field(default=Decimal("0.01"), description="the smallest amount of money")
    sizing: StakeSizing = StakeSizing()

    def stakes(self) -> tuple[int, ...]:
        """Return the stakes of the ladder in money steps; one for a fixed stake, none for a share.

        Raises
        ------
        BadLadder
            A stake is no whole number of money steps, or exceeds the largest.
        """
        sizing = self.sizing
        if sizing.kind == "fraction":
            return ()
        steps = sizing.steps if sizing.kind == "martingale" else 1
        return ladder_stakes(sizing.value, sizing.factor, steps, sizing.max_stake, self.money_step)

    def ladder(self, bankroll: Decimal) -> Ladder | None:
        """Return the ladder that these rules climb, for its ruin; none for a share of the cash.

        Raises
        ------
        BadLadder
            The values make no ladder.
        """
        sizing = self.sizing
        if sizing.kind == "fraction":
            return None
        return Ladder(
            first_stake=sizing.value,
            payout=self.payout,
            bankroll=bankroll,
            factor=sizing.factor,
            steps=sizing.steps if sizing.kind == "martingale" else 1,
            max_stake=sizing.max_stake,
            when_short=sizing.when_short,
            money_step=self.money_step,
        )
