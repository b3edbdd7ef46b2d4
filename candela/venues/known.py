"""Which venues there are, told without loading ccxt, which takes seconds."""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path

from candela.venues.errors import UnknownVenue

__all__ = ["known_venues", "require_venue"]


def known_venues() -> list[str]:
    """Return the exchange ids that the installed ccxt has, sorted."""
    spec = find_spec("ccxt")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return sorted(
        path.stem for place in places for path in (Path(place) / "abstract").glob("[a-z0-9]*.py")
    )


def require_venue(venue: str) -> None:
    """Refuse a venue that ccxt does not have.

    Raises
    ------
    UnknownVenue
        With the names nearest to it.
    """
    names = known_venues()
    if venue in names:
        return
    near = difflib.get_close_matches(venue, names, n=3)
    raise UnknownVenue(
        f"No exchange {venue!r} is known.",
        f"Near it are {', '.join(near)}." if near else "Use its ccxt id, such as kraken.",
    )
