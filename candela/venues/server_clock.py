"""The venue's own clock: which candles are closed is for it to say, not for this machine."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from candela.clock import Clock

__all__ = ["CLOSE_MARGIN", "ServerClock"]

_LOG: Final = logging.getLogger(__name__)
CLOSE_MARGIN: Final = timedelta(seconds=2)
"""How long after its end a candle may still change at the venue (late trades)."""
# The Date header has whole seconds, and an answer may be on its way for a while.
_TOLERANCE: Final = timedelta(seconds=3)
_REMARKABLE: Final = timedelta(seconds=30)


class ServerClock:
    """Keep the offset of a venue's clock to ours, and notice when it is not right any more.

    Parameters
    ----------
    clock
        Our clock; only differences to it are used.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._offset: timedelta | None = None
        self._trusts_dates = False
        self.is_stale = True

    @property
    def offset(self) -> timedelta | None:
        """Server time less ours, at least; None before the first measurement."""
        return self._offset

    def set_measured(
        self, server: datetime, received: datetime, date_header: str | None = None
    ) -> None:
        """Take in what the venue said its time is, in an answer received at an instant of ours.

        Notes
        -----
        The offset is the smallest possible: the time the answer took can then only make a candle
        seem open for a little longer, never closed too soon.
        """
        dated = _date(date_header)
        # A Date that contradicts the answer it heads comes from a cache on the way.
        self._trusts_dates = dated is not None and abs(server - dated) <= _TOLERANCE
        self._set(server - received)

    def set_from_date(self, date_header: str | None, received: datetime) -> bool:
        """Measure by a Date header, for venues that do not tell their time; whether it was one."""
        dated = _date(date_header)
        if dated is None:
            return False
        self._trusts_dates = True
        self._set(dated - received)
        return True

    def note_answer(self, date_header: str | None, received: datetime) -> None:
        """Compare an answer's Date header with what we believe the venue's time to be."""
        dated = _date(date_header)
        if dated is None or self._offset is None or not self._trusts_dates:
            return
        if abs(received + self._offset - dated) > _TOLERANCE:
            self.is_stale = True

    def at_answer(self, date_header: str | None, received: datetime) -> datetime:
        """Return the venue's time when it gave an answer, at the earliest that it can have been."""
        believed = (received + (self._offset or timedelta())).astimezone(UTC)
        dated = _date(date_header)
        if dated is None or not self._trusts_dates:
            return believed
        # The clock may have been set back since it was measured; the answer itself knows.
        return min(believed, dated + timedelta(seconds=1))

    def now(self) -> datetime:
        """Return the venue's time, at the earliest that it can be; ours before a measurement."""
        return (self._clock.now() + (self._offset or timedelta())).astimezone(UTC)

    def _set(self, offset: timedelta) -> None:
        before, self._offset, self.is_stale = self._offset, offset, False
        if abs(offset - (before or timedelta())) > _REMARKABLE:
            _LOG.warning(
                "The clock of %s is %+.1f s from this machine's; the venue's is used.",
                self._venue,
                offset.total_seconds(),
            )


def _date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        dated = parsedate_to_datetime(header)
    except ValueError:
        return None
    return dated.astimezone(UTC) if dated.tzinfo is not None else None
