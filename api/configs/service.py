"""From what was sent to what a bot can run: parameters, costs, ruin, definition and market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from api.configs.errors import ConfigRefused, NoLadder, RuinReadOtherwise
from api.configs.schemas import EstimateOut
from api.kit.problems import Fault
from api.strategies.service import checked_parameters, find_strategy
from candela.bots.checks import ruin_of
from candela.bots.config import BotConfig
from candela.bots.costs import usual_costs
from candela.errors import CandelaError
from candela.money import ZERO
from candela.risk.martingale import acknowledge
from candela.venues.errors import UnknownVenue
from candela.venues.stored import InstrumentNotKnown, stored_market_of
from strategies.registry import UnknownStrategy

if TYPE_CHECKING:
    from pathlib import Path

    from api.configs.schemas import RuinIn
    from candela.bots.definition import Definition
    from candela.bots.market import Market
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.payout.assessment import RuinEstimate
    from candela.risk.limits import Martingale

__all__ = ["Configured", "configured", "estimate"]

_PLACE: Final = "body.config"
_SAME: Final = 5e-5
# Lengths of bars that venues offer: one that none has would be waited for without end.
_OFFERED: Final = frozenset(
    "1s 1m 3m 5m 10m 15m 30m 1h 2h 3h 4h 6h 8h 12h 1d 3d 1w".split()  # noqa: SIM905 - read as a row
)


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration in full, with what is evaluated for it and what its venue takes."""

    config: BotConfig
    definition: Definition
    market: Market


def configured(
    session: TenantSession,
    config: BotConfig,
    ruin: RuinIn | None,
    *,
    folder: Path | None,
    clock: Clock,
    kept: BotConfig | None,
) -> Configured:
    """Check a configuration, and fill in what was left to defaults.

    Parameters
    ----------
    ruin
        With a ladder: what its ruin is estimated with, and the word that it was read.
    kept
        The configuration that it replaces: a ladder that stays as it is needs no new word.

    Raises
    ------
    ConfigRefused
        Each field with its reason.
    ParametersRefused
        The same for the parameters of the strategy.
    RuinReadOtherwise, RuinNotAcceptable
        The estimate that was acknowledged is another one, or above the cap.
    """
    from strategies.defining import define

    try:
        strategy = find_strategy(config.strategy, folder)
    except UnknownStrategy as error:
        _refuse("strategy", error)
    parameters = checked_parameters(strategy, config.parameters, f"{_PLACE}.parameters")
    if str(config.interval) not in _OFFERED:
        message = f"{config.timeframe} is no length of bars that venues offer."
        raise ConfigRefused(
            message,
            "Take one such as 1m, 5m, 15m, 1h, 4h or 1d.",
            [Fault(field=f"{_PLACE}.timeframe", reason=message)],
        )
    try:
        market = stored_market_of(session.connection, config.traded)
    except (InstrumentNotKnown, UnknownVenue) as error:
        _refuse("instrument", error)
    values = config.as_json() | {"parameters": parameters.model_dump(mode="json")}
    if "costs" not in config.model_fields_set and (usual := usual_costs(config.instrument)):
        values["costs"] = usual
    whole = _with_word(BotConfig.model_validate(values), ruin, clock=clock, kept=kept)
    definition = define(strategy, parameters, whole.traded, whole.interval)
    return Configured(whole, definition, market)


def estimate(config: BotConfig, ruin: RuinIn) -> EstimateOut:
    """Return the risk of a configuration's ladder, for a person to read.

    Raises
    ------
    NoLadder
        Its stakes do not grow.
    """
    ladder = config.martingale
    if ladder is None:
        raise NoLadder("The configuration has no limits.martingale.", "There is nothing to read.")
    found = _estimate(config, ladder, ruin)
    ratio = found.ruin_after(ruin.rounds).ruin
    return EstimateOut(ruin_ratio=ratio, words=list(found.words), figures=found.as_dict())


def _with_word(
    config: BotConfig, ruin: RuinIn | None, *, clock: Clock, kept: BotConfig | None
) -> BotConfig:
    """Keep with a ladder that its estimate was read; a word that somebody sent is never taken."""
    ladder = config.martingale
    if ladder is None:
        return config
    before = kept.martingale if kept is not None else None
    word = None
    if ruin is not None and ruin.acknowledged_ruin_ratio is not None:
        found = _estimate(config, ladder, ruin)
        ratio = found.ruin_after(ruin.rounds).ruin
        if abs(ratio - ruin.acknowledged_ruin_ratio) > _SAME:
            message = f"Ruin was acknowledged at {ruin.acknowledged_ruin_ratio}; it is {ratio:.6f}."
            raise RuinReadOtherwise(
                message, "POST /bots/ruin shows the estimate; repeat its ruin_ratio."
            )
        word = acknowledge(found, ladder.ruin_cap_ratio, rounds=ruin.rounds, at=clock.now())
    elif before is not None and before == ladder and kept is not None:
        same_money = kept.capital == config.capital and kept.payout == config.payout
        word = before.acknowledgement if same_money else None
    read = ladder.model_copy(update={"acknowledgement": word})
    limits = config.limits.model_copy(update={"martingale": read})
    return config.model_copy(update={"limits": limits})


def _estimate(config: BotConfig, ladder: Martingale, ruin: RuinIn) -> RuinEstimate:
    usual = ZERO if config.payout is None else config.payout.payout
    payout = usual if ruin.payout_ratio is None else ruin.payout_ratio
    if payout <= 0:
        message = "The ladder's estimate needs the profit of a win over its stake."
        raise ConfigRefused(
            message, "Give it.", [Fault(field="body.ruin.payout_ratio", reason="is needed here")]
        )
    return ruin_of(
        ladder,
        payout_ratio=payout,
        bankroll=config.capital,
        win_rate=ruin.win_rate,
        rounds=ruin.rounds,
    )


def _refuse(field: str, error: CandelaError) -> NoReturn:
    fault = Fault(field=f"{_PLACE}.{field}", reason=error.message)
    raise ConfigRefused(error.message, error.hint, [fault]) from None
