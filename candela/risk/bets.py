"""The caps on bets as the transaction of an intent asks them: pure, over the rows it has locked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from candela.gates import Gate, ask
from candela.money import EXACT, ZERO
from candela.orders.bets import BetStatus
from candela.risk.facts import RiskFacts
from candela.risk.history import Settled, realised_between
from candela.risk.judge import Verdict, verdict_of
from candela.risk.martingale import ladder_gates
from candela.risk.money_gates import day_gates, exposure_gates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from candela.orders.bets import Bet
    from candela.risk.facts import EntryRequest
    from candela.risk.history import Outcome
    from candela.risk.limits import RiskLimits

__all__ = ["BetCase", "BetRows", "OpenStake", "bet_facts", "judge_bet", "settled_of"]

_OUTCOMES: Final[Mapping[BetStatus, Outcome]] = {
    BetStatus.WON: "win",
    BetStatus.LOST: "loss",
    BetStatus.DRAWN: "draw",
    BetStatus.VOID: "draw",
    BetStatus.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class OpenStake:
    """A stake on an account that is not settled: intended, sent, open, or of unknown result.

    Parameters
    ----------
    expires_at
        The slot that was asked for.
    in_doubt
        Whether it is not known if it was placed, or how it ended.
    """

    bot_id: UUID | None
    asset: str
    expires_at: datetime
    stake: Decimal
    in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BetCase:
    """The bet that is judged.

    Parameters
    ----------
    asset
        As the broker names it.
    expires_at, valid_until
        Its slot, and when it is too late for it.
    day_at, day_end
        The user's calendar day.
    """

    bot_id: UUID | None
    asset: str
    expires_at: datetime
    valid_until: datetime
    request: EntryRequest
    limits: RiskLimits
    day_at: datetime
    day_end: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class BetRows:
    """What the transaction of a bet has read of its account and bot.

    Parameters
    ----------
    open_stakes
        Of the whole account.
    settled
        Of the bot: at least those since its last win, and those of the day.
    bets_today
        Intents of the bot in the day.
    free
        Of the account's currency.
    """

    open_stakes: tuple[OpenStake, ...] = ()
    settled: tuple[Settled, ...] = ()
    bets_today: int = 0
    free: Decimal = ZERO


def settled_of(bet: Bet) -> Settled:
    """Return a bet that is over as ladders and breakers look at it.

    It is settled at its expiry, whenever the result was heard of: the order of histories, and with
    it the step of a ladder, is the broker's and not that of our messages.
    """
    outcome = _OUTCOMES[bet.status]
    return Settled(str(bet.trade_id), bet.expires_at, outcome, bet.pnl or ZERO)


def bet_facts(case: BetCase, rows: BetRows) -> RiskFacts:
    """Return what the caps on a bot's next bet look at."""
    own = [one for one in rows.open_stakes if one.bot_id == case.bot_id]
    at_stake = ZERO
    on_asset = ZERO
    for one in own:
        at_stake = EXACT.add(at_stake, one.stake)
        if one.asset == case.asset:
            on_asset = EXACT.add(on_asset, one.stake)
    return RiskFacts(
        trades_today=rows.bets_today,
        realised_today=realised_between(rows.settled, case.day_at, case.day_end),
        open_stakes=at_stake,
        open_positions=len(own),
        exposure=at_stake,
        symbol_exposure=on_asset,
        settled=rows.settled,
        unsettled=len(own),
        free=rows.free,
    )


def judge_bet(case: BetCase, rows: BetRows) -> Verdict:
    """Judge a bet by the rows that its transaction has locked: slot, doubts, caps, ladder, balance.

    States, plan and hours were judged before; what could have changed since is asked again.
    """
    facts = bet_facts(case, rows)
    return verdict_of(
        chain(
            _slot_gates(case, rows),
            day_gates(case.request, facts, case.limits),
            exposure_gates(case.request, facts, case.limits),
            ladder_gates(case.request, facts, case.limits),
        )
    )


def _slot_gates(case: BetCase, rows: BetRows) -> Iterator[Gate]:
    yield ask(
        "slot_age",
        case.now,
        "below",
        case.valid_until,
        "It is {value}; the bet was worth something before {limit}.",
    )
    # The broker gives no id of ours back: two alike could not be told apart.
    taken = sum(
        one.asset == case.asset and one.expires_at == case.expires_at for one in rows.open_stakes
    )
    phrase = (
        "{value} bets of the account are on this asset and expiry; there is room after {limit}."
    )
    yield ask("slot_free", taken, "at_most", 0, phrase)
    doubts = sum(one.in_doubt and one.bot_id == case.bot_id for one in rows.open_stakes)
    phrase = "{value} bets of the bot are in doubt; the next one waits for all ({limit})."
    yield ask("bets_known", doubts, "at_most", 0, phrase)
