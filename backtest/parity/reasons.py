"""Reasons: what the books say of a trade, a leg or an exit that one side alone has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from backtest.parity.words import Cause, Evidence, Leg, Wish

__all__ = ["GATES", "HALT_WORDS", "LATE_WORDS", "Why", "why_absent", "why_extra", "why_other_exit"]

Why: TypeAlias = tuple[Cause, str]

_NO_EVIDENCE: Final = Evidence()
# Gates of these names speak of data, of time or of the venue's rules; all others of risk.
GATES: Final[Mapping[str, Cause]] = {
    **dict.fromkeys(("bar_quality", "bar_history", "bar_closed"), Cause.MISSED_BAR),
    **dict.fromkeys(("bar_age", "decision_age", "slot_age", "instrument_state", "price"),
                    Cause.OUTAGE),
    **dict.fromkeys(("lot", "minimum_quantity", "maximum_quantity", "minimum_notional", "quantity",
                     "sellable_quantity", "sellable_value", "exit_held", "size", "balance",
                     "account_state"), Cause.REJECT),
    "in_flight": Cause.LATENCY,
}  # fmt: skip
LATE_WORDS: Final = ("lapsed before", "attempts without effect", "not sent")
HALT_WORDS: Final = ("halted", "canceled before")
# A limit that rested and was not reached by the quotes.
_REST_WORDS: Final = ("canceled", "expired")
_MISSED_STATES: Final = frozenset({"missing_bar", "quarantined_bar", "stale_bar", "too_few_bars"})
_WATCHED: Final = frozenset({"stop", "target", "trailing"})
_FORCED: Final[Mapping[str, Why]] = {
    "flatten": (Cause.RISK_GATE, "it was sold by a kill switch, or as the bot was stopped"),
    "manual": (Cause.RISK_GATE, "it was sold by hand"),
    "stage": (Cause.RISK_GATE, "a part was sold by the bot's limits"),
    "data": (Cause.MISSED_BAR, "it was sold because a bar was bad"),
}


def why_absent(known: Evidence, wish: Wish, before: Why | None) -> Why:
    """Say why the bot did not do what the backtest did; the first that the books tell.

    Parameters
    ----------
    wish
        The bot's entry, or exit, of that bar.
    before
        The difference that it follows from, where the bot was not free to do the same.
    """
    found = _refused(wish) or _failed(wish) or _not_decided(known)
    if found is not None:
        return found
    if before is not None:
        return before
    if known.is_away:
        return Cause.OUTAGE, "no executor worked on the bot"
    return _other_bars(known) or (Cause.DEFECT, "nothing says why")


def why_extra(known: Evidence, before: Why | None, leg: Leg | None = None) -> Why:
    """Say why the bot did what the backtest did not."""
    if leg is not None and leg.reason != "signal":
        return Cause.RISK_GATE, "it was bought by hand, or by the bot's limits"
    if before is not None:
        return before
    found = _other_bars(known)
    if found is None and known.entry.is_limit:
        found = Cause.LATENCY, "quotes reached a limit that bars did not"
    return found or (Cause.DEFECT, "nothing says why")


def why_other_exit(
    mine: Leg, other: Leg, evidence: Mapping[datetime, Evidence], before: Why | None
) -> Why:
    """Say why one thing was sold on different bars.

    Parameters
    ----------
    before
        The difference of entries that it follows from, where both sides sold on both bars.
    """
    if mine.reason in _FORCED and not mine.is_mark:
        return _FORCED[mine.reason]
    if before is not None:
        return before
    at, known = mine.decided_bar, evidence.get(other.decided_bar, _NO_EVIDENCE)
    is_watched = mine.reason in _WATCHED or other.reason in _WATCHED
    if is_watched:
        return Cause.LATENCY, "levels are watched on quotes, in the backtest on bars"
    if not other.is_mark and (mine.is_mark or other.decided_bar < at):
        return why_absent(known, known.exit, None)
    found = _other_bars(evidence.get(at, _NO_EVIDENCE))
    return found or (Cause.DEFECT, "nothing says why it was sold then")


def _other_bars(known: Evidence) -> Why | None:
    if known.lacks:
        return Cause.MISSED_BAR, "it saw fewer candles"
    if known.differs:
        return Cause.DATA_REVISION, "it saw other candles"
    return None


def _refused(wish: Wish) -> Why | None:
    gate = wish.refused_by
    if gate is None:
        return None
    return GATES.get(gate, Cause.RISK_GATE), f"the gate {gate} refused"


def _failed(wish: Wish) -> Why | None:
    if wish.ended != "failed":
        return None
    reason = wish.reason or "no reason given"
    if any(word in reason for word in LATE_WORDS):
        return Cause.OUTAGE, reason
    if any(word in reason for word in HALT_WORDS):
        return Cause.RISK_GATE, reason
    if wish.is_limit and any(word in reason for word in _REST_WORDS):
        return Cause.LATENCY, f"the quotes did not reach its limit: {reason}"
    return Cause.REJECT, reason


def _not_decided(known: Evidence) -> Why | None:
    if known.status is None:
        return Cause.OUTAGE, "nobody decided on the bar"
    if known.status in _MISSED_STATES:
        return Cause.MISSED_BAR, f"the signal says {known.status}"
    if known.status != "ok":
        return Cause.OUTAGE, f"the signal says {known.status}"
    return None
