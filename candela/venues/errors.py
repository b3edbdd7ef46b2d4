"""What can go wrong at a venue, sorted by what the caller can do about it."""

from __future__ import annotations

from candela.errors import (
    BrokerError,
    BrokerUnavailable,
    CandelaError,
    ConfigError,
    DataError,
    NotFound,
    RateLimited,
)

__all__ = [
    "BudgetExhausted",
    "EnvironmentNotOffered",
    "Interrupted",
    "TimeframeNotOffered",
    "UnknownSymbol",
    "UnknownVenue",
    "VenueAnswerInvalid",
    "VenueClockRefused",
    "VenueLibraryTooOld",
    "VenueRefused",
    "VenueThrottled",
    "VenueUnavailable",
    "VenueUnsupported",
]


class UnknownVenue(NotFound):
    """No exchange goes by that id."""

    code = "unknown_venue"


class UnknownSymbol(NotFound):
    """The venue does not list the symbol."""

    code = "unknown_symbol"


class EnvironmentNotOffered(DataError):
    """The venue has no such playground."""

    code = "environment_not_offered"


class TimeframeNotOffered(DataError):
    """The venue has no candles of that length."""

    code = "timeframe_not_offered"


class VenueUnsupported(DataError):
    """The venue's public interface has no such call."""

    code = "venue_unsupported"


class VenueUnavailable(BrokerUnavailable):
    """Time-out, reset, or an error of the venue's own making; asking again may help."""

    code = "venue_unavailable"


class VenueAnswerInvalid(BrokerUnavailable):
    """The venue said that all is well, and sent something that cannot be used."""

    code = "venue_answer_invalid"


class VenueClockRefused(BrokerUnavailable):
    """The venue found the time of a request wrong."""

    code = "venue_clock_refused"


class VenueRefused(BrokerError):
    """The venue refused the request for good."""

    code = "venue_refused"


class VenueThrottled(RateLimited):
    """The venue told this address to wait.

    Parameters
    ----------
    wait_s
        How long it said, or how long is prudent where it did not.
    """

    code = "venue_throttled"

    def __init__(self, message: str, hint: str | None = None, *, wait_s: float = 0.0) -> None:
        super().__init__(message, hint)
        self.wait_s = wait_s


class BudgetExhausted(RateLimited):
    """The shared request budget has no room soon enough."""

    code = "budget_exhausted"


class VenueLibraryTooOld(ConfigError):
    """The installed ccxt is older than the one that Candela was proved with."""

    code = "venue_library_too_old"


class Interrupted(CandelaError):
    """The caller asked to stop while a venue was being waited for."""

    code = "interrupted"
