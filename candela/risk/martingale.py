"""Stakes that grow after losses: the next one, the gates on it, and the word that allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from candela.errors import RiskHalt
from candela.gates import Gate, ask
from candela.risk.history import ladder_step
from candela.risk.limits import RuinAcknowledgement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from decimal import Decimal

    from candela.payout.assessment import RuinEstimate
    from candela.risk.facts import EntryRequest, RiskFacts
    from candela.risk.history import Settled
    from candela.risk.limits import Martingale, RiskLimits

__all__ = ["NextStake", "RuinNotAcceptable", "acknowledge", "ladder_gates", "next_stake"]


class RuinNotAcceptable(RiskHalt):
    """The estimate's probability of ruin is above the cap of the bot."""

    code = "ruin_not_acceptable"


@dataclass(frozen=True, slots=True)
class NextStake:
    """Where a ladder stands.

    Parameters
    ----------
    step
        From 0.
    stake
        In the currency of the account.
    """

    step: int
    stake: Decimal


def next_stake(martingale: Martingale, settled: Iterable[Settled]) -> NextStake | None:
    """Return the step and stake that settled trades lead to; None: an outcome is awaited."""
    step = ladder_step(
        settled,
        martingale.steps,
        after_draw=martingale.after_draw,
        after_unknown=martingale.after_unknown,
    )
    return None if step is None else NextStake(step, martingale.stakes[step])


def acknowledge(
    estimate: RuinEstimate, cap_ratio: float, *, rounds: int, at: datetime
) -> RuinAcknowledgement:
    """Return a person's word that the estimate was read, to be kept with the bot's limits.

    Parameters
    ----------
    cap_ratio
        Largest probability of ruin that the bot accepts.
    rounds
        One of the horizons that were assessed.

    Raises
    ------
    RuinNotAcceptable
        The probability of ruin is above the cap.
    HorizonNotAssessed
        Nothing was assessed over that many rounds.
    """
    ladder = estimate.ladder
    found = estimate.ruin_after(rounds)
    if found.ruin > cap_ratio:
        message = (
            f"Ruin within {rounds:,} rounds has a probability of {found.ruin:.4f}, above the cap "
            f"of {cap_ratio}."
        )
        raise RuinNotAcceptable(message, "Take fewer steps, a lower factor or a smaller stake.")
    return RuinAcknowledgement(
        first_stake=ladder.first_stake,
        factor=ladder.factor,
        steps=ladder.steps,
        largest_stake=ladder.max_stake,
        payout_ratio=ladder.payout,
        bankroll=ladder.bankroll,
        win_rate=estimate.win_rate,
        rounds=rounds,
        ruin_ratio=found.ruin,
        acknowledged_at=at,
    )


def ladder_gates(request: EntryRequest, facts: RiskFacts, limits: RiskLimits) -> Iterator[Gate]:
    """Give the gates on a growing stake, in order; none where no ladder is asked for or set."""
    martingale = limits.martingale
    if martingale is None:
        if request.ladder_step is not None:
            phrase = "The size comes from a ladder ({value}), which the bot's limits have {limit}."
            yield ask("martingale", "on", "equal", "off", phrase)
        return
    read = "acknowledged" if martingale.is_acknowledged else "not acknowledged"
    phrase = "The ruin estimate of this ladder is {value}; it has to be {limit}."
    yield ask("ladder_acknowledged", read, "equal", "acknowledged", phrase)
    acknowledged = martingale.acknowledgement
    if request.payout_ratio is not None and acknowledged is not None:
        yield ask(
            "ladder_payout",
            request.payout_ratio,
            "at_least",
            acknowledged.payout_ratio,
            "The payout is {value}; the ruin estimate assumed {limit}.",
        )
    yield ask(
        "ladder_settled",
        facts.unsettled,
        "at_most",
        0,
        "{value} earlier stakes are not settled; the next one waits for all ({limit}).",
    )
    upcoming = next_stake(martingale, facts.settled)
    known = "unknown" if upcoming is None else "known"
    phrase = "The outcome of an earlier stake is {value}; it has to be {limit}."
    yield ask("ladder_known", known, "equal", "known", phrase)
    if upcoming is not None:
        yield ask(
            "ladder_step",
            request.ladder_step,
            "equal",
            upcoming.step,
            "The size is of step {value}; settled trades lead to step {limit}.",
        )
        yield ask(
            "ladder_stake",
            request.amount,
            "at_most",
            upcoming.stake,
            "The stake is {value}; this step's is {limit}.",
        )
