"""One bot at work: its configuration, what it holds, what it owes; small, since there are many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from candela.bots.config import BotConfig
from candela.money import ZERO
from candela.orders.records import AccountKey, Position, PositionTerms
from live.bots.conditions import Conditions
from live.bots.guard import FirstFill, Guard
from live.bots.shields import Shield
from live.bots.tally import Tally

__all__ = ["BotRunner", "Owed", "RunnerState", "terms_of"]

RunnerState = Literal["stopped", "starting", "running", "stopping", "blocked", "error"]


@dataclass(frozen=True, slots=True)
class Owed:
    """An exit that was decided and is not done: tried again until nothing is held.

    Parameters
    ----------
    fraction
        Of what is held; parts are tried once more only while nothing of them was sold.
    held
        Base held when it was decided.
    tries
        Orders placed for it so far.
    not_before
        The next one waits until then.
    """

    reason: str
    leg: str
    bar_at: datetime
    definition_id: str | None
    fraction: Decimal
    held: Decimal
    tries: int = 0
    not_before: datetime | None = None


class BotRunner:
    """What an executor knows of a bot while it runs it.

    Parameters
    ----------
    config
        Shared by all bots of the same version text.
    since
        When a person last started it: a later instant ends this run and begins another.
    entered
        Base that the entries of the open trade filled.
    rest_until
        No further planned leg before it: the last one was refused.
    shield
        Its stop at the venue, as of the last second.
    run_id
        Row of the run that is under way; None while it does not run.
    """

    __slots__ = (
        "account",
        "bot_id",
        "config",
        "definition_id",
        "entered",
        "first",
        "flatten_on_stop",
        "guard",
        "mode",
        "name",
        "owed",
        "position",
        "rest_until",
        "run_id",
        "shield",
        "since",
        "state",
        "symbol",
        "tally",
        "version",
        "wanted",
    )

    def __init__(
        self,
        *,
        bot_id: UUID,
        name: str,
        account: AccountKey,
        mode: Literal["paper", "demo", "live"],
        config: BotConfig,
        version: int,
        definition_id: str,
        tally: Tally,
        position: Position | None = None,
        entered: Decimal = ZERO,
        first: FirstFill | None = None,
        since: datetime | None = None,
    ) -> None:
        self.bot_id = bot_id
        self.name = name
        self.account = account
        self.mode: Literal["paper", "demo", "live"] = mode
        self.config = config
        self.version = version
        self.since = since
        self.definition_id = definition_id
        self.symbol = config.symbol
        self.tally = tally
        self.position = position or Position(bot_id, account, self.symbol)
        self.first = first
        self.guard: Guard | None = None
        self.entered = entered
        self.owed: Owed | None = None
        self.rest_until: datetime | None = None
        self.run_id: UUID | None = None
        self.shield: Shield | None = None
        self.state: RunnerState = "starting"
        self.wanted: Literal["running", "stopped"] = "running"
        self.flatten_on_stop = False

    @property
    def is_held(self) -> bool:
        """Whether it holds anything that it bought."""
        return self.position.quantity > ZERO

    def equity(self, price: Decimal | None) -> Decimal:
        """Return capital, gains realised and, at a price, the open gain."""
        gained = self.config.capital + self.position.realised
        if price is None or not self.is_held:
            return gained
        return gained + self.position.quantity * (price - self.position.mean_price)


def terms_of(config: BotConfig, said: Conditions) -> PositionTerms:
    """Return what a position entered now is held by.

    The bot's own share first, else the strategy's at this bar, else that of the limits.
    """
    limits = config.limits
    return PositionTerms(
        stop_loss=_first(config.stop_loss, said.stop_loss, limits.stop_loss_ratio),
        take_profit=_first(config.take_profit, said.take_profit, limits.take_profit_ratio),
        trailing_stop=_first(config.trailing_stop, said.trailing_stop, limits.trailing_stop_ratio),
    )


def _first(own: Decimal | None, said: float, fallback: Decimal | None) -> Decimal | None:
    if own is not None:
        return own
    return fallback if said != said or said <= 0 else Decimal(repr(said))  # noqa: PLR0124 - NaN
