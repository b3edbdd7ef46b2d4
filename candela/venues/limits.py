"""How much a venue allows each address, and how its answers say what was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAIN_POOL", "VenueLimit", "limit_of", "pool_of", "used_weight"]

MAIN_POOL: Final = "main"


@dataclass(frozen=True, slots=True)
class VenueLimit:
    """What one address may ask of one pool of a venue.

    Parameters
    ----------
    capacity
        Weight a window, in the venue's own units.
    window_s
        Length of the window in seconds.
    used_header
        Lower-case name of the answer's header that says how much of the window is used.
    left_header
        The same for what is left.
    """

    capacity: float
    window_s: float = 60.0
    used_header: str | None = None
    left_header: str | None = None

    def weight(self, cost: float, rate_limit_ms: float) -> float:
        """Turn ccxt's cost of a request into the venue's weight.

        Notes
        -----
        ccxt spaces requests of cost 1 by ``rateLimit`` milliseconds, so a cost takes the share
        ``cost * rateLimit / window`` of the capacity: Binance's klines, cost 0.4 at 50 ms, are 2
        of 6,000 a minute.
        """
        return cost * rate_limit_ms * self.capacity / (self.window_s * 1_000)


# Sources: the venues' public REST documentation (limits of one address, no key).
_BINANCE_USED: Final = "x-mbx-used-weight-1m"
_KNOWN: Final[dict[tuple[str, str], VenueLimit]] = {
    ("binance", MAIN_POOL): VenueLimit(6_000, used_header=_BINANCE_USED),
    ("binance", "sapi"): VenueLimit(12_000),
    ("binance", "fapi"): VenueLimit(2_400, used_header=_BINANCE_USED),
    ("binance", "dapi"): VenueLimit(2_400, used_header=_BINANCE_USED),
    ("binance", "eapi"): VenueLimit(400, used_header=_BINANCE_USED),
    ("binanceusdm", MAIN_POOL): VenueLimit(2_400, used_header=_BINANCE_USED),
    ("binancecoinm", MAIN_POOL): VenueLimit(2_400, used_header=_BINANCE_USED),
    ("binanceus", MAIN_POOL): VenueLimit(1_200, used_header=_BINANCE_USED),
    ("bitvavo", MAIN_POOL): VenueLimit(1_000, left_header="bitvavo-ratelimit-remaining"),
    ("kucoin", MAIN_POOL): VenueLimit(2_000, 30, left_header="gw-ratelimit-remaining"),
}
# Binance counts spot, the two futures and options apart, each on a host of its own.
_POOL_PREFIXES: Final = {"binance": ("sapi", "fapi", "dapi", "eapi")}


def limit_of(venue: str, pool: str, rate_limit_ms: float) -> VenueLimit:
    """Return what the venue allows; where it is not known, what ccxt's pace amounts to."""
    if (known := _KNOWN.get((venue, pool))) is not None:
        return known
    return VenueLimit(60_000 / max(rate_limit_ms, 1.0))


def pool_of(venue: str, api: str) -> str:
    """Return the pool of a venue that a section of ccxt's interface counts against."""
    for prefix in _POOL_PREFIXES.get(venue, ()):
        if api.startswith(prefix):
            return prefix
    return MAIN_POOL


def used_weight(limit: VenueLimit, headers: Mapping[str, str]) -> float | None:
    """Read how much of the window an answer says is used, None where it does not say.

    Parameters
    ----------
    headers
        Names in lower case.
    """
    if limit.used_header is not None and (text := headers.get(limit.used_header)) is not None:
        return _number(text)
    if limit.left_header is not None and (text := headers.get(limit.left_header)) is not None:
        left = _number(text)
        return None if left is None else max(0.0, limit.capacity - left)
    return None


def _number(text: str) -> float | None:
    # A venue that sends two values for one header is not believed at all.
    try:
        return float(text)
    except ValueError:
        return None
