"""Reasons: what the books say of a trade, or an exit, that one side alone has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from backtest.parity.words import Cause, Evidence, Trip

__all__ = ["why_absent", "why_extra", "why_other_exit"]

_NO_EVIDENCE: Final = Evidence()
# Gates of these names speak of data, of time or of the venue's rules, not of risk.
_MISSED_GATES: Final = frozenset({"bar_quality", "bar_history", "bar_closed"})
_LATE_GATES: Final = frozenset({"bar_age", "decision_age", "slot_age", "instrument_state"})
_VENUE_GATES: Final = frozenset(
    {
        *("lot", "minimum_quantity", "minimum_notional", "maximum_quantity", "balance"),
        *("quantity", "sellable_quantity", "sellable_value", "size", "account_state"),
    }
)
_LATE_WORDS: Final = ("lapsed before", "attempts without effect", "not sent")
_HALT_WORDS: Final = ("halted", "canceled before")
# A limit that rested and was not reached by the quotes.
_REST_WORDS: Final = ("canceled", "expired")
_MISSED_STATES: Final = frozenset({"missing_bar", "quarantined_bar", "stale_bar"})
_WATCHED: Final = frozenset({"stop", "target", "trailing"})


def why_absent(
    known: Evidence,
    bar: datetime,
    last: tuple[Cause, datetime | None],
    held: Trip | None,
) -> tuple[Cause, str]:
    """Say why the bot did not do what the backtest did; the first that the books tell."""
    found = _refused(known) or _failed(known) or _not_decided(known)
    if found is not None:
        return found
    if held is not None:
        return last[0], "it still held the position of an earlier difference"
    if known.differs:
        return Cause.DATA_REVISION, "it saw other candles"
    return Cause.DEFECT, f"nothing says why, on the bar of {bar:%Y-%m-%d %H:%M}"


def _refused(known: Evidence) -> tuple[Cause, str] | None:
    gate = known.refused_by
    if gate is None:
        return None
    if gate in _MISSED_GATES:
        return Cause.MISSED_BAR, f"the gate {gate} held it back"
    if gate in _LATE_GATES:
        return Cause.OUTAGE, f"the gate {gate} held it back"
    if gate in _VENUE_GATES:
        return Cause.REJECT, f"the gate {gate} refused what the venue would"
    return Cause.RISK_GATE, f"the gate {gate} refused"


def _failed(known: Evidence) -> tuple[Cause, str] | None:
    if known.ended != "failed":
        return None
    reason = known.reason or "no reason given"
    if any(word in reason for word in _LATE_WORDS):
        return Cause.OUTAGE, reason
    if any(word in reason for word in _HALT_WORDS):
        return Cause.RISK_GATE, reason
    if reason.startswith(_REST_WORDS):
        return Cause.LATENCY, f"a limit that the quotes did not reach: {reason}"
    return Cause.REJECT, reason


def _not_decided(known: Evidence) -> tuple[Cause, str] | None:
    if known.status is None:
        return Cause.OUTAGE, "nobody decided on the bar"
    if known.status in _MISSED_STATES:
        return Cause.MISSED_BAR, f"the signal says {known.status}"
    if known.status != "ok":
        return Cause.OUTAGE, f"the signal says {known.status}"
    return None


def why_extra(
    known: Evidence, last: tuple[Cause, datetime | None], *, held: Trip | None
) -> tuple[Cause, str]:
    """Say why the bot did what the backtest did not."""
    if held is not None:
        return last[0], "the backtest still held the position of an earlier difference"
    if known.differs:
        return Cause.DATA_REVISION, "it saw other candles"
    return Cause.DEFECT, "nothing says why"


def why_other_exit(
    mine: Trip, other: Trip, evidence: Mapping[datetime, Evidence]
) -> tuple[Cause, str]:
    """Say why the exits of one trade were decided on different bars."""
    reasons = {"flatten": Cause.RISK_GATE, "manual": Cause.RISK_GATE}
    if mine.exit_reason in reasons:
        return reasons[mine.exit_reason], f"it was closed by {mine.exit_reason}"
    if mine.exit_reason in _WATCHED or other.exit_reason in _WATCHED:
        return Cause.LATENCY, "levels are watched on quotes, in the backtest on bars"
    at = other.exit_bar
    known = evidence.get(at, _NO_EVIDENCE) if at is not None else _NO_EVIDENCE
    if mine.exit_bar is None or at is None or at < mine.exit_bar:
        cause, words = why_absent(known, at or mine.decided_bar, (Cause.DEFECT, None), None)
        return cause, words
    if evidence.get(mine.exit_bar, _NO_EVIDENCE).differs:
        return Cause.DATA_REVISION, "it saw other candles"
    return Cause.DEFECT, "nothing says why"
