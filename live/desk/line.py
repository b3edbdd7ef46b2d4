"""The line to the venue: when to leave it alone, whether it answers, whether the key lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from candela.brokers.port import CredentialsDead, NoInformation, NoRoom
from candela.clock import Clock
from candela.errors import BrokerError, NotFound, RateLimited
from candela.orders.fence import pause_s
from live.desk.terms import Counts, DeskTerms

__all__ = ["Line"]

Answer = TypeVar("Answer")

_LOG = logging.getLogger(__name__)

_DOWN_AFTER = 3
_ENTRIES_YIELD_S = 0.25
_LONGEST_SLEEP_S = 60.0


class Line:
    """Counts what goes wrong with one account's venue, and says when to try again.

    Parameters
    ----------
    random
        From 0 to 1, for jitter.
    """

    def __init__(
        self, clock: Clock, terms: DeskTerms, counts: Counts, random: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._terms = terms
        self._counts = counts
        self._random = random
        self._quiet_until: datetime | None = None
        self._dead_until: datetime | None = None
        self._troubles = 0
        self._exits_waiting = 0

    @property
    def is_down(self) -> bool:
        """Whether the last answers were all unusable: entries wait for the venue to be back."""
        return self._troubles >= _DOWN_AFTER

    @property
    def is_dead(self) -> bool:
        """Whether the venue refuses the key: nothing is asked until it is tried again."""
        return self._dead_until is not None

    def well(self) -> None:
        """Note a usable answer."""
        self._troubles = 0
        self._dead_until = None

    def trouble(self) -> None:
        """Note that an answer was lost."""
        self._troubles += 1

    def quiet(self, wait_s: float) -> None:
        """Leave the venue alone for so long."""
        until = self._clock.now() + timedelta(seconds=max(wait_s, 0.1))
        if self._quiet_until is None or until > self._quiet_until:
            self._quiet_until = until

    def dead(self) -> None:
        """Note that the key is refused."""
        self._dead_until = self._clock.now() + timedelta(seconds=self._terms.dead_key_s)

    def pause_s(self, number: int, longest_s: float = _LONGEST_SLEEP_S) -> float:
        """Return how long to wait before asking the same again."""
        return pause_s(number, self._random, longest_s)

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask the venue something.

        Raises
        ------
        NoInformation
            It was not answered usably.
        NoRoom
            It was not asked.
        CredentialsDead
            The key is refused, now or a short while ago.
        candela.errors.NotFound
            The venue does not list the symbol.
        """
        if self._dead_until is not None and self._clock.now() < self._dead_until:
            raise CredentialsDead(
                "the venue refuses the key of this account", "Store another key for it."
            )
        wait_s = self._left_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        try:
            answer = await question()
        except CredentialsDead:
            self.dead()
            raise
        except NotFound:
            raise
        except NoRoom:
            # Nothing was asked, so that nothing is known of the venue either.
            self._counts.questions_without_room += 1
            raise
        except (BrokerError, RateLimited) as error:
            # Whatever else a broker says, it was no answer to the question.
            self._unanswered()
            raise NoInformation(error.message, error.hint) from error
        except Exception as fault:  # noqa: BLE001 (it says nothing of the question)
            # A mistake in an adapter is no answer either, and ends nobody else's trading. Only its
            # class is told: the text may hold what was signed.
            self._unanswered()
            name = type(fault).__name__
            _LOG.error("The broker threw %s while it was asked.", name)
            raise NoInformation(f"the broker threw {name}", "It is asked again.") from None
        self.well()
        return answer

    def _unanswered(self) -> None:
        self._counts.questions_unanswered += 1
        self._troubles += 1

    async def turn(self, *, is_exit: bool, until: datetime | None) -> bool:
        """Wait for a moment at which something may be sent; exits come first.

        Returns whether the moment has come; False at the latest at `until`, or where the key is
        refused.
        """
        number = 0
        self._exits_waiting += is_exit
        try:
            while not self.is_dead:
                wait_s = self._left_s()
                if self.is_down and (number == 0 or not is_exit):
                    wait_s = max(wait_s, self.pause_s(self._troubles))
                if not is_exit and self._exits_waiting:
                    wait_s = max(wait_s, _ENTRIES_YIELD_S)
                if wait_s <= 0:
                    return True
                if until is not None:
                    left_s = (until - self._clock.now()).total_seconds()
                    if left_s <= 0:
                        return False
                    wait_s = min(wait_s, left_s)
                await asyncio.sleep(wait_s)
                number += 1
        finally:
            self._exits_waiting -= is_exit
        return False

    def _left_s(self) -> float:
        if self._quiet_until is None:
            return 0.0
        left_s = (self._quiet_until - self._clock.now()).total_seconds()
        if left_s <= 0:
            self._quiet_until = None
        return left_s
