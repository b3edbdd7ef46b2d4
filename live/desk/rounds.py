"""When an account is compared with its venue, and how much of it: what a round costs is shared.

A venue counts the requests of all accounts behind one address together. So what is believed open is
looked at often, the whole seldom, and what befalls all accounts at once is answered at different
moments.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from live.desk.terms import DeskTerms

__all__ = ["Finding", "Round", "Rounds"]


class Round(StrEnum):
    """How much is compared."""

    QUICK = "quick"  # what is believed open
    WHOLE = "whole"  # balances, all open orders, and executions where they do not explain all


class Finding(StrEnum):
    """What a whole round found."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNDECIDED = "undecided"  # something was under way


_EARLIEST = 0.8
"""Of a pause, the least part of it that is waited; the rest is jitter."""
_LATEST = 0.95
"""Of the pause of quick rounds: their answers shall be there when it is over."""


class Rounds:
    """The timetable of one account, in time of the loop.

    Parameters
    ----------
    random
        From 0 to 1, for jitter.
    """

    def __init__(self, terms: DeskTerms, random: Callable[[], float]) -> None:
        self._terms = terms
        self._random = random
        self._whole_at = 0.0
        self._quick_at = 0.0
        self._last_whole_at: float | None = None
        self._was_connected = False

    @property
    def next_at(self) -> float:
        """When there is something to do next."""
        return min(self._whole_at, self._quick_at)

    def due(self, now: float, *, has_open: bool, is_quiet: bool) -> Round | None:
        """Return what is to be done now, if anything.

        Parameters
        ----------
        has_open
            Whether anything is believed open at the venue.
        is_quiet
            Whether nothing is under way; a whole round would be undecided otherwise.
        """
        last = self._last_whole_at
        if self._whole_at <= now:
            if last is None or is_quiet or now - last >= self._terms.whole_s:
                return Round.WHOLE
            self._whole_at = now + self._terms.quiet_s
        if self._quick_at <= now:
            if has_open:
                return Round.QUICK
            self._quick_over(now)
        return None

    def over(self, now: float, finding: Finding | None) -> None:
        """Plan the next rounds after one; None after a quick one."""
        self._quick_over(now)
        if finding is None:
            return
        terms = self._terms
        self._last_whole_at = now
        if finding is Finding.AGREES:
            self._whole_at = now + terms.whole_s * self._between(_EARLIEST, 1.0)
        else:
            # Long enough for what is there then to be no lag of an answer.
            self._whole_at = now + terms.settle_s * self._between(1.02, 1.2)

    def failed(self, now: float, pause_s: float) -> None:
        """Try again after a pause."""
        self._whole_at = max(self._whole_at, now + pause_s)
        self._quick_at = max(self._quick_at, now + pause_s)

    def moved(self, now: float) -> None:
        """Note that something was booked or has ended: balances shall confirm it before long."""
        if self._last_whole_at is not None:
            self._whole_by(max(now + self._terms.quiet_s, self._last_whole_at + self._terms.gap_s))

    def connected(self, now: float) -> None:
        """Note that the stream is there: what nobody heard is asked for, at a moment of its own."""
        terms = self._terms
        self._quick_at = min(self._quick_at, now + terms.quiet_s * self._random())
        if self._was_connected and self._last_whole_at is not None:
            self._whole_by(
                max(now + terms.spread_s * self._random(), self._last_whole_at + terms.quiet_s)
            )
        self._was_connected = True

    def _whole_by(self, at: float) -> None:
        self._whole_at = min(self._whole_at, at)

    def _quick_over(self, now: float) -> None:
        self._quick_at = now + self._terms.reconcile_s * self._between(_EARLIEST, _LATEST)

    def _between(self, least: float, most: float) -> float:
        return least + (most - least) * self._random()
