"""What is under way: a send, its latest signature and its instant; a question that is urgent."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from candela.clock import Clock

__all__ = ["SENDING", "URGENT", "Send", "SigningClock", "urgent"]


@dataclass(slots=True)
class Send:
    """A send of this task.

    Parameters
    ----------
    by
        Until when it may be signed, in time of the loop.
    signed_at
        The instant in its signature; None before it is signed.
    """

    by: float
    signed_at: datetime | None = None


SENDING: Final[ContextVar[Send | None]] = ContextVar("candela_sending", default=None)
"""The send of this task; None for a question."""


URGENT: Final[ContextVar[bool]] = ContextVar("candela_urgent", default=False)
"""Whether questions of this task may use what the request budget keeps for orders."""


@contextlib.contextmanager
def urgent() -> Generator[None]:
    """Ask before all that is asked as a matter of routine: money hangs on the answer."""
    token = URGENT.set(True)
    try:
        yield
    finally:
        URGENT.reset(token)


class SigningClock:
    """A clock that stands while a send is signed.

    A process that is stopped between being allowed to sign and signing would otherwise put its
    later time into the signature, and the venue would take what is held to be absent by then.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Return the instant that the send of this task is signed with, or the present."""
        send = SENDING.get()
        if send is not None and send.signed_at is not None:
            return send.signed_at
        return self._clock.now()
